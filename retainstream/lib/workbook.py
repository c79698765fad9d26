"""Tables as an Excel file, written row by row in constant memory: numbers as numbers, instants as dates, identifiers as text with their zeros."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, BinaryIO, Self
from zoneinfo import ZoneInfo

MIMETYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_575
"""Rows of a sheet below its header; what is beyond goes on in another sheet."""
LONGEST_TEXT = 32_767
LARGEST_WHOLE = 10**15
"""Excel keeps 15 digits; a longer number stays whole only as text."""
_FIRST_YEAR = 1900
_LONGEST_NAME = 31
_NOT_IN_NAMES = str.maketrans(dict.fromkeys("[]:*?/\\", " "))
_WIDTHS = {"text": 24, "long": 60, "id": 22, "whole": 11, "number": 12, "share": 11, "money": 13, "moment": 17, "date": 12, "flag": 9}  # fmt: skip
_FORMATS = {
    "whole": "#,##0",
    "number": "General",
    "share": "0.0%",
    "money": "#,##0.00",
    "moment": "yyyy-mm-dd hh:mm",
    "date": "yyyy-mm-dd",
}


@dataclass(frozen=True)
class Heading:
    """A column of a table.

    Attributes
    ----------
    name : str
        For programs: the header in CSV and Excel.
    kind : str
        `text`, `long` (sentences), `id` (text even if it looks like a number), `whole`, `number`, `share` (0 to 1), `money` (in the main unit), `moment`
        (an aware datetime), `date`, or `flag`.
    title : str
        For people; empty means the name.
    """

    name: str
    kind: str = "text"
    title: str = ""

    @property
    def said(self) -> str:
        """Return what a person reads."""
        return self.title or self.name


class Workbook:
    """An Excel file that is being written; leaving the `with` block finishes it, an error leaves what is in `out` unfinished.

    Parameters
    ----------
    out : binary file
    time_zone : str
        Excel's dates have no zone, so instants are written as the clocks of this one showed them.
    folder : str, optional
        Where parts are kept until the end; they are taken away again.
    """

    def __init__(self, out: BinaryIO, *, time_zone: str, folder: str | None = None) -> None:
        import xlsxwriter

        options: dict[str, Any] = {"constant_memory": True, "default_date_format": _FORMATS["moment"]}
        if folder is not None:
            options["tmpdir"] = folder
        self._book = xlsxwriter.Workbook(out, options)
        self._zone = ZoneInfo(time_zone)
        self._names: set[str] = set()
        self._header = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#EDEFF3"})
        # The prefix keeps a text a text also after somebody edited its cell.
        self._text = self._book.add_format({"quote_prefix": True, "num_format": "@"})
        self._plain = self._book.add_format({"num_format": "@"})
        self._formats = {kind: self._book.add_format({"num_format": said}) for kind, said in _FORMATS.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.close()  # also after an error: it takes the parts away

    def add(self, name: str, headings: Sequence[Heading], rows: Iterable[Sequence[object]]) -> int:
        """Add a table as a sheet of its own, its header frozen, and return the number of its rows. None is an empty cell."""
        written = place = 0
        sheet = self._sheet(name, headings)
        for row in rows:
            if place == MOST_ROWS:
                self._finish(sheet, headings, place)
                sheet, place = self._sheet(name, headings), 0
            place += 1
            for at, (heading, value) in enumerate(zip(headings, row, strict=True)):
                self._cell(sheet, place, at, heading.kind, value)
            written += 1
        self._finish(sheet, headings, place)
        return written

    def _sheet(self, name: str, headings: Sequence[Heading]) -> Any:
        sheet = self._book.add_worksheet(self._named(name))
        sheet.freeze_panes(1, 0)
        for at, heading in enumerate(headings):
            sheet.set_column(at, at, max(_WIDTHS[heading.kind], min(40, len(heading.name) + 3)))
            sheet.write_string(0, at, heading.name[:LONGEST_TEXT], self._header)
        return sheet

    def _finish(self, sheet: Any, headings: Sequence[Heading], rows: int) -> None:
        if headings and rows:
            sheet.autofilter(0, 0, rows, len(headings) - 1)

    def _named(self, name: str) -> str:
        """Return a name that Excel takes and no other sheet has."""
        plain = (
            "".join(c for c in name.translate(_NOT_IN_NAMES) if c.isprintable()).strip(" '")[:_LONGEST_NAME] or "Sheet"
        )
        found, number = plain, 1
        while found.casefold() in self._names:
            number += 1
            found = f"{plain[: _LONGEST_NAME - len(str(number)) - 1]} {number}"
        self._names.add(found.casefold())
        return found

    def _cell(self, sheet: Any, row: int, at: int, kind: str, value: object) -> None:
        if value is None or value == "":
            return
        if isinstance(value, bool):
            sheet.write_boolean(row, at, value)
        elif isinstance(value, int | float | Decimal) and kind != "id" and _holds(value):
            sheet.write_number(row, at, value, self._formats.get(kind))
        elif isinstance(value, date) and value.year >= _FIRST_YEAR:
            if isinstance(value, datetime):
                value = value.astimezone(self._zone).replace(tzinfo=None)
            sheet.write_datetime(row, at, value, self._formats.get(kind, self._formats["moment"]))
        else:
            text = value.isoformat() if isinstance(value, date) else str(value)
            risky = text[:1] in "=+-@\t\r"
            sheet.write_string(row, at, text[:LONGEST_TEXT], self._text if risky else self._plain)


def _holds(value: float | Decimal) -> bool:
    """Tell whether Excel can hold a number as it is."""
    return math.isfinite(value) and not (isinstance(value, int) and abs(value) >= LARGEST_WHOLE)
