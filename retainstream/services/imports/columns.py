"""What a column holds, learnt from its values chunk by chunk: exactly while it has few different ones, by counting after that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from retainstream.lib.tabular import Chunk
from retainstream.services.imports.cells import counts, numbers
from retainstream.services.imports.values import (
    CODE,
    EMAIL,
    PHONE,
    UUID,
    Blanks,
    Decimal,
    currency_of,
    date_formats,
    parse_date,
    parse_number,
)

MAX_COUNTED = 2_000
_TEXTS_PER_CHUNK = 40
_SAMPLES = 5


@dataclass(frozen=True)
class ColumnProfile:
    """Facts about one column.

    Attributes
    ----------
    rows, blanks : int
    distinct : int
        Different non-blank values; a lower bound when `distinct_exact` is False.
    counts : dict of str to int
        Non-blank values with their counts, the commonest first; empty when there are more than 2,000 different ones.
    numbers, integers : int
        Non-blank values that are numbers (with `decimal` as the decimal sign), and whole ones among them.
    only_grouped : bool
        True when the decimal sign is a guess, because every separator seen stands before exactly three digits.
    minimum, maximum : float or None
        Of the numbers.
    date_format : str or None
        The format that reads every date among a sample of the values; `date_share` is the share that it reads.
    emails, phones, codes, uuids : float
        Shares (0 to 1) of a sample of the different values that have the pattern.
    """

    position: int
    name: str
    original: str
    rows: int
    blanks: int
    distinct: int
    distinct_exact: bool
    counts: dict[str, int]
    numbers: int
    plain_numbers: int
    integers: int
    decimal: Decimal
    only_grouped: bool
    minimum: float | None
    maximum: float | None
    currency: str | None
    percents: int
    point_zeros: int
    padded: int
    is_row_counter: bool
    date_format: str | None
    date_share: float
    date_minimum: int | None
    date_maximum: int | None
    emails: float
    phones: float
    codes: float
    uuids: float
    mean_length: float
    samples: tuple[str, ...]

    @property
    def filled(self) -> int:
        """Number of values that are not blank."""
        return self.rows - self.blanks

    @property
    def unique(self) -> bool:
        """Whether all values that are not blank differ."""
        return self.distinct_exact and self.filled > 0 and self.distinct == self.filled

    @property
    def number_share(self) -> float:
        """Share of the non-blank values that are numbers, 0 to 1."""
        return self.numbers / self.filled if self.filled else 0.0


@dataclass
class _Notation:
    """Numbers as read with one decimal sign."""

    count: int = 0
    integers: int = 0
    low: float = float("inf")
    high: float = float("-inf")

    def add(self, value: float, weight: int) -> None:
        self.count += weight
        self.integers += weight if value.is_integer() else 0
        self.low, self.high = min(self.low, value), max(self.high, value)

    def add_many(self, count: int, integers: int, low: float, high: float) -> None:
        self.count += count
        self.integers += integers
        self.low, self.high = min(self.low, low), max(self.high, high)


@dataclass
class ColumnReader:
    """Learns one column. Counting different values makes all facts exact; above 2,000 of them numbers are read in bulk."""

    is_blank: Blanks
    rows: int = 0
    blanks: int = 0
    counter: Counter[str | None] | None = field(default_factory=Counter)
    dot: _Notation = field(default_factory=_Notation)
    comma: _Notation = field(default_factory=_Notation)
    plain: int = 0
    only_dot: int = 0
    only_comma: int = 0
    percents: int = 0
    point_zeros: int = 0
    padded: int = 0
    currency: str | None = None
    texts: list[str] = field(default_factory=list)
    hashes: list[np.ndarray] | None = None
    blank_hashes: set[int] = field(default_factory=set)
    next_count: int | None = None

    def add(self, chunk: Chunk, position: int) -> None:
        """Learn the next values of the column."""
        column = chunk.columns[position]
        if not column:
            return
        self._follow_counter(column)
        self.rows += len(column)
        if self.counter is not None:
            self.counter.update(counts(chunk, position))
            if len(self.counter) > MAX_COUNTED:
                self._stop_counting()
            return
        if self.hashes is not None:
            self.hashes.append(np.fromiter(map(hash, column), dtype=np.int64, count=len(column)))
        step = max(1, len(column) // _TEXTS_PER_CHUNK)
        self.texts.extend(text for text in column[::step] if text is not None and not self.is_blank(text))
        self._add_many(column, numbers(chunk, position) if self._may_be_numbers else None)

    @property
    def _may_be_numbers(self) -> bool:
        """Text so far stays text: where hardly a number was met, the rest is not tried."""
        return self.dot.count + self.comma.count >= 0.05 * (self.rows - self.blanks) - _TEXTS_PER_CHUNK

    def _follow_counter(self, column: list[str | None]) -> None:
        if self.rows == 0:
            self.next_count = int(first) if (first := column[0]) in ("0", "1") else None
        if self.next_count is not None:
            expected = range(self.next_count, self.next_count + len(column))
            self.next_count = expected.stop if column == list(map(str, expected)) else None

    def _stop_counting(self) -> None:
        counter, self.counter = self.counter or Counter(), None
        self._learn(counter.items())
        self.texts = [text for text in counter if text is not None and not self.is_blank(text)]
        # Only a column of many different texts or whole numbers can be an identifier; the rest needs no exact count.
        if len(counter) >= 0.02 * self.rows and self.dot.integers == self.dot.count:
            repeated = [key for key, count in counter.items() for _ in range(count)]
            self.hashes = [np.fromiter(map(hash, repeated), dtype=np.int64, count=len(repeated))]

    def _add_many(self, column: list[str | None], values: np.ndarray | None) -> None:
        filled: list[str | None] = [text for text in column if text]
        if len(filled) < len(column):
            self.blanks += len(column) - len(filled)
            self.blank_hashes.update(map(hash, {text for text in column if not text}))
            if not filled:
                return
        if values is not None:
            known = values[~np.isnan(values)]
            whole = int(np.count_nonzero(known == np.floor(known)))
            self.plain += len(filled)
            self.dot.add_many(len(filled), whole, float(known.min()), float(known.max()))
            self.comma.count += whole
            self.comma.integers += whole
            self.only_dot += len(filled) - whole
            if whole == len(filled):
                self._note_integers(filled)
            return
        column = filled
        if self.dot.count + self.comma.count < 0.05 * (self.rows - len(column)):
            # Text so far: only its blanks are counted.
            short = [text for text in column if text is None or len(text) <= self.is_blank.longest + 2]
            found = [text for text in short if self.is_blank(text)]
            self.blanks += len(found)
            self.blank_hashes.update(map(hash, set(found)))
            return
        self._learn(Counter(column).items())

    def _note_integers(self, column: list[str | None]) -> None:
        self.padded += sum(1 for text in column if text and text[0] == "0" and len(text) > 1 and text[1] != ".")
        self.point_zeros += sum(1 for text in column if text and text.endswith(".0"))

    def _learn(self, items: Iterable[tuple[str | None, int]]) -> None:
        for text, weight in items:
            if text is None or self.is_blank(text):
                self.blanks += weight
                self.blank_hashes.add(hash(text))
                continue
            dot, comma = parse_number(text, "."), parse_number(text, ",")
            if dot is None and comma is None:
                continue
            if dot is not None:
                self.dot.add(dot, weight)
                self.only_dot += weight if comma is None else 0
            if comma is not None:
                self.comma.add(comma, weight)
                self.only_comma += weight if dot is None else 0
            stripped = text.strip()
            self.padded += weight if len(stripped) > 1 and stripped[0] == "0" and stripped.isdigit() else 0
            self.point_zeros += weight if stripped.endswith(".0") else 0
            if stripped[-1] == "%":
                self.percents += weight
            elif not stripped[0].isdigit() or not stripped[-1].isdigit():
                self.currency = self.currency or currency_of(stripped)
            self.plain += (
                weight if stripped.isascii() and stripped.lstrip("+-")[:1].isdigit() and _is_plain(stripped) else 0
            )

    def finish(self, position: int, name: str, original: str) -> ColumnProfile:
        """Return what was learnt."""
        counts: dict[str, int] = {}
        if self.counter is not None:
            self._learn(self.counter.items())
            counts = {
                text: count
                for text, count in self.counter.most_common()
                if text is not None and not self.is_blank(text)
            }
            self.texts = list(counts)
        distinct, exact = len(counts), self.counter is not None
        if self.counter is None:
            distinct, exact = MAX_COUNTED + 1, False
            if self.hashes is not None:
                distinct, exact = count_different(np.concatenate(self.hashes)) - len(self.blank_hashes), True
        decimal: Decimal = "," if self.only_comma and self.comma.count > self.dot.count else "."
        numbers = self.comma if decimal == "," else self.dot
        form, share, earliest, latest = find_date_format(self.texts)
        return ColumnProfile(
            position=position,
            name=name,
            original=original,
            rows=self.rows,
            blanks=self.blanks,
            distinct=distinct,
            distinct_exact=exact,
            counts=counts,
            numbers=numbers.count,
            plain_numbers=self.plain,
            integers=numbers.integers,
            decimal=decimal,
            only_grouped=not self.only_comma and not self.only_dot and self.plain < numbers.count,
            minimum=numbers.low if numbers.count else None,
            maximum=numbers.high if numbers.count else None,
            currency=self.currency,
            percents=self.percents,
            point_zeros=self.point_zeros,
            padded=self.padded,
            is_row_counter=self.next_count is not None and self.rows >= 3,
            date_format=form,
            date_share=share,
            date_minimum=earliest,
            date_maximum=latest,
            emails=_share(EMAIL, self.texts),
            phones=_share(PHONE, self.texts),
            codes=_share(CODE, self.texts),
            uuids=_share(UUID, self.texts),
            mean_length=sum(map(len, self.texts)) / len(self.texts) if self.texts else 0.0,
            samples=tuple(self.texts[:_SAMPLES]),
        )


def count_different(values: np.ndarray) -> int:
    """Count the different values of an integer array; a plain sort, several times quicker than ``numpy.unique``."""
    if len(values) == 0:
        return 0
    ordered = np.sort(values)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def find_date_format(texts: list[str]) -> tuple[str | None, float, int | None, int | None]:
    """Find the date format that reads most of some texts.

    Day-first and month-first are told apart by the values (a 25 can be no month); when none tells, day-first is taken.

    Returns
    -------
    (format or None, share of the texts that it reads, earliest, latest)
        Earliest and latest in microseconds since 1970 UTC.
    """
    probe = texts[:: max(1, len(texts) // 50)]
    if not probe or sum(bool(date_formats(text)) for text in probe) < 0.5 * len(probe):
        return None, 0.0, None, None
    readings: Counter[str] = Counter()
    for text in texts:
        readings.update(date_formats(text))
    order = ("iso", "ymd", "dmy", "mdy", "yyyymmdd", "d_month_y")
    best = max(order, key=lambda form: (readings[form], -order.index(form)))
    moments = [moment for text in texts if (moment := parse_date(text, best)) is not None]
    return best, len(moments) / len(texts), min(moments), max(moments)


def _share(pattern: object, texts: list[str]) -> float:
    matches = pattern.fullmatch  # type: ignore[attr-defined]
    probe = texts[:: max(1, len(texts) // 1000)]
    return sum(1 for text in probe if len(text) <= 320 and matches(text.strip())) / len(probe) if probe else 0.0


def _is_plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
