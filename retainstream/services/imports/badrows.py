"""Rows that could not be taken: why, and the CSV in which a person gets them back to mend."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?%?")
LONGEST_VALUE = 80


@dataclass(frozen=True)
class RowError:
    """One thing that is wrong with one row.

    Attributes
    ----------
    line : int
        Physical line in the file on which the record starts (the row's number for xlsx).
    column : str or None
        Header of the column; None when the whole row is meant.
    value : str or None
        The text as in the file, cut to 80 characters.
    expected : str
        What would have been right, such as ``a number such as 12.5``.
    code : str
        ``not_a_number``, ``not_whole``, ``not_yes_or_no``, ``not_a_date``, ``unknown_label``, ``missing_identifier``,
        ``duplicate_identifier``, ``wrong_cell_count`` or ``not_json``.
    """

    line: int
    column: str | None
    value: str | None
    expected: str
    code: str

    @property
    def sentence(self) -> str:
        """The error in words, without the line."""
        where = f"{self.column}: " if self.column else ""
        found = f", found {self.value!r}" if self.value is not None else ""
        return f"{where}expected {self.expected}{found}"


@dataclass(frozen=True)
class BadRow:
    """A row that was not taken, with its cells as in the file and everything that is wrong with it."""

    line: int
    cells: list[str | None]
    errors: tuple[RowError, ...]


def cut(value: str | None) -> str | None:
    """Shorten a value for an error."""
    return value if value is None or len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def guarded(cell: str | None) -> str:
    """Return a cell that no spreadsheet runs as a formula; a plain number such as -12.5 stays as it is."""
    if cell is None:
        return ""
    if cell.startswith(_FORMULA_STARTS) and not _PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def bad_rows_csv(stream: TextIO, columns: Sequence[str], bad_rows: Iterable[BadRow]) -> int:
    """Write the rows that were not taken, with the original columns, then their line and the reason.

    Parameters
    ----------
    stream : text stream
        Opened with ``newline=""``.
    columns : sequence of str
        Headers of the file.
    bad_rows : iterable of BadRow
        Missing cells are left empty; cells beyond the header are told of in the reason only.

    Returns
    -------
    int
        Number of rows written.
    """
    writer = csv.writer(stream, lineterminator="\r\n")
    extra = [name if name not in columns else f"import_{name}" for name in ("line", "reason")]
    writer.writerow([guarded(name) for name in columns] + extra)
    count = 0
    for row in bad_rows:
        cells = [guarded(cell) for cell in row.cells[: len(columns)]]
        cells += [""] * (len(columns) - len(cells))
        writer.writerow([*cells, row.line, guarded("; ".join(error.sentence for error in row.errors))])
        count += 1
    return count
