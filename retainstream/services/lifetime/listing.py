"""Pages of the values of single customers, those worth most first unless sorted otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import Page, PageRequest, decode_cursor, encode_cursor, number, whole_id
from retainstream.models import AnalysisRun, Customer, Identity, LifetimeValue
from retainstream.services.customers import cells as figures
from retainstream.services.customers import record
from retainstream.services.lifetime import reading
from retainstream.services.paging import reading_cursor

SORTS = ("-value", "value", "-p_alive", "p_alive")
"""Orders of the list; a leading minus means largest first."""
BLOCK = 500


@dataclass(frozen=True)
class Wanted:
    """Whose values; an absent field does not narrow.

    Attributes
    ----------
    user_id : str
        One customer's.
    plans : tuple of str
        Customers who are on one of these plans now.
    cells : tuple of str
        Addresses of figures, such as segments: customers whom all of them count.
    sort : str
        One of `SORTS`.
    """

    user_id: str = ""
    plans: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    sort: str = SORTS[0]

    @property
    def narrows(self) -> bool:
        """Whether it leaves anybody out."""
        return bool(self.user_id or self.plans or self.cells)


EVERYBODY = Wanted()


def predictions(session: Session, request: PageRequest, wanted: Wanted = EVERYBODY) -> dict[str, object]:
    """Return a page of values with the run that they are of.

    Raises
    ------
    NotReady
        Without a run.
    NotFound
        For a customer who is not on record.
    InvalidInput
        For an unknown order, a cursor of another list, and an address that leads nowhere.
    """
    run = reading.in_force(session)
    if wanted.sort not in SORTS:
        raise InvalidInput(
            f"Values cannot be sorted by {wanted.sort[:40]!r}.", fields={"sort": [f"one of {', '.join(SORTS)}"]}
        )
    one = LifetimeValue
    query = (
        select(one, Identity.user_id, Customer.plan)
        .join(Customer, Customer.id == one.customer_id)
        .join(Identity, Identity.customer_id == one.customer_id)
        .where(one.run_id == run.id, Customer.visible(), *_conditions(session, wanted))
    )
    total = len(reading.rows(session, run.id).customer)
    if wanted.narrows:
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    column = one.value_minor if wanted.sort.endswith("value") else func.coalesce(one.alive, -1.0)
    falling, name = wanted.sort.startswith("-"), f"lifetime:{wanted.sort}"
    if request.cursor:
        with reading_cursor():
            first, last = decode_cursor(request.cursor, name, 2)
            key, place = number(first), whole_id(last)
        beyond = column < key if falling else column > key
        further = one.customer_id < place if falling else one.customer_id > place
        query = query.where(or_(beyond, and_(column == key, further)))
    order = (column.desc(), one.customer_id.desc()) if falling else (column, one.customer_id)
    found = session.execute(query.order_by(*order).offset(request.offset).limit(request.limit + 1)).all()
    shown = found[: request.limit]
    cursor = None
    if len(found) > len(shown):
        row = shown[-1][0]
        value = row.value_minor if wanted.sort.endswith("value") else -1.0 if row.alive is None else row.alive
        cursor = encode_cursor(name, [value, row.customer_id])
    items = [present(run, value) | {"user_id": user_id, "plan": plan} for value, user_id, plan in shown]
    return Page(items, cursor, total).to_dict() | {
        "as_of": clock.iso(run.as_of),
        "months": run.inputs["months"],
        "contract": run.summary["contract"],
    }


def _conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = list(figures.conditions(session, wanted.cells))
    if wanted.plans:
        found.append(Customer.plan.in_(wanted.plans))
    if wanted.user_id:
        customer, _ = record.require(session, wanted.user_id)
        found.append(Customer.id == customer.id)
    return found


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
