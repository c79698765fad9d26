"""One streaming pass over a table that learns what every column holds. Decides nothing: see ``proposal`` and ``warnings``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from retainstream.lib.tabular import Chunk, LeftOutRow, RaggedRow, Table
from retainstream.services.imports.cells import row_hashes
from retainstream.services.imports.columns import ColumnProfile, ColumnReader, count_different
from retainstream.services.imports.values import Blanks

SAMPLE_ROWS = 20_000
_RAGGED_EXAMPLES = 20


@dataclass(frozen=True)
class TableProfile:
    """What is known about a table after one pass.

    Attributes
    ----------
    columns : tuple of ColumnProfile
        In the order of the file.
    rows : int
        Rows that fit the header; `ragged` counts the others, `ragged_examples` shows the first of them.
    exact_duplicates : int
        Rows that repeat an earlier row in every cell.
    sample : tuple of list of (str or None)
        Up to 20,000 rows spread evenly over the file, column by column, text as in the file.
    """

    columns: tuple[ColumnProfile, ...]
    rows: int
    ragged: int
    ragged_examples: tuple[RaggedRow, ...]
    exact_duplicates: int
    sample: tuple[list[str | None], ...]
    format: str
    encoding: str
    encoding_guessed: bool
    delimiter: str | None
    has_header: bool
    left_out: tuple[LeftOutRow, ...]
    blanks: tuple[str, ...] = field(default=())

    def column(self, name: str) -> ColumnProfile:
        """Return the column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def profile_table(
    table: Table, blanks: Blanks | None = None, progress: Callable[[int], None] | None = None
) -> TableProfile:
    """Read a table once and profile every column.

    Parameters
    ----------
    table : Table
    blanks : Blanks, optional
        Texts that count as missing.
    progress : callable, optional
        Called after every chunk with the number of rows read so far.

    Raises
    ------
    TableError
        When the file turns out to be damaged or beyond a limit.
    """
    profiler = Profiler(table, blanks)
    for chunk in table.chunks():
        profiler.add(chunk)
        if progress is not None:
            progress(profiler.rows + profiler.ragged)
    return profiler.finish()


class Profiler:
    """Learns a table from all of its chunks, given one by one and in order; for whoever reads them for another purpose, too."""

    def __init__(self, table: Table, blanks: Blanks | None = None) -> None:
        self._table, self._blanks = table, blanks or Blanks()
        self._readers = [ColumnReader(self._blanks) for _ in table.columns]
        self._sample = _Sample(len(table.columns))
        self._hashes: list[np.ndarray] = []
        self._examples: list[RaggedRow] = []
        self.rows = self.ragged = 0

    def add(self, chunk: Chunk) -> None:
        """Learn the next chunk."""
        for position, reader in enumerate(self._readers):
            reader.add(chunk, position)
        self._hashes.append(row_hashes(chunk))
        self._sample.add(chunk)
        self.rows += len(chunk)
        self.ragged += len(chunk.ragged)
        self._examples.extend(chunk.ragged[: _RAGGED_EXAMPLES - len(self._examples)])

    def finish(self) -> TableProfile:
        """Return what was learnt; the table has been read to its end."""
        table = self._table
        every = np.concatenate(self._hashes) if self._hashes else np.zeros(0, np.int64)
        named = zip(self._readers, table.columns, table.original_columns, strict=True)
        return TableProfile(
            columns=tuple(reader.finish(index, name, original) for index, (reader, name, original) in enumerate(named)),
            rows=self.rows,
            ragged=self.ragged,
            ragged_examples=tuple(self._examples),
            exact_duplicates=len(every) - count_different(every),
            sample=tuple(self._sample.columns),
            format=table.format,
            encoding=table.encoding,
            encoding_guessed=table.encoding_guessed,
            delimiter=table.delimiter,
            has_header=table.has_header,
            left_out=tuple(table.left_out),
            blanks=tuple(sorted(self._blanks.texts)),
        )


class _Sample:
    """Every n-th row, n doubling whenever the sample is full: even over the file, and the same for the same file."""

    def __init__(self, width: int) -> None:
        self.columns: list[list[str | None]] = [[] for _ in range(width)]
        self._stride, self._next = 1, 0

    def add(self, chunk: Chunk) -> None:
        """Take the rows of a chunk whose turn it is."""
        rows = len(chunk)
        start = self._next
        if start < rows:
            for kept, column in zip(self.columns, chunk.columns, strict=True):
                kept.extend(column[start :: self._stride])
            start += -(-(rows - start) // self._stride) * self._stride
        self._next = start - rows
        while self.columns and len(self.columns[0]) > SAMPLE_ROWS:
            # The next row due is the len-th of the sample: it stays due only when that number is even.
            if len(self.columns[0]) % 2:
                self._next += self._stride
            self.columns = [column[::2] for column in self.columns]
            self._stride *= 2
