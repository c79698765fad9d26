"""The forms of a report. CSV and Excel are written here, whole lists of any length; the forms for people have modules of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import BinaryIO

from retainstream.config import Settings
from retainstream.lib import clock, workbook
from retainstream.lib.spreadsheet import safe_cell
from retainstream.lib.workbook import Heading, Workbook
from retainstream.services.reports import as_html, as_pdf
from retainstream.services.reports.documents import Document, Table, small

KEY_FIGURES = "Key figures"
Writer = Callable[[Document, BinaryIO, Settings], int]


@dataclass(frozen=True)
class Format:
    """A form: its word and MIME type, how many rows of a table it shows (None for all), and the function that writes it and returns the rows."""

    word: str
    mimetype: str
    most: int | None
    write: Writer


def write_csv(document: Document, out: BinaryIO, _settings: Settings) -> int:
    """Write key figures and tables, one below the other with an empty line between; a text that a spreadsheet would run gets an apostrophe in front.

    One table alone has no title above its header, so that a list is read by any program.
    """
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    written = 0
    tables = (*_key_figures(document), *document.tables)
    for place, table in enumerate(tables):
        if len(tables) > 1:
            writer.writerows(([] if not place else [[]]) + [[safe_cell(table.title)]])
        writer.writerow([safe_cell(heading.name) for heading in table.headings])
        for block in table.blocks:
            writer.writerows([safe_cell(_plain(cell)) for cell in row] for row in block)
            written += len(block) if table.title != KEY_FIGURES else 0
    text.detach()
    return written


def write_xlsx(document: Document, out: BinaryIO, settings: Settings) -> int:
    """Write each table as a sheet; key figures are on one of their own."""
    with Workbook(out, time_zone=settings.time_zone, folder=str(settings.instance_path)) as book:
        written = sum(
            book.add(table.title, table.headings, chain.from_iterable(table.blocks)) for table in document.tables
        )
        for table in _key_figures(document):
            book.add(table.title, table.headings, chain.from_iterable(table.blocks))
    return written


def _key_figures(document: Document) -> tuple[Table, ...]:
    """Return the key figures as a table; none without any. They are no rows of the report, and not counted as such."""
    if not document.figures:
        return ()
    headings = (Heading("figure"), Heading("value"), Heading("detail", "long"))
    return (small(KEY_FIGURES, headings, [(one.label, one.value, one.detail) for one in document.figures]),)


def _plain(value: object) -> object:
    return clock.iso(clock.to_us(value)) if isinstance(value, datetime) else value


FORMATS: dict[str, Format] = {
    "html": Format("HTML", "text/html", as_html.MOST_ROWS, as_html.write),
    "pdf": Format("PDF", "application/pdf", as_pdf.MOST_ROWS, as_pdf.write),
    "csv": Format("CSV", "text/csv", None, write_csv),
    "xlsx": Format("Excel", workbook.MIMETYPE, None, write_xlsx),
}
