"""From chunks of text to the rows that the writers take, as a mapping says; what does not fit becomes an error of its row.

Times are read in `moments`, properties in `properties`; subscriptions have a reader of their own in `periods`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np

from retainstream.lib.tabular import Chunk
from retainstream.services.events.mapping import EventColumn, EventMapping
from retainstream.services.events.moments import NO_TIME, read_moment, read_moments
from retainstream.services.events.properties import PropertyReader, too_long
from retainstream.services.events.rows import (
    EARLIEST_US,
    FURTHEST_AHEAD_US,
    LARGEST_PROPERTIES,
    LONGEST_KEY,
    LONGEST_USER_ID,
    EventRows,
    SubscriptionRows,
    kind_name,
    refusal,
)
from retainstream.services.imports.badrows import BadRow, RowError, cut
from retainstream.services.imports.casting import ragged_error
from retainstream.services.imports.cells import plain_numbers
from retainstream.services.imports.values import Blanks, parse_number

_EXAMPLES = {
    "iso": "2024-03-31T18:05:00Z", "ymd": "2024/03/31", "dmy": "31/03/2024", "mdy": "03/31/2024", "yyyymmdd": "20240331",
    "d_month_y": "31 Mar 2024", "unix_s": "1711843200", "unix_ms": "1711843200000", "unix_us": "1711843200000000",
    "unix_ns": "1711843200000000000",
}  # fmt: skip
_PENNY = (
    6  # decimals to which a price times a quantity is rounded: far below any currency's, far above the noise of floats
)

Cells = list[str | None]


@dataclass(frozen=True)
class ReadChunk:
    """The rows of one chunk.

    Attributes
    ----------
    rows : EventRows or SubscriptionRows
        Those that can be written.
    lines : list of int
        Their physical lines.
    bad_rows : list of BadRow
        In the order of the file.
    no_customer : int
        Rows without an identifier, left out and no errors: visitors who are not logged in, sales to nobody known.
    """

    rows: EventRows | SubscriptionRows
    lines: list[int]
    bad_rows: list[BadRow] = field(default_factory=list)
    no_customer: int = 0


class Sheet:
    """The rows of one chunk that name a customer, column by column, with what is found wrong in them.

    Attributes
    ----------
    user_ids : list of str
    lines : list of int
    no_customer : int
    """

    def __init__(self, chunk: Chunk, mapping: EventMapping, position: dict[str, int], blank: Blanks) -> None:
        self._chunk, self._position, self._blank = chunk, position, blank
        self._errors: dict[int, list[RowError]] = {}
        self._kept: list[bool] | None = None
        customer = mapping.role("customer")
        assert customer is not None
        ids = [text.strip() if text else "" for text in chunk.columns[position[customer.name]]]
        if customer.format == "drop_point_zero":
            ids = [text.removesuffix(".0") for text in ids]
        nobody = {text for text in set(ids) if len(text) <= blank.longest and blank(text)}
        self.lines, self.user_ids = chunk.line_numbers, ids
        if nobody:
            self._kept = [text not in nobody for text in ids]
            self.lines, self.user_ids = list(compress(self.lines, self._kept)), list(compress(ids, self._kept))
        self.no_customer = len(chunk) - len(self.lines)
        if self.user_ids and max(map(len, self.user_ids)) > LONGEST_USER_ID:
            expected = f"an identifier of at most {LONGEST_USER_ID} characters"
            for at, text in enumerate(self.user_ids):
                if len(text) > LONGEST_USER_ID:
                    self.refuse(at, customer, text, expected, "identifier_too_long")

    def __len__(self) -> int:
        return len(self.lines)

    def cells(self, column: EventColumn) -> Cells:
        """Return the cells of a column in these rows, as in the file."""
        found = self._chunk.columns[self._position[column.name]]
        return found if self._kept is None else list(compress(found, self._kept))

    def texts(self, column: EventColumn) -> Cells:
        """Return the cells without white space around them; None for blanks."""
        cells = self.cells(column)
        known = {text: None if text is None or self._blank(text) else text.strip() for text in set(cells)}
        return list(map(known.__getitem__, cells))

    def moments(self, column: EventColumn, now: int, *, needed: bool, ahead: bool = False) -> np.ndarray:
        """Return a column of times, ``NO_TIME`` where it is blank; refuse the rows where it is no time, or none that can be.

        Parameters
        ----------
        needed : bool
            Whether a blank is refused, too.
        ahead : bool
            Whether any time ahead can be, such as the end of a contract.
        """
        form, cells = column.format or "iso", self.cells(column)
        values = read_moments(cells, form)
        for at in np.flatnonzero(values == NO_TIME).tolist():
            text = cells[at]
            blank = text is None or self._blank(text)
            moment = None if blank else read_moment(str(text).strip(), form)
            if moment is not None:
                values[at] = moment
            elif needed or not blank:
                code = "missing_time" if blank else "not_a_date"
                self.refuse(at, column, text, f"a time such as {_EXAMPLES[form]}", code)
        latest = np.iinfo(np.int64).max if ahead else now + FURTHEST_AHEAD_US
        for at in np.flatnonzero((values != NO_TIME) & ((values < EARLIEST_US) | (values > latest))).tolist():
            self.refuse(at, column, cells[at], refusal(int(values[at]), now) or "a time", "time_out_of_range")
        return values

    def numbers(self, column: EventColumn) -> np.ndarray:
        """Return a column of numbers, NaN where it is blank; refuse the rows where it is no number."""
        cells = self.cells(column)
        decimal = "," if column.decimal == "," else "."
        values = plain_numbers(cells) if decimal == "." else None
        if values is not None:
            return values
        known: dict[str | None, float] = {}
        wrong: set[str | None] = set()
        for text in set(cells):
            number = None if text is None or self._blank(text) else parse_number(text, decimal)  # type: ignore[arg-type]
            if number is None and text is not None and not self._blank(text):
                wrong.add(text)
            known[text] = np.nan if number is None else number
        if wrong:
            example = "12,5" if decimal == "," else "12.5"
            for at, text in enumerate(cells):
                if text in wrong:
                    self.refuse(at, column, text, f"a number such as {example}", "not_a_number")
        return np.fromiter(map(known.__getitem__, cells), dtype=np.float64, count=len(cells))

    def keys(self, column: EventColumn | None) -> list[str | None]:
        """Return the sender's own names of the rows; refuse those that are too long."""
        if column is None:
            return [None] * len(self)
        texts = self.texts(column)
        for at, text in enumerate(texts):
            if text is not None and len(text) > LONGEST_KEY:
                self.refuse(at, column, text, f"a key of at most {LONGEST_KEY} characters", "key_too_long")
        return texts

    def refuse(self, at: int, column: EventColumn | None, value: str | None, expected: str, code: str) -> None:
        """Note what is wrong with a row."""
        error = RowError(self.lines[at], column.name if column is not None else None, cut(value), expected, code)
        self._errors.setdefault(at, []).append(error)

    def good(self) -> list[bool] | None:
        """Return which rows can be taken; None when all can."""
        return [at not in self._errors for at in range(len(self))] if self._errors else None

    def bad_rows(self) -> list[BadRow]:
        """Return the rows that can't be taken, those of another width than the header among them."""
        bad: list[BadRow] = []
        if self._errors:
            where = [at for at in range(len(self._chunk)) if self._kept is None or self._kept[at]]
            bad = [
                BadRow(self.lines[at], [column[where[at]] for column in self._chunk.columns], tuple(found))
                for at, found in self._errors.items()
            ]
        bad += [BadRow(row.line, row.cells, (ragged_error(row),)) for row in self._chunk.ragged]
        return sorted(bad, key=lambda row: row.line)


class EventReader:
    """Reads the chunks of one file of events or orders.

    Parameters
    ----------
    names : sequence of str
        The columns of the file.
    now : int
        The time of loading, microseconds UTC.
    """

    def __init__(self, mapping: EventMapping, names: Sequence[str], now: int) -> None:
        self.mapping, self.now = mapping, now
        self._position = {name: at for at, name in enumerate(names)}
        self._blank = Blanks(mapping.blanks)
        self._kinds: dict[str | None, str | None] = {}
        self._properties = PropertyReader(mapping.properties, self._blank, frozenset({"quantity"}))

    def read(self, chunk: Chunk) -> ReadChunk:
        """Read one chunk."""
        mapping = self.mapping
        sheet = Sheet(chunk, mapping, self._position, self._blank)
        time = mapping.role("time")
        assert time is not None
        occurred = sheet.moments(time, self.now, needed=True)
        received = self._received(sheet, occurred)
        kinds, values = self._orders(sheet) if mapping.target == "orders" else self._events(sheet)
        keys = sheet.keys(mapping.role("key"))
        properties = self._read_properties(sheet)
        good = sheet.good()
        take: Callable[[list[Any]], list[Any]] = _all if good is None else lambda column: list(compress(column, good))
        rows = EventRows(
            user_ids=take(sheet.user_ids),
            kinds=take(kinds),
            occurred=take(occurred.tolist()),
            received=take(received.tolist()),
            values=take(_plain(values, len(sheet))),
            properties=take(properties),
            keys=take(keys),
        )
        return ReadChunk(rows, take(sheet.lines), sheet.bad_rows(), sheet.no_customer)

    def _received(self, sheet: Sheet, occurred: np.ndarray) -> np.ndarray:
        """Return when each row became known: as the file says, else when it happened (history), else now."""
        usual = np.minimum(occurred, self.now) if self.mapping.known_at_time else np.full(len(occurred), self.now)
        column = self.mapping.role("received")
        if column is None:
            return usual
        told = sheet.moments(column, self.now, needed=False)
        return np.where(told == NO_TIME, usual, np.minimum(told, self.now))

    def _events(self, sheet: Sheet) -> tuple[list[str], np.ndarray | None]:
        value, kind = self.mapping.role("value"), self.mapping.role("kind")
        values = None if value is None else sheet.numbers(value)
        if kind is None:
            return [self.mapping.kind or "event"] * len(sheet), values
        cells = sheet.cells(kind)
        for text in set(cells) - self._kinds.keys():
            self._kinds[text] = None if text is None or self._blank(text) else kind_name(text.strip())
        kinds = list(map(self._kinds.__getitem__, cells))
        if None in kinds:
            for at, name in enumerate(kinds):
                if name is None:
                    sheet.refuse(at, kind, cells[at], "a kind of event such as login", "not_a_kind")
        return [name or "" for name in kinds], values

    def _orders(self, sheet: Sheet) -> tuple[list[str], np.ndarray | None]:
        """Return purchases and refunds, each with its positive amount."""
        found = {
            role: sheet.numbers(column)
            for role in ("amount", "price", "quantity")
            if (column := self.mapping.role(role)) is not None
        }
        amount, price, quantity = found.get("amount"), found.get("price"), found.get("quantity")
        if amount is None and price is not None:
            amount = np.round(price * quantity, _PENNY) if quantity is not None else price
        refunds = np.zeros(len(sheet), dtype=bool)
        for sign in (amount, quantity):
            if sign is not None:
                refunds |= sign < 0
        order, prefix = self.mapping.role("order"), self.mapping.cancelled_prefix
        if order is not None and prefix is not None:
            texts = sheet.texts(order)
            length = len(prefix)
            refunds |= np.fromiter(
                (text is not None and text.startswith(prefix) and text[length:].isdigit() for text in texts),
                dtype=bool,
                count=len(texts),
            )
        kinds = np.where(refunds, "refund", "purchase").tolist()
        return kinds, None if amount is None else np.abs(amount)

    def _read_properties(self, sheet: Sheet) -> list[str | None]:
        columns = self.mapping.properties
        if not columns:
            return [None] * len(sheet)
        properties = self._properties.read([sheet.cells(column) for column in columns])
        for at in too_long(properties):
            expected = f"properties of at most {LARGEST_PROPERTIES:,} bytes together"
            sheet.refuse(at, None, None, expected, "properties_too_long")
        return properties


def _all(column: list[Any]) -> list[Any]:
    return column


def _plain(values: np.ndarray | None, rows: int) -> list[float | None]:
    """Return numbers as Python's own, None for a missing one."""
    if values is None:
        return [None] * rows
    if not np.isnan(values).any():
        return list(values.tolist())
    return [None if number != number else number for number in values.tolist()]  # noqa: PLR0124 - NaN alone differs from itself
