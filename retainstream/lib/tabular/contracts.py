"""What every reader of tables shares: limits, the one error, and the pieces that a table is handed out in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Cell = str | None
Record = tuple[int, list[Cell]]  # the physical line on which it starts, and its cells
Records = Iterator[Record]


class TableError(ValueError):
    """The file is not a table that can be read; the message is one sentence for the person who sent it."""


@dataclass(frozen=True)
class TableLimits:
    """Upper bounds that keep a hostile or mistaken file from using up the machine.

    Parameters
    ----------
    max_bytes : int
        Size of the file as sent.
    max_unpacked_bytes : int
        Size after gz or zip is unpacked; enforced while unpacking, whatever the archive says about itself.
    max_columns, max_rows : int
        Shape of the table, header excluded.
    max_cell_length : int
        Characters in one cell; at most 131,072, where the CSV parser itself stops.
    columns_hint, cell_hint : str
        End of the sentence about a table with too many columns or too long a cell, such as where the limit is set.
    """

    max_bytes: int = 512 * 1024 * 1024
    max_unpacked_bytes: int = 2 * 1024 * 1024 * 1024
    max_columns: int = 1_000
    max_cell_length: int = 10_000
    max_rows: int = 5_000_000
    columns_hint: str = ""
    cell_hint: str = ""


@dataclass(frozen=True)
class RaggedRow:
    """A record that does not fit the header: too many or too few cells, or a line that is not valid JSON."""

    line: int
    expected: int
    found: int
    cells: list[Cell]
    problem: Literal["cells", "not_json"] = "cells"


@dataclass(frozen=True)
class LeftOutRow:
    """A record that is no data and is therefore skipped: a title, a second header or units row, a totals row."""

    line: int
    kind: Literal["title", "description", "repeated_header", "totals"]
    cells: list[Cell]


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows, column by column.

    Attributes
    ----------
    first_line : int
        Physical line of the first record (0 for a chunk that holds ragged rows only).
    line_numbers : list of int
        For each row the physical line, counted from 1, on which its record starts.
    columns : list of list of (str or None)
        One list per column of the table, each as long as `line_numbers`; text exactly as in the file, None where the
        format has no value at all (a missing JSON key, an empty sheet cell).
    ragged : list of RaggedRow
        Records met in the same stretch of the file that do not fit the header; they are not in `columns`.
    memo : dict
        Room for what a reader of the chunk works out and the next one needs, too; not part of its value.
    """

    first_line: int
    line_numbers: list[int]
    columns: list[list[Cell]]
    ragged: list[RaggedRow] = field(default_factory=list)
    memo: dict[object, object] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.line_numbers)


@dataclass(frozen=True)
class Block:
    """Consecutive records that all have the table's width and one line each, column by column."""

    lines: range
    columns: list[list[Cell]]

    def __len__(self) -> int:
        return len(self.lines)

    def part(self, start: int, stop: int) -> Block:
        """Return the records from `start` up to, not with, `stop`."""
        if start <= 0 and stop >= len(self):
            return self
        return Block(self.lines[start:stop], [column[start:stop] for column in self.columns])

    def records(self) -> list[Record]:
        """Return the same records one by one."""
        return [(line, list(cells)) for line, cells in zip(self.lines, zip(*self.columns, strict=True), strict=True)]


Piece = Block | list[Record]  # either one holds at least one record
Pieces = Iterator[Piece]


class BrokenRecord(list[Cell]):
    """A record that could not be parsed; it is empty, so that it never has the table's width."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
