"""Excel workbooks (.xlsx): the first sheet that holds data. The only format that is read into memory whole, within limits."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from retainstream.lib.tabular.contracts import Cell, Record, TableError, TableLimits
from retainstream.lib.tabular.unpacking import Source

# A sheet expands in memory to many times its text; far above this it is better sent as CSV.
MAX_WORKBOOK_BYTES = 400 * 1024 * 1024


def read_workbook(source: Source, limits: TableLimits) -> list[Record]:
    """Return ``(row of the sheet, cells)`` of the first sheet with at least one filled row; empty cells are None.

    Dates become ISO text, whole numbers lose the ``.0`` that a sheet gives them, truth values become true and false.

    Raises
    ------
    TableError
        For a damaged workbook, one without data, or one beyond the limits.
    """
    from python_calamine import CalamineWorkbook

    source.check_members()
    try:
        workbook = CalamineWorkbook.from_path(str(source.path))
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.width > limits.max_columns:
                raise TableError(f"The table has more than {limits.max_columns:,} columns{limits.columns_hint}.")
            if sheet.height > limits.max_rows + 100:
                raise TableError(f"The table has more than {limits.max_rows:,} rows.")
            first = (sheet.start or (0, 0))[0] + 1
            records = [(first + index, [_text(cell) for cell in row]) for index, row in enumerate(sheet.iter_rows())]
            filled = [record for record in records if any(record[1])]
            if filled:
                _check_lengths(filled, limits)
                return filled
    except (TableError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the reader's own panics do not derive from Exception
        raise TableError("The xlsx file is damaged and can't be read: open it, save it again and send that.") from error
    raise TableError("The workbook has no sheet with data.")


def _check_lengths(records: list[Record], limits: TableLimits) -> None:
    for line, cells in records:
        if any(cell is not None and len(cell) > limits.max_cell_length for cell in cells):
            raise TableError(
                f"Row {line:,} holds a cell of more than {limits.max_cell_length:,} characters{limits.cell_hint}."
            )


def _text(value: Any) -> Cell:
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return None if value is None else str(value)
