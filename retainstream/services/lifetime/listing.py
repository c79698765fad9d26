"""Pages of the values of single customers, those worth most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import Page, PageRequest, decode_cursor, encode_cursor, whole_id
from retainstream.models import AnalysisRun, Customer, Identity, LifetimeValue
from retainstream.services.customers import cells as figures
from retainstream.services.lifetime import reading
from retainstream.services.paging import reading_cursor

_SORT = "lifetime"
BLOCK = 500


def predictions(session: Session, request: PageRequest, *, cells: Sequence[str] = ()) -> dict[str, object]:
    """Return a page of values with the run that they are of; raises NotReady without a run, InvalidInput for a cursor of another list.

    `cells` are addresses of figures, such as segments: only customers whom all of them count.
    """
    run = reading.in_force(session)
    one = LifetimeValue
    query = (
        select(one, Identity.user_id)
        .join(Customer, Customer.id == one.customer_id)
        .join(Identity, Identity.customer_id == one.customer_id)
        .where(one.run_id == run.id, Customer.visible(), *figures.conditions(session, cells))
    )
    total = len(reading.rows(session, run.id).customer)
    if cells:
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    if request.cursor:
        with reading_cursor():
            value, last = (whole_id(item) for item in decode_cursor(request.cursor, _SORT, 2))
        query = query.where(or_(one.value_minor < value, and_(one.value_minor == value, one.customer_id < last)))
    ordered = query.order_by(one.value_minor.desc(), one.customer_id.desc())
    found = session.execute(ordered.offset(request.offset).limit(request.limit + 1)).all()
    shown = found[: request.limit]
    last_row = shown[-1][0] if len(found) > len(shown) else None
    cursor = None if last_row is None else encode_cursor(_SORT, [last_row.value_minor, last_row.customer_id])
    items = [present(run, value) | {"user_id": user_id} for value, user_id in shown]
    return Page(items, cursor, total).to_dict() | {
        "as_of": clock.iso(run.as_of),
        "months": run.inputs["months"],
        "contract": run.summary["contract"],
    }


def every(session: Session) -> Iterator[list[dict[str, Any]]]:
    """Yield all values, a page at a time."""
    cursor: str | None = None
    while True:
        page: dict[str, Any] = predictions(session, PageRequest(limit=BLOCK, cursor=cursor))
        yield page["items"]
        session.expunge_all()
        cursor = page["next_cursor"]
        if cursor is None:
            return


def present(run: AnalysisRun, value: LifetimeValue) -> dict[str, object]:
    """Return the API's form of one customer's value."""
    currency = value.currency
    return {
        "value": money(value.value_minor, currency),
        "low": money(value.low_minor, currency),
        "high": money(value.high_minor, currency),
        "level": run.summary["level"],
        "p_alive": value.alive,
        "expected_purchases": value.purchases,
    }
