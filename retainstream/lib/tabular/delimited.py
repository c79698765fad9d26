"""Text with separators: finding the separator, and reading records with their true line numbers.

Python's own parser is used: it keeps every field exactly, and it alone knows on which physical line a record starts. What needs no parser is read
faster by `blocks`, which comes back here for the rest.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from io import TextIOWrapper
from itertools import chain
from typing import TYPE_CHECKING

from retainstream.lib.tabular.contracts import Record, Records, TableError, TableLimits
from retainstream.lib.tabular.unpacking import Source

if TYPE_CHECKING:
    import _csv

SPACES = " "
MAX_RECORD_CHARS = 8 * 1024 * 1024
# Sent through the parser after the last line: inside a quote that nobody closed, it comes back as part of a cell.
END = "\x00end"
_CANDIDATES = (",", ";", "\t", "|")
_SAMPLE_CHARS = 262_144
_SAMPLE_RECORDS = 500
_LINE_END = re.compile(r"\r\n|\n|\r")
_NOT_A_TABLE = "The text is not a table: its lines hold different numbers of cells, whatever separator is tried."


class _Lines:
    """Physical lines with their ends kept; bounded, so that one endless line can't fill the memory."""

    def __init__(self, text: TextIOWrapper, strip: bool) -> None:
        self._text, self._strip = text, strip
        self.record_chars = 0

    def __iter__(self) -> Iterator[str]:
        strip = self._strip
        for line in iter(partial(self._text.readline, MAX_RECORD_CHARS + 1), ""):
            self.record_chars += len(line)
            if self.record_chars > MAX_RECORD_CHARS:
                raise TableError(
                    f"A single record is longer than {MAX_RECORD_CHARS:,} characters: this is not a table."
                )
            if "\x00" in line:
                raise TableError("The file is binary data and not text: send a CSV, JSON or xlsx table.")
            yield line.strip(" \r\n") + "\n" if strip else line


def read_delimited(source: Source, encoding: str, delimiter: str, limits: TableLimits) -> Records:
    """Yield ``(line, cells)`` for every record that holds anything; `line` is where the record starts, counted from 1.

    Raises
    ------
    TableError
        A cell or record longer than allowed, or a quote that is opened and never closed.
    """
    longest = min(limits.max_cell_length, csv.field_size_limit())
    with source.open() as stream, TextIOWrapper(stream, encoding=encoding, newline="") as text:
        lines = _Lines(text, strip=delimiter == SPACES)
        reader = _reader(chain(lines, [END]), delimiter)
        start = 1
        try:
            for cells in reader:
                if cells and cells[-1].endswith(END):
                    if cells != [END]:
                        raise TableError(f"A quote is opened in the record on line {start:,} and never closed.")
                    return
                if lines.record_chars > longest and any(len(cell) > longest for cell in cells):
                    raise TableError(
                        f"Line {start:,} holds a cell of more than {longest:,} characters{limits.cell_hint}."
                    )
                lines.record_chars = 0
                if any(cells):
                    yield start, cells  # type: ignore[misc]  # every text is a cell; lists are only invariant
                start = reader.line_num + 1
        except csv.Error as error:
            raise TableError(
                f"Line {start:,} holds a cell of more than {longest:,} characters, or a quote that is never closed."
            ) from error
        except UnicodeError as error:
            raise TableError(
                f"The text after line {start:,} is damaged: save the file as UTF-8 and send it again."
            ) from error


def find_delimiter(source: Source, encoding: str) -> tuple[str, list[Record]]:
    """Choose the separator by which most records have as many cells as the first; also return the first records.

    Returns
    -------
    (str, list of (int, list of str))
        One of ``, ; tab |``, or a space that stands for runs of spaces. A file with one column counts as comma separated.

    Raises
    ------
    TableError
        When no separator makes a table of the text.
    """
    with source.open() as stream, TextIOWrapper(stream, encoding=encoding, newline="") as text:
        sample = text.read(_SAMPLE_CHARS)
        complete = len(sample) < _SAMPLE_CHARS
    if "\x00" in sample:
        raise TableError("The file is binary data and not text: send a CSV, JSON or xlsx table.")
    if not sample.strip():
        raise TableError("The file is empty.")
    best: tuple[float, str, list[Record]] | None = None
    for delimiter in _CANDIDATES:
        records = _sample_records(sample, delimiter, complete)
        score = _score(records)
        if score > 0 and (best is None or score > best[0]):
            best = (score, delimiter, records)
    if best is None:
        records = _sample_records(sample, SPACES, complete)
        if _score(records) > 0 and _consistency(records)[1] >= 0.9:
            return SPACES, records
        best = (0.0, ",", _one_column(sample, complete))
    return best[1], best[2]


def _one_column(sample: str, complete: bool) -> list[Record]:
    records = _sample_records(sample, ",", complete)
    width, share = _consistency(records)
    if width != 1 or share < 0.9:
        raise TableError(_NOT_A_TABLE)
    words = [len(cells[0].split()) for _, cells in records if cells[0]]
    if words and sum(words) / len(words) > 6:
        raise TableError("The text is not a table: it reads like running text, without any separator.")
    return records


def _score(records: list[Record]) -> float:
    """Wide and even is good; a separator that the commonest width does not need is worth nothing."""
    width, share = _consistency(records)
    if width < 2 or share < 0.5:
        return 0.0
    in_header = any(len(cells) == width for _, cells in records[:5])
    return share**2 * math.log(width) if in_header else 0.0


def _consistency(records: list[Record]) -> tuple[int, float]:
    """Return the commonest number of cells and the share of records that have it."""
    counts = Counter(len(cells) for _, cells in records)
    if not counts:
        return 0, 0.0
    width, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    return width, count / len(records)


def _sample_records(sample: str, delimiter: str, complete: bool) -> list[Record]:
    lines: Iterable[str] = _split_lines(sample)
    if delimiter == SPACES:
        lines = (line.strip(" \r\n") + "\n" for line in lines)
    reader = _reader(lines, delimiter)
    records: list[Record] = []
    start = 1
    try:
        for cells in reader:
            if any(cells):
                records.append((start, list(cells)))
            start = reader.line_num + 1
            if len(records) >= _SAMPLE_RECORDS:
                return records
    except csv.Error:
        pass  # an over-long cell: what stands in front of it is enough to choose, and reading will say it
    # The sample may end inside a record, unless it is the whole file.
    return records if complete or len(records) < 2 else records[:-1]


def _split_lines(text: str) -> list[str]:
    """Split at CRLF, LF and CR only (``str.splitlines`` knows more line ends than a CSV file does)."""
    return [line + "\n" for line in _LINE_END.split(text)]


def _reader(lines: Iterable[str], delimiter: str) -> _csv.Reader:
    if delimiter == SPACES:
        return csv.reader(lines, delimiter=" ", skipinitialspace=True)
    return csv.reader(lines, delimiter=delimiter)
