"""Pages of customers in a chosen order. Rows without a value for the order come last, by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    TableValuedAlias,
    and_,
    bindparam,
    column,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import Page, PageRequest, Scalar, decode_cursor, encode_cursor, whole_id
from retainstream.models import Customer, Identity, LatestScore
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import predictions, preferences
from retainstream.services.customers import counted, derived
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.paging import reading_cursor


@dataclass(frozen=True)
class Order:
    """A column to sort by; nulls come last in both directions. `places` are the rows of a group's order, when it is sorted by that."""

    column: ColumnElement[Any]
    descending: bool
    needs_score: bool = False
    needs_identity: bool = False
    places: TableValuedAlias | None = None


def _orders() -> dict[str, Order]:
    columns: dict[str, tuple[ColumnElement[Any], bool]] = {
        "risk": (LatestScore.margin, True),  # type: ignore[dict-item]
        "revenue": (Customer.revenue_minor, False),  # type: ignore[dict-item]
        "tenure": (Customer.tenure_months, False),  # type: ignore[dict-item]
        "signup": (Customer.signup_at, False),  # type: ignore[dict-item]
        "plan": (Customer.plan, False),  # type: ignore[dict-item]
        "created": (Customer.created_at, False),  # type: ignore[dict-item]
        "user_id": (Identity.user_id, False),  # type: ignore[dict-item]
    }
    return {
        f"{sign}{name}": Order(column, bool(sign), scored, needs_identity=name == "user_id")
        for sign in ("", "-")
        for name, (column, scored) in columns.items()
    }


ORDERS = _orders()
"""Names that `sort` takes; a leading minus means largest first."""
DEFAULT_ORDER = "-risk"
GROUP_ORDER = "group"
"""The order of a named group: see `groups`."""


def usual_order(group: str) -> str:
    """Return the order of a list that nobody sorted: that of its group, if it has one."""
    return GROUP_ORDER if group else DEFAULT_ORDER


def order_of(sort: str, wanted: CustomerFilter) -> Order:
    """Return the order of a name; raises InvalidInput for an unknown one, and for a group's order outside a group."""
    order = _order_of_group(wanted.ranked) if sort == GROUP_ORDER and wanted.ranked else ORDERS.get(sort)
    if order is None:
        known = sorted(ORDERS) + ([GROUP_ORDER] if wanted.ranked else [])
        raise InvalidInput(f"A list cannot be sorted by {sort!r}.", fields={"sort": ["one of " + ", ".join(known)]})
    return order


def _order_of_group(ranked: str) -> Order:
    places = func.json_each(bindparam(None, ranked, String)).table_valued(
        column("key", Integer), column("value", Integer), name="places"
    )
    return Order(places.c.key, False, places=places)


def base_query(
    order: Order, wanted: CustomerFilter, *, present: bool, by_score: bool = False
) -> Select[tuple[int, Any]]:
    """Return ids with the sort's value: those that have one, or (`present` False) those that have none.

    `by_score` has the scores looked through in their order, which ends early when most customers match.
    """
    query = select(Customer.id, order.column).select_from(Customer)
    if order.needs_identity:
        query = query.join(Identity, Identity.customer_id == Customer.id)
    if order.places is not None:
        query = query.join(order.places, order.places.c.value == Customer.id)
    if present and (order.needs_score or wanted.needs_score):
        scored = dialect.unindexed(LatestScore.customer_id) if by_score else LatestScore.customer_id
        query = query.join(LatestScore, scored == Customer.id)
    elif order.needs_score or wanted.needs_score:
        query = query.outerjoin(LatestScore, LatestScore.customer_id == Customer.id)
    condition = order.column.is_not(None) if present else order.column.is_(None)
    return query.where(condition, *wanted.conditions(in_order=by_score))


def _after(order: Order, value: Scalar, last_id: int) -> ColumnElement[bool]:
    beyond = order.column < value if order.descending else order.column > value
    return or_(beyond, and_(order.column == value, Customer.id > last_id))


def page_of_ids(
    session: Session, wanted: CustomerFilter, sort: str, request: PageRequest
) -> tuple[list[int], str | None]:
    """Return the ids of one page in order, and the cursor of the next page.

    Raises
    ------
    InvalidInput
        For an unknown sort, or a cursor of another list.
    """
    order = order_of(sort, wanted)
    present, value, last_id = True, None, 0
    if request.cursor:
        with reading_cursor():
            phase, value, raw_id = decode_cursor(request.cursor, f"customers:{sort}", 3)
            present, last_id = bool(phase), whole_id(raw_id)
            if present and (value is None or isinstance(value, bool)):
                raise ValueError("not a cursor of this list")
    skip = request.offset
    rows: list[tuple[int, Any, bool]] = []
    if present:
        first = base_query(order, wanted, present=True)
        if request.cursor:
            first = first.where(_after(order, value, last_id))
        direction = order.column.desc() if order.descending else order.column.asc()
        first = first.order_by(direction, Customer.id).offset(skip).limit(request.limit + 1)
        rows = [(row[0], row[1], True) for row in session.execute(first)]
    if len(rows) <= request.limit:
        rest = base_query(order, wanted, present=False).order_by(Customer.id)
        if not present:
            rest = rest.where(Customer.id > last_id)
        if skip and not rows:
            with_value = _size(session, base_query(order, wanted, present=True))
            rest = rest.offset(max(0, skip - with_value))
        rows += [(row[0], None, False) for row in session.execute(rest.limit(request.limit + 1 - len(rows)))]
    page = rows[: request.limit]
    cursor = None
    if len(rows) > request.limit:
        last = page[-1]
        cursor = encode_cursor(f"customers:{sort}", [int(last[2]), last[1], last[0]])
    return [row[0] for row in page], cursor


def _size(session: Session, query: Select[Any]) -> int:
    return session.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def present(session: Session, actor: Actor, ids: Sequence[int], *, analysed: bool = False) -> list[dict[str, object]]:
    """Return the API's items for customers, in the order of `ids`. Personal details need their permission.

    `analysed` adds what the runs in force say: health, RFM group and lifetime value, which pages read for the columns that they show.
    """
    rows = session.execute(
        select(Customer, Identity).join(Identity, Identity.customer_id == Customer.id).where(Customer.id.in_(ids))
    ).all()
    scores = predictions.scores_of(session, list(ids))
    found = {customer.id: _item(customer, identity, scores.get(customer.id), actor) for customer, identity in rows}
    told = derived.presented(session, ids) if analysed else {}
    return [found[one] | told.get(one, {}) for one in ids if one in found]


def updated(customer: Customer, identity: Identity) -> str | None:
    """Return when a customer or their personal details were changed last, ISO 8601: the version that an edit was made of."""
    return clock.iso(max(customer.updated_at, identity.updated_at or 0))


def _item(customer: Customer, identity: Identity, score: dict[str, object] | None, actor: Actor) -> dict[str, object]:
    item: dict[str, object] = {
        "user_id": identity.user_id,
        "plan": customer.plan,
        "revenue": money(customer.revenue_minor, customer.currency or "USD"),
        "signup_at": clock.iso(customer.signup_at),
        "tenure_months": customer.tenure_months,
        "churned": customer.churned,
        "tags": customer.tags,
        "created_at": clock.iso(customer.created_at),
        "updated_at": updated(customer, identity),
        **(score or predictions.NO_SCORE),
    }
    if actor.may(Permission.CUSTOMERS_PERSONAL):
        item |= {"name": identity.name, "email": identity.email, "phone": identity.phone}
    return item


def page(session: Session, actor: Actor, wanted: CustomerFilter, sort: str, request: PageRequest) -> Page:
    """Return one page of customers with scores, reasons and what analyses say of them, and the count of the whole list."""
    found, cursor = page_of_ids(session, wanted, sort, request)
    return Page(present(session, actor, found, analysed=True), cursor, counted.total(session, wanted))


def high_value_threshold(session: Session) -> int | None:
    """Return the monthly revenue, in minor units, from which a customer counts as high value; None when no revenue is known."""
    wanted = CustomerFilter()
    priced = [*wanted.conditions(), Customer.revenue_minor.is_not(None)]
    total = _size(session, select(Customer.id).where(*priced))
    if total == 0:
        return None
    rank = max(0, round(total * preferences.read(session).high_value_share) - 1)
    return session.scalar(
        select(Customer.revenue_minor).where(*priced).order_by(Customer.revenue_minor.desc()).offset(rank).limit(1)
    )
