"""One page of a list of customers, with the ways on and back: keys of its last and first rows, so that paging costs the same at any depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.errors import InvalidInput
from retainstream.lib.pagination import Scalar, decode_cursor, encode_cursor, whole_id
from retainstream.models import Customer
from retainstream.services.customers import counted
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.customers.lists import Order, base_query, order_of
from retainstream.services.paging import reading_cursor

FEW, MANY = 2_000, 20_000


@dataclass(frozen=True)
class Window:
    """Ids of one page in order; `following` and `preceding` are cursors, None where there is nothing further."""

    ids: list[int]
    following: str | None
    preceding: str | None


@dataclass(frozen=True)
class _Key:
    """A row's place: whether it has a value for the order, the value, and its id."""

    present: bool
    value: Scalar
    id: int


@dataclass(frozen=True)
class _Plan:
    """How the database is to find a page: see `_plan`."""

    order: Order
    by_score: bool
    length: int


def read(
    session: Session,
    wanted: CustomerFilter,
    sort: str,
    *,
    limit: int = 50,
    after: str | None = None,
    before: str | None = None,
) -> Window:
    """Return the page after, or before, a cursor; the first one without any.

    Raises
    ------
    InvalidInput
        For an unknown sort, a cursor of another list, or both cursors at once.
    """
    if after and before:
        raise InvalidInput("A page lies after a row or before one.", fields={"before": ["no cursor together with it"]})
    plan = _plan(session, order_of(sort, wanted), wanted)
    name = f"customers:{sort}"
    if plan.length == 0:
        return Window([], None, None)
    if before:
        back = _take(session, plan, wanted, _decode(before, name), limit + 1, backward=True)
        if len(back) > limit:
            rows = back[limit - 1 :: -1]
            return Window([row.id for row in rows], _encode(rows[-1], name), _encode(rows[0], name))
        # Too few for a page: the beginning is reached, and the first page is shown whole.
    key = _decode(after, name) if after else None
    rows = _take(session, plan, wanted, key, limit + 1, backward=False)
    page = rows[:limit]
    return Window(
        [row.id for row in page],
        _encode(page[-1], name) if len(rows) > limit else None,
        _encode(page[0], name) if key and page else None,
    )


def _plan(session: Session, order: Order, wanted: CustomerFilter) -> _Plan:
    """Choose what the database goes by, since it keeps no statistics and the length of the list is known.

    Few customers are found by the filter and then sorted; where many match, the order's index is followed until the page is full.
    """
    length = counted.total(session, wanted)
    if length <= FEW:
        return _Plan(replace(order, column=dialect.unindexed(order.column)), False, length)
    return _Plan(order, order.needs_score and length > MANY and len(wanted.bands) != 1, length)


def _take(
    session: Session, plan: _Plan, wanted: CustomerFilter, key: _Key | None, wished: int, *, backward: bool
) -> list[_Key]:
    """Return up to so many rows beyond a place, nearest first. Rows without a value follow all that have one."""
    order = plan.order
    phases = [present for present in (True, False) if key is None or backward or present <= key.present]
    if backward:
        phases = [present for present in (False, True) if key is None or present >= key.present]
    rows: list[_Key] = []
    for present in phases:
        if len(rows) >= wished:
            break
        # Hardly anybody who left has a score, so those are found by who left.
        by_score = plan.by_score and not (present and wanted.status == "left")
        query = base_query(order, wanted, present=present, by_score=by_score)
        if key is not None and present == key.present:
            query = query.where(_beyond(order, key, backward=backward))
        by_id = Customer.id.desc() if backward else Customer.id.asc()
        if present:
            falling = order.descending != backward
            query = query.order_by(order.column.desc() if falling else order.column.asc(), by_id)
        else:
            query = query.order_by(by_id)
        found = session.execute(query.limit(wished - len(rows)))
        rows += [_Key(present, row[1] if present else None, row[0]) for row in found]
    return rows


def _beyond(order: Order, key: _Key, *, backward: bool) -> ColumnElement[bool]:
    further = Customer.id < key.id if backward else Customer.id > key.id
    if not key.present:
        return further
    falling = order.descending != backward
    past = order.column < key.value if falling else order.column > key.value
    # The first condition says nothing new, but an index can be entered by it.
    reached = order.column <= key.value if falling else order.column >= key.value
    return and_(reached, or_(past, further))


def _encode(row: _Key, name: str) -> str:
    return encode_cursor(name, [int(row.present), row.value, row.id])


def _decode(cursor: str, name: str) -> _Key:
    with reading_cursor():
        phase, value, raw_id = decode_cursor(cursor, name, 3)
        if phase and (value is None or isinstance(value, bool)):
            raise ValueError("not a cursor of this list")
        return _Key(bool(phase), value, whole_id(raw_id))
