"""Inserting columns of values in few, large statements. What stands in the columns is `writing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

# Rows in one statement. A statement is charged once for looking up its table's last id and for starting and ending;
# beyond some dozens of rows nothing more is saved, and the statement's text grows.
_TOGETHER = 50


def insert(session: Session, table: str, fixed: Mapping[str, object], columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows given column by column; all names come from our own code, never from a file.

    Parameters
    ----------
    fixed : mapping of str to str or int
        Columns that have one value in all rows, which is written into the statement: our own words and numbers only.
    columns : mapping of str to sequence
        At least one, all of the same length.
    """
    count, width = len(next(iter(columns.values()))), len(columns)
    marks = ["?"] * width + [f"'{value}'" if isinstance(value, str) else str(value) for value in fixed.values()]
    start = f"INSERT INTO {table} ({', '.join([*columns, *fixed])}) VALUES "  # noqa: S608
    row = f"({', '.join(marks)})"
    cells: list[Any] = [None] * (count * width)
    for at, column in enumerate(columns.values()):
        cells[at::width] = column
    connection = session.connection()
    together = count - count % _TOGETHER
    for rows, first, last in ((_TOGETHER, 0, together), (1, together, count)):
        if first < last:
            size = rows * width
            parameters = [tuple(cells[at : at + size]) for at in range(first * width, last * width, size)]
            connection.exec_driver_sql(start + ", ".join([row] * rows), parameters)
