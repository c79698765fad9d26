"""From chunks of text to statements about subscriptions, as a mapping says: plan, monthly price, start, end, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from retainstream.lib.tabular import Chunk
from retainstream.services.events.hints import end_reason
from retainstream.services.events.mapping import EventMapping
from retainstream.services.events.moments import NO_TIME
from retainstream.services.events.reading import ReadChunk, Sheet
from retainstream.services.events.rows import LONGEST_PLAN, SubscriptionRows
from retainstream.services.imports.reading import minor_units
from retainstream.services.imports.values import Blanks


class PeriodReader:
    """Reads the chunks of one file of subscriptions.

    Parameters
    ----------
    names : sequence of str
        The columns of the file.
    now : int
        The time of loading, microseconds UTC.
    currency : str
        Of prices where neither the file nor the mapping tells it.
    """

    def __init__(self, mapping: EventMapping, names: Sequence[str], now: int, currency: str) -> None:
        self.mapping, self.now, self._usual = mapping, now, mapping.currency or currency
        self._position = {name: at for at, name in enumerate(names)}
        self._blank = Blanks(mapping.blanks)

    def read(self, chunk: Chunk) -> ReadChunk:
        """Read one chunk."""
        mapping = self.mapping
        sheet = Sheet(chunk, mapping, self._position, self._blank)
        first = mapping.role("started")
        assert first is not None
        started = sheet.moments(first, self.now, needed=True)
        ended = self._ended(sheet, started)
        received_column = mapping.role("received")
        received = None if received_column is None else sheet.moments(received_column, self.now, needed=False)
        plan = mapping.role("plan")
        plans = [None] * len(sheet) if plan is None else [text and text[:LONGEST_PLAN] for text in sheet.texts(plan)]
        currencies = self._currencies(sheet)
        minor = self._minor(sheet, currencies)
        reasons = self._reasons(sheet, ended)
        keys = sheet.keys(mapping.role("key"))
        good = sheet.good()

        def take(column: Sequence[Any]) -> list[Any]:
            return list(column) if good is None else list(compress(column, good))

        rows = SubscriptionRows(
            user_ids=take(sheet.user_ids),
            keys=take(keys),
            plans=take(plans),
            revenue_minor=take(minor),
            currencies=take(
                [code if price is not None else None for code, price in zip(currencies, minor, strict=True)]
            ),
            started=take(started.tolist()),
            ended=take(ended),
            reasons=take(reasons),
            received=[] if received is None else take(_moments(np.minimum(received, self.now))),
            known_at_time=mapping.known_at_time,
        )
        return ReadChunk(rows, take(sheet.lines), sheet.bad_rows(), sheet.no_customer)

    def _ended(self, sheet: Sheet, started: np.ndarray) -> list[int | None]:
        column = self.mapping.role("ended")
        if column is None:
            return [None] * len(sheet)
        ended = sheet.moments(column, self.now, needed=False, ahead=True)
        known = (ended != NO_TIME) & (started != NO_TIME)
        cells = sheet.cells(column)
        for at in np.flatnonzero(known & (ended < started)).tolist():
            sheet.refuse(at, column, cells[at], "an end that is not before the start", "end_before_start")
        return _moments(ended)

    def _currencies(self, sheet: Sheet) -> list[str]:
        column = self.mapping.role("currency")
        if column is None:
            return [self._usual] * len(sheet)
        codes: list[str] = []
        for at, text in enumerate(sheet.texts(column)):
            code = (text or self._usual).upper()
            if len(code) != 3 or not (code.isascii() and code.isalpha()):
                sheet.refuse(at, column, text, "a three-letter code such as EUR", "not_a_currency")
            codes.append(code[:3])
        return codes

    def _minor(self, sheet: Sheet, currencies: list[str]) -> list[int | None]:
        column = self.mapping.role("price")
        if column is None:
            return [None] * len(sheet)
        amounts, cells = sheet.numbers(column), sheet.cells(column)
        for at in np.flatnonzero(amounts < 0).tolist():
            sheet.refuse(at, column, cells[at], "a price that is not negative", "negative_price")
        minor: list[int | None] = [None] * len(sheet)
        codes = np.array(currencies)
        for code in set(currencies):
            where = np.flatnonzero(codes == code)
            for at, price in zip(where.tolist(), minor_units(amounts[where], code), strict=True):
                minor[at] = price
        return minor

    def _reasons(self, sheet: Sheet, ended: list[int | None]) -> list[str | None]:
        """Return why each subscription ended, None for one that did not."""
        column = self.mapping.role("reason")
        usual = self.mapping.no_reason
        if column is None:
            return [None if end is None else usual for end in ended]
        cells = sheet.texts(column)
        meaning: dict[str | None, str | None] = {None: usual}
        for text in set(cells):
            if text is not None:
                word = text.casefold()
                meaning[text] = self.mapping.reasons.get(word) or end_reason(word) or "other"
        return [None if end is None else meaning[text] for end, text in zip(ended, cells, strict=True)]


def _moments(values: np.ndarray) -> list[int | None]:
    return [None if moment == NO_TIME else moment for moment in values.tolist()]
