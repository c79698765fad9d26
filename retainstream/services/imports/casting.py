"""From chunks of text to typed columns, as a mapping says; what does not fit becomes an error of its row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from retainstream.lib.tabular import Chunk, RaggedRow
from retainstream.services.imports.badrows import BadRow, RowError, cut
from retainstream.services.imports.cells import different, few_different, numbers, row_hashes
from retainstream.services.imports.mapping import ColumnMapping, Mapping
from retainstream.services.imports.rowids import RowIds
from retainstream.services.imports.values import Blanks, Decimal, parse_boolean, parse_date, parse_number

NO_DATE = int(np.iinfo(np.int64).min)
NO_LABEL = -1
_CACHED = 50_000
_DATE_EXAMPLES = {
    "iso": "2024-03-31", "ymd": "2024/03/31", "dmy": "31/03/2024", "mdy": "03/31/2024", "yyyymmdd": "20240331",
    "d_month_y": "31 Mar 2024", "unix_s": "1711843200", "unix_ms": "1711843200000",
}  # fmt: skip

Column = list[str | None]
Values = np.ndarray | list[str | None]


@dataclass(frozen=True)
class CastColumn:
    """One typed column of the rows that were taken.

    Attributes
    ----------
    mapping : ColumnMapping
    values : numpy.ndarray or list of (str or None)
        number, integer: float64, NaN when missing. boolean: float64 0 or 1, NaN when missing. date: int64 microseconds
        since 1970 UTC, ``NO_DATE`` when missing. label: int8 1 for left, 0 for stayed, ``NO_LABEL`` when missing.
        category, text and personal details: stripped text, None when missing.
    """

    mapping: ColumnMapping
    values: Values


@dataclass(frozen=True)
class CastChunk:
    """The typed rows of one chunk.

    Attributes
    ----------
    lines : list of int
        Physical lines of the rows that were taken.
    ids : list of str
        Their identifiers, from the file or made; unique over all chunks of one caster.
    columns : dict of str to CastColumn
        By attribute; without the identifier, the label and what is ignored.
    label : CastColumn or None
    bad_rows : list of BadRow
        In the order of the file; their errors are also in `errors`.
    exact_duplicates : int
        Rows left out because they repeat a row taken before in every cell, identifier included.
    """

    lines: list[int]
    ids: list[str]
    columns: dict[str, CastColumn]
    label: CastColumn | None
    bad_rows: list[BadRow] = field(default_factory=list)
    exact_duplicates: int = 0

    @property
    def errors(self) -> list[RowError]:
        """All errors of all rows, in the order of the file."""
        return [error for row in self.bad_rows for error in row.errors]

    def __len__(self) -> int:
        return len(self.lines)


class Caster:
    """Casts the chunks of one file, in order; it remembers identifiers, so that repeats are met across chunks.

    Parameters
    ----------
    mapping : Mapping
    names : sequence of str, optional
        The columns of the file; by default those of the mapping, in its order.

    Raises
    ------
    MappingError
        When the mapping names a column that the file does not have.
    """

    def __init__(self, mapping: Mapping, names: Sequence[str] | None = None) -> None:
        names = [column.name for column in mapping.columns] if names is None else list(names)
        mapping.check_columns(names)
        self._names = names
        self._blank = Blanks(mapping.blanks)
        position = {name: index for index, name in enumerate(names)}
        used = [column for column in mapping.columns if column.role not in ("ignored", "identifier")]
        self._readers = [(position[column.name], column, _reader(column, self._blank)) for column in used]
        identifier = mapping.identifier
        self._identifier = identifier
        self._at = position[identifier.name] if identifier else None
        self._seen: dict[str, int] = {}
        self._made = RowIds(names)

    def cast(self, chunk: Chunk) -> CastChunk:
        """Cast one chunk.

        Every value that does not fit its kind, a missing or repeated identifier, and a wrong number of cells is an error, and
        its row is not taken. A blank is a missing value and never an error.
        """
        rows = len(chunk)
        errors: dict[int, list[RowError]] = {}
        cast: list[tuple[ColumnMapping, Values]] = []
        for position, column, read in self._readers:
            values, wrong = read(chunk, position)
            for row in wrong:
                found = cut(chunk.columns[position][row])
                errors.setdefault(row, []).append(
                    RowError(chunk.line_numbers[row], column.name, found, *_expected(column, found))
                )
            cast.append((column, values))
        ids, dropped = self._identify(chunk, errors)
        lines = chunk.line_numbers
        if errors or dropped:
            kept = [row for row in range(rows) if row not in errors and row not in dropped]
            lines = [lines[row] for row in kept]
            ids = [ids[row] for row in kept] if ids else []
            cast = [(column, _take(values, kept)) for column, values in cast]
        if self._at is None:
            columns = [_take(column, kept) for column in chunk.columns] if errors else chunk.columns
            ids = self._made.make(columns)  # type: ignore[arg-type]
        typed = [CastColumn(column, values) for column, values in cast]
        return CastChunk(
            lines=lines,
            ids=ids,
            columns={item.mapping.attribute: item for item in typed if item.mapping.role != "label"},
            label=next((item for item in typed if item.mapping.role == "label"), None),
            bad_rows=self._bad_rows(chunk, errors),
            exact_duplicates=len(dropped),
        )

    def _identify(self, chunk: Chunk, errors: dict[int, list[RowError]]) -> tuple[list[str], set[int]]:
        """Read the identifiers; note missing and repeated ones as errors, and return the rows that are exact repeats."""
        if self._at is None or self._identifier is None:
            return [], set()
        column = chunk.columns[self._at]
        ids = [text.strip() if text else "" for text in column]
        if self._identifier.format == "drop_point_zero":
            ids = [text.removesuffix(".0") for text in ids]
        hashes = row_hashes(chunk).tolist()
        new, longest = set(ids), self._blank.longest
        suspicious = min(map(len, new), default=0) <= longest and any(
            self._blank(text) for text in new if len(text) <= longest
        )
        if len(new) == len(ids) and not suspicious and not errors and self._seen.keys().isdisjoint(new):
            self._seen.update(zip(ids, hashes, strict=True))
            return ids, set()
        dropped: set[int] = set()
        for row, (text, content) in enumerate(zip(ids, hashes, strict=True)):
            if self._blank(text):
                self._refuse(errors, chunk, row, "the customer's identifier", "missing_identifier")
            elif row in errors:
                continue  # a row that is not taken does not stand in the way of a good one with its identifier
            elif text not in self._seen:
                self._seen[text] = content
            elif self._seen[text] == content:
                dropped.add(row)
            else:
                self._refuse(errors, chunk, row, "an identifier that no earlier row has", "duplicate_identifier")
        return ids, dropped

    def _refuse(self, errors: dict[int, list[RowError]], chunk: Chunk, row: int, expected: str, code: str) -> None:
        assert self._at is not None
        assert self._identifier is not None
        found = cut(chunk.columns[self._at][row])
        error = RowError(chunk.line_numbers[row], self._identifier.name, found, expected, code)
        errors.setdefault(row, []).append(error)

    def _bad_rows(self, chunk: Chunk, errors: dict[int, list[RowError]]) -> list[BadRow]:
        bad = [
            BadRow(chunk.line_numbers[row], [column[row] for column in chunk.columns], tuple(found))
            for row, found in errors.items()
        ]
        bad += [BadRow(row.line, row.cells, (ragged_error(row),)) for row in chunk.ragged]
        return sorted(bad, key=lambda row: row.line)


def ragged_error(row: RaggedRow) -> RowError:
    """Say what is wrong with a record that does not fit the header."""
    if row.problem == "not_json":
        return RowError(row.line, None, cut(row.cells[0] if row.cells else None), "one JSON object", "not_json")
    return RowError(row.line, None, f"{row.found} cells", f"{row.expected} cells", "wrong_cell_count")


def _take(values: Values, rows: list[int]) -> Values:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _expected(column: ColumnMapping, found: str | None) -> tuple[str, str]:
    if column.role == "label":
        values = [*column.churned_values, *column.kept_values]
        return f"one of {', '.join(values[:6])}", "unknown_label"
    if column.kind == "boolean":
        return "yes or no (also true or false, 1 or 0)", "not_yes_or_no"
    if column.kind == "date":
        return f"a date such as {_DATE_EXAMPLES.get(column.format or 'iso', '2024-03-31')}", "not_a_date"
    example = "12,5" if column.decimal == "," else "12.5"
    if column.kind == "integer":
        number = parse_number(found or "", "," if column.decimal == "," else ".")
        return "a whole number such as 12", "not_a_number" if number is None else "not_whole"
    return f"a number such as {example}", "not_a_number"


Reader = Callable[[Chunk, int], tuple[Values, list[int]]]


def _reader(column: ColumnMapping, blank: Blanks) -> Reader:
    """Return the function that reads whole columns of this kind: (values, positions that do not fit)."""
    if column.role == "label":
        meanings = {value.strip().casefold(): 0.0 for value in column.kept_values}
        meanings |= {value.strip().casefold(): 1.0 for value in column.churned_values}
        return _Lookup(lambda text: meanings.get(text.strip().casefold()), blank, NO_LABEL, np.int8)
    if column.role != "personal" and column.kind in ("number", "integer"):
        return _NumberReader(column, blank)
    if column.role != "personal" and column.kind == "boolean":

        def yes_or_no(text: str) -> float | None:
            value = parse_boolean(text)
            return None if value is None else float(value)

        return _Lookup(yes_or_no, blank, float("nan"))
    if column.role != "personal" and column.kind == "date":
        form = column.format or "iso"
        return _Lookup(lambda text: parse_date(text, form), blank, NO_DATE, np.int64)
    return _TextReader(blank)


class _Lookup:
    """Converts each different text once and remembers it, within bounds."""

    def __init__(
        self, convert: Callable[[str], float | None], blank: Blanks, missing: float, dtype: DTypeLike = np.float64
    ) -> None:
        self._convert, self._blank, self._missing, self._dtype = convert, blank, missing, dtype
        self._known: dict[str | None, float] = {}
        self._wrong: set[str | None] = set()

    def __call__(self, chunk: Chunk, position: int) -> tuple[Values, list[int]]:
        texts, found = chunk.columns[position], different(chunk, position)
        if len(self._known) > _CACHED:
            self._known, self._wrong = {}, set()
        for text in found - self._known.keys():
            value = self._missing if text is None or self._blank(text) else self._convert(text)
            if value is None:
                self._wrong.add(text)
                value = self._missing
            self._known[text] = value
        values = np.fromiter(map(self._known.__getitem__, texts), dtype=self._dtype, count=len(texts))
        bad = self._wrong & found if self._wrong else None
        return values, [row for row, text in enumerate(texts) if text in bad] if bad else []


class _NumberReader:
    """Whole columns at once where every text is a plain number; with a look at each different text otherwise."""

    def __init__(self, column: ColumnMapping, blank: Blanks) -> None:
        self._decimal: Decimal = "," if column.decimal == "," else "."
        self._whole = column.kind == "integer"
        self._blank = blank
        self._lookup = _Lookup(self._convert, blank, float("nan"))

    def _convert(self, text: str) -> float | None:
        value = parse_number(text, self._decimal)
        return None if value is None or (self._whole and not value.is_integer()) else value

    def __call__(self, chunk: Chunk, position: int) -> tuple[Values, list[int]]:
        if self._decimal == "." and not few_different(chunk, position):
            values = numbers(chunk, position)
            if values is not None and not (self._whole and not np.all((values == np.floor(values)) | np.isnan(values))):
                return values, []
        return self._lookup(chunk, position)


class _TextReader:
    """Strips texts and turns blanks into None."""

    def __init__(self, blank: Blanks) -> None:
        self._blank = blank

    def __call__(self, chunk: Chunk, position: int) -> tuple[Values, list[int]]:
        texts, found = chunk.columns[position], different(chunk, position)
        if len(found) * 2 < len(texts):
            known = {text: None if text is None or self._blank(text) else text.strip() for text in found}
            return list(map(known.__getitem__, texts)), []
        return [None if text is None or self._blank(text) else text.strip() for text in texts], []
