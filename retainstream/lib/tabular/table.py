"""Opening a file as a table: choosing the format, and cutting its records into chunks that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from retainstream.lib.tabular.contracts import (
    BrokenRecord,
    Cell,
    Chunk,
    LeftOutRow,
    RaggedRow,
    Record,
    Records,
    TableError,
    TableLimits,
)
from retainstream.lib.tabular.delimited import find_delimiter, read_delimited
from retainstream.lib.tabular.encodings import detect_encoding
from retainstream.lib.tabular.header import Layout, find_layout, is_totals_row, tidy_names
from retainstream.lib.tabular.jsonrows import json_columns, json_shape, read_json
from retainstream.lib.tabular.unpacking import Source
from retainstream.lib.tabular.workbook import MAX_WORKBOOK_BYTES, read_workbook

Format = Literal["csv", "jsonl", "xlsx"]

# Rows are turned into columns in batches that fit a processor's cache: twice as fast as a whole chunk at once.
_BATCH = 250


@dataclass
class Table:
    """A file that was recognised as a table; its rows are read again from the start by every call of :meth:`chunks`.

    Attributes
    ----------
    format : "csv", "jsonl" (also a JSON list) or "xlsx"
    encoding : str
        Name of the codec; "" for xlsx. `encoding_guessed` is True when the text is neither UTF-8 nor UTF-16.
    delimiter : str or None
        For CSV; a space stands for runs of spaces.
    columns, original_columns : list of str
        Tidied, unique names, and the names as in the file.
    has_header : bool
        False when the first row is data and the columns are called ``column_1`` and so on.
    size, unpacked_size : int
        Bytes as sent and after unpacking.
    left_out : list of LeftOutRow
        Rows that are no data. A totals row at the end is known, and added, once the rows have been read to the end.
    """

    format: Format
    encoding: str
    encoding_guessed: bool
    delimiter: str | None
    columns: list[str]
    original_columns: list[str]
    has_header: bool
    size: int
    unpacked_size: int
    compressed: bool
    limits: TableLimits
    left_out: list[LeftOutRow]
    _records: Callable[[], Records]
    _skip: frozenset[int] = field(default_factory=frozenset)

    def chunks(self, rows: int = 5000) -> Iterator[Chunk]:
        """Yield the rows in the order of the file, at most `rows` at a time.

        Raises
        ------
        TableError
            When a limit is met or the file proves to be damaged further on, or has no row of data.
        """
        builder = _Builder(len(self.columns))
        header, count = self._header_cells(), 0
        records = (record for record in self._records() if record[0] not in self._skip)
        batch = list(islice(records, min(rows, _BATCH)))
        while batch:
            following = list(islice(records, min(rows, _BATCH)))
            if not following:
                self._cut_totals(batch, count)
            count += len(batch)
            if count > self.limits.max_rows:
                raise TableError(f"The table has more than {self.limits.max_rows:,} rows.")
            for row in builder.add(batch, header, self.limits.max_columns):
                self._leave_out(row)
            if len(builder) >= rows:
                yield builder.take()
            batch = following
        if count == 0:
            raise TableError("The file has a header but no row of data.")
        if len(builder):
            yield builder.take()

    def _cut_totals(self, batch: list[Record], before: int) -> None:
        """Take a totals row off the end of the last batch, unless it is all that there is."""
        line, cells = batch[-1]
        if before + len(batch) > 1 and is_totals_row(cells):
            self._leave_out(LeftOutRow(line, "totals", list(cells)))
            batch.pop()

    def _header_cells(self) -> list[str] | None:
        return self.original_columns if self.has_header and self.format != "jsonl" and len(self.columns) > 1 else None

    def _leave_out(self, row: LeftOutRow) -> None:
        if row not in self.left_out:
            self.left_out.append(row)


def open_table(path: str | Path, limits: TableLimits | None = None) -> Table:
    """Recognise a file and open it as a table.

    Parameters
    ----------
    path : str or Path
        CSV (any separator, quoting, encoding, line end), JSON lines, a JSON list of objects, or xlsx; the text formats also
        as gz, or as a zip with exactly one file. The name's ending is not trusted.
    limits : TableLimits, optional

    Returns
    -------
    Table

    Raises
    ------
    TableError
        When the file is not a table, is damaged, or is beyond a limit; the message says which in one sentence.
    """
    limits = limits or TableLimits()
    source = Source(Path(path), limits)
    if source.packing == "xlsx":
        return _open_workbook(source, limits)
    encoding = detect_encoding(source)
    shape = json_shape(source, encoding.name)
    if shape is not None:
        keys = json_columns(source, encoding.name, shape, limits)
        layout = Layout(tidy_names(keys), keys, True, 0, [])

        def records() -> Records:
            return read_json(source, encoding.name, shape, keys, limits)

        delimiter = None
    else:
        delimiter, sample = find_delimiter(source, encoding.name)
        if max(len(cells) for _, cells in sample) > limits.max_columns:
            raise TableError(f"The table has more than {limits.max_columns:,} columns.")
        layout = find_layout(sample)

        def records() -> Records:
            return read_delimited(source, encoding.name, delimiter, limits)

    table = Table(
        format="csv" if shape is None else "jsonl",
        encoding=encoding.name,
        encoding_guessed=encoding.guessed,
        delimiter=delimiter,
        columns=layout.names,
        original_columns=layout.originals,
        has_header=layout.has_header,
        size=source.size,
        unpacked_size=encoding.unpacked_bytes,
        compressed=source.packing in ("gz", "zip"),
        limits=limits,
        left_out=layout.left_out,
        _records=records,
        _skip=_lines_to_skip(layout),
    )
    _check(table)
    return table


def _open_workbook(source: Source, limits: TableLimits) -> Table:
    if source.size > MAX_WORKBOOK_BYTES:
        raise TableError("The workbook is too large to be read: save the sheet as CSV and send that.")
    rows = read_workbook(source, limits)
    layout = find_layout(rows[:500])
    table = Table(
        format="xlsx",
        encoding="",
        encoding_guessed=False,
        delimiter=None,
        columns=layout.names,
        original_columns=layout.originals,
        has_header=layout.has_header,
        size=source.size,
        unpacked_size=source.size,
        compressed=False,
        limits=limits,
        left_out=layout.left_out,
        _records=lambda: iter(rows),
        _skip=_lines_to_skip(layout),
    )
    _check(table)
    return table


def _check(table: Table) -> None:
    """Refuse now, and not half-way, what the first rows already show."""
    if len(table.columns) > table.limits.max_columns:
        raise TableError(f"The table has more than {table.limits.max_columns:,} columns.")
    if next(table.chunks(rows=1), None) is None:
        raise TableError("The file has a header but no row of data.")


def _lines_to_skip(layout: Layout) -> frozenset[int]:
    header = {layout.header_line} if layout.has_header and layout.header_line > 0 else set()
    return frozenset(header | {row.line for row in layout.left_out})


class _Builder:
    """Collects records and turns them, batch by batch, from rows into columns."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._reset()

    def _reset(self) -> None:
        self._lines: list[int] = []
        self._columns: list[list[Cell]] = [[] for _ in range(self._width)]
        self._ragged: list[RaggedRow] = []

    def __len__(self) -> int:
        return len(self._lines) + len(self._ragged)

    def add(self, batch: list[Record], header: list[str] | None, max_columns: int) -> list[LeftOutRow]:
        """Place a batch; return the records that repeat the header."""
        repeated: list[LeftOutRow] = []
        fitting = batch
        if any(len(cells) != self._width for _, cells in batch):
            fitting = []
            for line, cells in batch:
                if len(cells) == self._width:
                    fitting.append((line, cells))
                elif isinstance(cells, BrokenRecord):
                    self._ragged.append(RaggedRow(line, self._width, 0, [cells.text], "not_json"))
                else:
                    self._ragged.append(RaggedRow(line, self._width, len(cells), cells[:max_columns]))
        if header is not None and any(cells[0] == header[0] and cells == header for _, cells in fitting):
            repeated = [LeftOutRow(line, "repeated_header", cells) for line, cells in fitting if cells == header]
            fitting = [(line, cells) for line, cells in fitting if cells != header]
        self._lines.extend([line for line, _ in fitting])
        for column, values in zip(self._columns, zip(*[cells for _, cells in fitting], strict=True), strict=False):
            column.extend(values)
        return repeated

    def take(self) -> Chunk:
        """Hand out what was collected and start anew."""
        first = self._lines[0] if self._lines else 0
        chunk = Chunk(first, self._lines, self._columns, self._ragged)
        self._reset()
        return chunk
