"""The rows of an import that were not taken, offered back as a file to mend and load again."""

from __future__ import annotations

import io
from itertools import groupby

from sqlalchemy.orm import Session

from retainstream.services.imports import batches
from retainstream.services.imports.badrows import BadRow, RowError, bad_rows_csv


def bad_rows_text(session: Session, batch_id: int) -> str:
    """Return the bad rows that were kept of an import as CSV, each with its line and what is wrong with it; raises NotFound."""
    text = io.StringIO(newline="")
    rows = (
        BadRow(line, first.cells or [], tuple(RowError(e.line, e.column, e.value, e.expected, e.code) for e in errors))
        for line, group in groupby(batches.row_errors(session, batch_id), key=lambda error: error.line)
        for errors in [list(group)]
        for first in errors[:1]
    )
    bad_rows_csv(text, batches.column_names(session, batch_id), rows)
    return text.getvalue()
