"""Rows that could not be taken: why, and the CSV in which a person gets them back to mend."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?%?")
LONGEST_VALUE = 80
# Named so that no file has them by itself: a mended file may come back with them, and they are no facts about customers.
LINE, REASON, SURPLUS = ADDED_COLUMNS = ("retainstream_line", "retainstream_reason", "retainstream_surplus")


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


def is_added(name: str) -> bool:
    """Whether a column is one of those that `bad_rows_csv` adds."""
    return name.strip().casefold() in ADDED_COLUMNS


def bad_rows_csv(stream: TextIO, columns: Sequence[str], bad_rows: Iterable[BadRow]) -> int:
    """Write the rows that were not taken, with the original columns, then their line, the reason, and what a row had beyond the header.

    Parameters
    ----------
    stream : text stream
        Opened with ``newline=""``.
    columns : sequence of str
        Headers of the file. Columns that an earlier file of bad rows brought are left out, and written afresh.
    bad_rows : iterable of BadRow
        Missing cells are left empty; cells beyond the header stand in the last column, as a CSV would write them.

    Returns
    -------
    int
        Number of rows written.
    """
    writer = csv.writer(stream, lineterminator="\r\n")
    own = [at for at, name in enumerate(columns) if not is_added(name)]
    writer.writerow([*(guarded(columns[at]) for at in own), *ADDED_COLUMNS])
    count = 0
    for row in bad_rows:
        cells = [guarded(row.cells[at]) if at < len(row.cells) else "" for at in own]
        reason = guarded("; ".join(error.sentence for error in row.errors))
        writer.writerow([*cells, row.line, reason, _surplus(row.cells[len(columns) :])])
        count += 1
    return count


def _surplus(cells: Sequence[str | None]) -> str:
    """Return the cells beyond the header in one: as they are when there is one, else with commas between them."""
    if not cells:
        return ""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow([guarded(cell) for cell in cells])
    return guarded(text.getvalue() if len(cells) > 1 else cells[0])
