"""Opening a file as a table: choosing the format, and cutting its records into chunks that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from retainstream.lib.tabular.blocks import in_lists, read_blocks
from retainstream.lib.tabular.contracts import (
    Block,
    BrokenRecord,
    Cell,
    Chunk,
    LeftOutRow,
    Piece,
    Pieces,
    RaggedRow,
    Record,
    TableError,
    TableLimits,
)
from retainstream.lib.tabular.delimited import find_delimiter
from retainstream.lib.tabular.encodings import detect_encoding
from retainstream.lib.tabular.header import Layout, find_layout, is_totals_row, tidy_names
from retainstream.lib.tabular.jsonrows import json_columns, json_shape, read_json
from retainstream.lib.tabular.unpacking import Source
from retainstream.lib.tabular.workbook import MAX_WORKBOOK_BYTES, read_workbook

Format = Literal["csv", "jsonl", "xlsx"]


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
    _pieces: Callable[[], Pieces]

    def chunks(self, rows: int = 5000) -> Iterator[Chunk]:
        """Yield the rows in the order of the file, at most `rows` at a time.

        Raises
        ------
        TableError
            When a limit is met or the file proves to be damaged further on, or has no row of data.
        """
        builder = _Builder(len(self.columns), self._header_cells(), self.limits.max_columns)
        pieces, count = self._pieces(), 0
        piece = next(pieces, None)
        while piece is not None:
            following = next(pieces, None)
            if following is None:
                piece = self._without_totals(piece, count)
            count += len(piece)
            if count > self.limits.max_rows:
                raise TableError(f"The table has more than {self.limits.max_rows:,} rows.")
            start = 0
            while start < len(piece):
                stop = start + rows - len(builder)
                for row in builder.add(piece.part(start, stop) if isinstance(piece, Block) else piece[start:stop]):
                    self._leave_out(row)
                start = stop
                if len(builder) >= rows:
                    yield builder.take()
            piece = following
        if count == 0:
            raise TableError("The file has a header but no row of data.")
        if len(builder):
            yield builder.take()

    def head(self, rows: int) -> Table:
        """Return the same table cut off after its first `rows` records, those that will prove ragged or repeated included."""
        return replace(self, _pieces=lambda: _first(self._pieces(), rows), left_out=list(self.left_out))

    def _without_totals(self, piece: Piece, before: int) -> Piece:
        """Take a totals row off the end of the last piece, unless it is all that there is."""
        if before + len(piece) == 1:
            return piece
        last = len(piece) - 1
        line, cells = piece.part(last, last + 1).records()[0] if isinstance(piece, Block) else piece[last]
        if not is_totals_row(cells):
            return piece
        self._leave_out(LeftOutRow(line, "totals", list(cells)))
        return piece.part(0, last) if isinstance(piece, Block) else piece[:last]

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

        def pieces() -> Pieces:
            return in_lists(read_json(source, encoding.name, shape, keys, limits))

        delimiter = None
    else:
        delimiter, sample = find_delimiter(source, encoding.name)
        if max(len(cells) for _, cells in sample) > limits.max_columns:
            raise TableError(f"The table has more than {limits.max_columns:,} columns{limits.columns_hint}.")
        layout = find_layout(sample)

        def pieces() -> Pieces:
            skip = _lines_to_skip(layout)
            return read_blocks(source, encoding.name, delimiter, limits, len(layout.names), skip)

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
        _pieces=pieces,
    )
    _check(table)
    return table


def _open_workbook(source: Source, limits: TableLimits) -> Table:
    if source.size > MAX_WORKBOOK_BYTES:
        raise TableError("The workbook is too large to be read: save the sheet as CSV and send that.")
    rows = read_workbook(source, limits)
    layout = find_layout(rows[:500])
    skip = _lines_to_skip(layout)
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
        _pieces=lambda: in_lists(row for row in rows if row[0] not in skip),
    )
    _check(table)
    return table


def _check(table: Table) -> None:
    """Refuse now, and not half-way, what the first rows already show."""
    if len(table.columns) > table.limits.max_columns:
        limits = table.limits
        raise TableError(f"The table has more than {limits.max_columns:,} columns{limits.columns_hint}.")
    if next(table.chunks(rows=1), None) is None:
        raise TableError("The file has a header but no row of data.")


def _lines_to_skip(layout: Layout) -> frozenset[int]:
    header = {layout.header_line} if layout.has_header and layout.header_line > 0 else set()
    return frozenset(header | {row.line for row in layout.left_out})


def _first(pieces: Pieces, rows: int) -> Pieces:
    for piece in pieces:
        yield piece.part(0, rows) if isinstance(piece, Block) else piece[:rows]
        rows -= len(piece)
        if rows <= 0:
            return


class _Builder:
    """Collects pieces and turns what comes as rows into columns."""

    def __init__(self, width: int, header: list[str] | None, max_columns: int) -> None:
        self._width, self._header, self._max_columns = width, header, max_columns
        self._reset()

    def _reset(self) -> None:
        self._lines: list[int] = []
        self._columns: list[list[Cell]] = [[] for _ in range(self._width)]
        self._ragged: list[RaggedRow] = []

    def __len__(self) -> int:
        return len(self._lines) + len(self._ragged)

    def add(self, piece: Piece) -> list[LeftOutRow]:
        """Place a piece; return the records that repeat the header."""
        if isinstance(piece, Block):
            if self._header is not None and self._header[0] in piece.columns[0]:
                return self._add_records(piece.records())
            self._lines.extend(piece.lines)
            for column, values in zip(self._columns, piece.columns, strict=True):
                column.extend(values)
            return []
        return self._add_records(piece)

    def _add_records(self, batch: list[Record]) -> list[LeftOutRow]:
        header, repeated = self._header, list[LeftOutRow]()
        fitting = batch
        if any(len(cells) != self._width for _, cells in batch):
            fitting = []
            for line, cells in batch:
                if len(cells) == self._width:
                    fitting.append((line, cells))
                elif isinstance(cells, BrokenRecord):
                    self._ragged.append(RaggedRow(line, self._width, 0, [cells.text], "not_json"))
                else:
                    self._ragged.append(RaggedRow(line, self._width, len(cells), cells[: self._max_columns]))
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
