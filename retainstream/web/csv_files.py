"""Small tables as CSV files to download: the figures behind a chart, unrounded. Long lists are streamed by the pages that they belong to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from flask import Response

from retainstream.lib.spreadsheet import safe_cell


def text_of(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV, the header first. A text that a spreadsheet would take for a formula gets an apostrophe before it; None is empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def table(items: Iterable[Mapping[str, object]], columns: Sequence[str]) -> list[Sequence[object]]:
    """Return mappings as rows with a header; what a mapping does not have is None."""
    return [columns, *([item.get(name) for name in columns] for item in items)]


def download(name: str, rows: Iterable[Sequence[object]]) -> Response:
    """Answer with a file of this name, `.csv` included."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text_of(rows), mimetype="text/csv", headers=headers)
