"""Telling the header, a second header, titles and totals apart from data, and tidying column names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retainstream.lib.tabular.contracts import Cell, LeftOutRow, Record

_NUMBERISH = re.compile(r"[-+(]?\s*[$€£¥]?\s*[-+]?\d[\d.,:/\-\s' ]*(?:[eE][-+]?\d+)?\s*[%$€£¥)]?(?:[T ]\d[\d:.,]*Z?)?")
_TOTALS = re.compile(
    r"(?:grand\s+|sub)?(?:totals?|sums?|average|mean|count|gesamt|summe|insgesamt|totaal|suma|totale|somme|итого)\s*:?",
    re.IGNORECASE,
)
_MIN_ROWS_FOR_UNITS = 5
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Layout:
    """Where the data of a table starts and what its columns are called."""

    names: list[str]
    originals: list[str]
    has_header: bool
    header_line: int
    left_out: list[LeftOutRow]


def find_layout(records: Sequence[Record]) -> Layout:
    """Read the layout from the first records of a file (at least one).

    The table's width is the commonest number of cells. Narrower records in front of the first one of that width are titles.
    """
    widths = [len(cells) for _, cells in records]
    width = max(set(widths), key=lambda value: (widths.count(value), value))
    start = widths.index(width)
    # A header may be as wide as the rows while half of the sample is ragged; a title has fewer cells that hold anything.
    while start < len(records) - 2 and width > 2 and _filled(records[start][1]) == 1 < _filled(records[start + 1][1]):
        start += 1
    left_out = [LeftOutRow(line, "title", list(cells)) for line, cells in records[:start]]
    line, first = records[start]
    body = [
        record
        for record in records[start + 1 :]
        if len(record[1]) == width and record[1] != first and not is_totals_row(record[1])
    ]
    if not _is_header(first, [cells for _, cells in body], len(records) - start - 1):
        names = [f"column_{index + 1}" for index in range(width)]
        return Layout(names, names, False, line - 1, left_out)
    if body and _is_description(body[0][1], [cells for _, cells in body[1:]]):
        left_out.append(LeftOutRow(body[0][0], "description", list(body[0][1])))
    originals = [cell or "" for cell in first]
    return Layout(tidy_names(originals), originals, True, line, left_out)


def tidy_names(originals: Sequence[str]) -> list[str]:
    """Collapse white space in column names, name the nameless ``column_N`` and make repeats unique with `` (2)``."""
    names: list[str] = []
    taken: set[str] = set()
    for index, original in enumerate(originals):
        base = " ".join(original.replace("\ufeff", " ").split()) or f"column_{index + 1}"
        name, number = base, 2
        while name in taken:
            name, number = f"{base} ({number})", number + 1
        taken.add(name)
        names.append(name)
    return names


def is_totals_row(cells: Sequence[Cell]) -> bool:
    """Whether a file's last record sums the others up: a word such as "Total", and beside it numbers and nothing else but blanks."""
    filled = [cell.strip() for cell in cells if cell and cell.strip()]
    if len(filled) < 2 or not _TOTALS.fullmatch(filled[0]):
        return False
    return all(_is_number(cell) for cell in filled[1:])


def _is_header(first: Sequence[Cell], body: Sequence[Sequence[Cell]], following: int) -> bool:
    filled = [cell.strip() for cell in first if cell and cell.strip()]
    if not filled or all(_is_number(cell) for cell in filled):
        return False
    columns = list(zip(*body, strict=True)) if body else []
    if not columns:
        return following == 0 or not any(_is_number(cell) for cell in filled)
    numeric = [index for index, column in enumerate(columns) if _numeric_share(column[1:] or column) >= 0.9]
    if numeric:
        return sum(_is_number(first[index] or "x") for index in numeric) * 2 < len(numeric)
    repeated = [cell in column for cell, column in zip(first, columns, strict=False) if cell and cell.strip()]
    return not repeated or sum(repeated) * 2 <= len(repeated)


def _is_description(row: Sequence[Cell], rest: Sequence[Sequence[Cell]]) -> bool:
    if len(rest) < _MIN_ROWS_FOR_UNITS:
        return False
    columns = list(zip(*rest, strict=True))
    numeric = [index for index, column in enumerate(columns) if _numeric_share(column) >= 0.95]
    # A blank-like mark ("?", "NA") in one numeric column is a missing value; a whole row of words is no customer.
    words = [index for index in numeric if (cell := row[index]) and len(cell.strip()) > 2 and not _is_number(cell)]
    return len(words) >= 2 and len(words) * 3 >= len(numeric) * 2


def _numeric_share(column: Sequence[Cell]) -> float:
    filled = [cell for cell in column if cell and cell.strip()]
    return sum(_is_number(cell) for cell in filled) / len(filled) if filled else 0.0


def _is_number(cell: str) -> bool:
    return len(cell) <= _LONGEST_NUMBER and _NUMBERISH.fullmatch(cell.strip()) is not None


def _filled(cells: Sequence[Cell]) -> int:
    return sum(1 for cell in cells if cell and cell.strip())
