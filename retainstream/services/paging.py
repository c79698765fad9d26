"""One page of a list that is sorted by id, and what a cursor that does not fit is answered with.

Cursors themselves are `lib.pagination`, the parameters of a request `schemas.paging`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVarTuple

from sqlalchemy import Row, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.errors import InvalidInput
from retainstream.lib.pagination import PageRequest, decode_last_id, encode_cursor

Columns = TypeVarTuple("Columns")


@contextmanager
def reading_cursor() -> Iterator[None]:
    """Answer a cursor that was made by hand, or for another list, with InvalidInput."""
    try:
        yield
    except ValueError as bad:
        raise InvalidInput("The cursor does not belong to this list.", fields={"cursor": [str(bad)]}) from bad


def page_by_id(
    session: Session,
    query: Select[*Columns],
    key: InstrumentedAttribute[int],
    name: str,
    request: PageRequest,
    *,
    newest_first: bool = True,
) -> tuple[Sequence[Row[*Columns]], str | None]:
    """Return the rows of one page and the cursor of the next, None at the end.

    Parameters
    ----------
    query : Select
        All rows of the list without their order; the first column is the entity that `key` belongs to.
    key : attribute
        The id by which the list is sorted.
    name : str
        The list's name in its cursors.

    Raises
    ------
    InvalidInput
        For a cursor of another list.
    """
    if request.cursor:
        with reading_cursor():
            last = decode_last_id(request.cursor, name)
        query = query.where(key < last if newest_first else key > last)
    ordered = query.order_by(key.desc() if newest_first else key)
    rows = session.execute(ordered.offset(request.offset).limit(request.limit + 1)).all()
    shown = rows[: request.limit]
    if len(rows) == len(shown):
        return shown, None
    last_row: Any = shown[-1]
    return shown, encode_cursor(name, [last_row[0].id])
