"""Text with separators, a block of lines at a time: even blocks without quotes are split at once, all others go through the CSV parser.

Both ways give the same cells, line numbers and errors. What one block cannot settle (a record of many megabytes, a cell beyond the limit, damaged
text, a quote that is never closed) is left to `delimited`, from the line on which the block starts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain, repeat
from typing import BinaryIO

from retainstream.lib.tabular.contracts import Block, Pieces, Record, Records, TableLimits
from retainstream.lib.tabular.delimited import END, MAX_RECORD_CHARS, SPACES, read_delimited
from retainstream.lib.tabular.unpacking import Source

# The cells of one block stay in a processor's cache while they are dealt out to columns.
_BLOCK_BYTES = 1 << 16
_RECORDS = 250
# In these a line end is one byte that is part of no other character, so that a file can be cut there before it is decoded.
_CUTTABLE = frozenset(["utf-8", "utf-8-sig", "cp1252", "latin-1"])


class _Unsettled(Exception):
    """Only reading record by record can tell what this block holds, or say what is wrong with it."""


def read_blocks(
    source: Source, encoding: str, delimiter: str, limits: TableLimits, width: int, skip: frozenset[int]
) -> Pieces:
    """Yield all records that hold anything, in order, except those that start on the lines in `skip`.

    Parameters
    ----------
    width : int
        Cells of a record that fits; blocks hold only such records, lists hold any.

    Raises
    ------
    TableError
        As `read_delimited` does, for the same files.
    """
    reader = _BlockReader(encoding, delimiter, width, min(limits.max_cell_length, csv.field_size_limit()), skip)
    if delimiter != SPACES and encoding in _CUTTABLE:
        try:
            with source.open() as stream:
                yield from reader.read(stream)
            return
        except _Unsettled:
            pass
    records = read_delimited(source, encoding, delimiter, limits)
    yield from in_lists(record for record in records if record[0] >= reader.line and record[0] not in skip)


def in_lists(records: Records) -> Iterator[list[Record]]:
    """Yield records in lists of a few hundred, none of them empty."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == _RECORDS:
            yield batch
            batch = []
    if batch:
        yield batch


class _BlockReader:
    """Reads blocks that begin and end between records; `line` is the first line that was not handed out yet."""

    def __init__(self, encoding: str, delimiter: str, width: int, longest: int, skip: frozenset[int]) -> None:
        self._encoding, self._delimiter, self._width, self._longest = encoding, delimiter, width, longest
        self._skip = skip
        self.line = 1

    def read(self, stream: BinaryIO) -> Pieces:
        """Yield what a file holds; raises _Unsettled in front of a block that this way of reading can't settle."""
        held, size = b"", _BLOCK_BYTES
        while True:
            data = stream.read(size)
            held += data
            end = held.rfind(b"\n") + 1 if data else len(held)
            if end:
                found = self._settle(held[:end])
                if found is not None:
                    pieces, lines = found
                    yield from pieces
                    self.line += lines
                    held, size = held[end:], _BLOCK_BYTES
                    if data:
                        continue
                    return
            if not data and not held:
                return
            # A record that is longer than the block: look at twice as much.
            if not data or len(held) > MAX_RECORD_CHARS:
                raise _Unsettled
            size = len(held)

    def _settle(self, raw: bytes) -> tuple[list[Block] | Iterator[list[Record]], int] | None:
        """Return the pieces of a block and how many lines it has; None when its last record does not end in it."""
        try:
            text = raw.decode("utf-8" if self._encoding == "utf-8-sig" and self.line > 1 else self._encoding)
        except UnicodeDecodeError as error:
            raise _Unsettled from error
        if "\x00" in text:
            raise _Unsettled
        block = self._split(text)
        if block is not None:
            return [block], len(block)
        found = self._parse(text)
        if found is None:
            return None
        records, lines = found
        return in_lists(record for record in records if record[0] not in self._skip), lines

    def _split(self, text: str) -> Block | None:
        """Cut a block at its separators; None unless every line is one record of the table's width that holds something."""
        if '"' in text:
            return None
        if "\r" in text:
            if text.count("\r") != text.count("\r\n"):
                return None
            text = text.replace("\r\n", "\n")
        text = text.removesuffix("\n")
        lines = text.split("\n")
        numbers = range(self.line, self.line + len(lines))
        separators = self._width - 1
        if (
            # A line of separators only holds nothing; one without quotes is never longer than its cells together.
            len(min(lines, key=len)) <= separators
            or len(max(lines, key=len)) > self._longest
            or set(map(str.count, lines, repeat(self._delimiter))) != {separators}
            or not self._skip.isdisjoint(numbers)
        ):
            return None
        cells = text.replace("\n", self._delimiter).split(self._delimiter)
        return Block(numbers, [cells[at :: self._width] for at in range(self._width)])  # type: ignore[misc]

    def _parse(self, text: str) -> tuple[list[Record], int] | None:
        """Read a block as CSV; None when a quote is still open at its end."""
        reader = csv.reader(chain(io.StringIO(text, newline=""), [END]), delimiter=self._delimiter)
        records: list[Record] = []
        number = self.line
        try:
            for cells in reader:
                if any(cells):
                    records.append((number, cells))  # type: ignore[arg-type]
                number = self.line + reader.line_num
        except csv.Error as error:
            raise _Unsettled from error
        last = records.pop()[1]
        if last != [END]:
            return None
        if len(text) > self._longest and any(len(cell or "") > self._longest for _, cells in records for cell in cells):
            raise _Unsettled
        return records, reader.line_num - 1
