"""How long lists of customers are, and what they can be narrowed by: worked out once for each state of the data and then kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import Customer, Event
from retainstream.services import revisions
from retainstream.services.customers.filters import CustomerFilter, count

Value = TypeVar("Value")
_KEPT = 512
_MOST_CHOICES = 60
_MOVED_BY = ("customers", "scores", "removals")
"""The counters of what a list can change with. A retrained model alone moves nobody; a preference of bands is followed by new scores."""

_kept: Kept[Any] = Kept(_KEPT)


@dataclass(frozen=True)
class Choices:
    """What the box's customers have to be narrowed by.

    Attributes
    ----------
    plans, tags : tuple of str
        The most frequent ones, most frequent first.
    customers : int
        All customers, those who left among them.
    priced, tenured, labelled, active_ever : bool
        Whether any revenue, tenure, outcome, or event is on record.
    """

    plans: tuple[str, ...]
    tags: tuple[str, ...]
    customers: int
    priced: bool
    tenured: bool
    labelled: bool
    active_ever: bool


def total(session: Session, wanted: CustomerFilter) -> int:
    """Return how many customers match. A filter with conditions that have no name (`extra`, `named`) is counted anew each time."""
    if len(wanted.extra) > len(wanted.named):
        return count(session, wanted)
    also = (*revisions.NAMES, "analyses") if wanted.named else ()
    # Figures may count days, which midnight moves.
    day = clock.now_us() // clock.DAY_US if wanted.named else 0
    return _kept_or(session, ("total", day, wanted), lambda: count(session, wanted), *also)


def choices(session: Session) -> Choices:
    """Return what lists can be narrowed by."""
    return _kept_or(session, ("choices",), lambda: _choices(session), "events")


def _kept_or(session: Session, name: tuple[Hashable, ...], work: Callable[[], Value], *also: str) -> Value:
    counters = revisions.read(session)
    if "analyses" in also:
        counters["analyses"] = revisions.one(session, "analyses")
    key = (db.engine.url.database, *(counters[each] for each in (*_MOVED_BY, *also)), *name)
    found: Value = _kept.of(key, work)
    return found


def _choices(session: Session) -> Choices:
    visible = Customer.visible()
    plans = (
        select(Customer.plan)
        .where(visible, Customer.plan.is_not(None))
        .group_by(Customer.plan)
        .order_by(func.count().desc(), Customer.plan)
        .limit(_MOST_CHOICES)
    )
    tag = func.json_each(Customer.tags).table_valued("value")
    tags = (
        select(tag.c.value)
        .select_from(Customer)
        .join(tag, Customer.tags.is_not(None))
        .where(visible, func.json_array_length(Customer.tags) > 0)
        .group_by(tag.c.value)
        .order_by(func.count().desc(), tag.c.value)
        .limit(_MOST_CHOICES)
    )

    def any_with(column: Any) -> bool:
        return session.execute(select(Customer.id).where(visible, column.is_not(None)).limit(1)).first() is not None

    return Choices(
        plans=tuple(map(str, session.scalars(plans))),
        tags=tuple(map(str, session.scalars(tags))),
        customers=session.scalar(select(func.count()).select_from(Customer).where(visible)) or 0,
        priced=any_with(Customer.revenue_minor),
        tenured=any_with(Customer.tenure_months),
        labelled=any_with(Customer.churned),
        active_ever=session.execute(select(Event.id).limit(1)).first() is not None,
    )
