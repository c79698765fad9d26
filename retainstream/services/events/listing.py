"""Lists of events and of statements about subscriptions by arrival, newest first. Rows of a load that is not applied do not exist here.

A list without a customer may have to pass over very many rows to find a few: each page looks at a stretch of ids, and its cursor goes on from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from retainstream import dialect
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import PageRequest, decode_last_id, encode_cursor
from retainstream.models import Customer, Event, EventKind, Feed, Identity, ImportBatch, Subscription
from retainstream.services.paging import reading_cursor

STRETCH: Final = 200_000
"""Ids that one page looks at when no customer is named; so many rows are read in well below a second."""

_EMPTY: Final[dict[str, object]] = {"items": [], "next_cursor": None, "total": 0}

Row = TypeVar("Row", Event, Subscription)


@dataclass(frozen=True)
class Wanted:
    """Filters of the lists; None does not filter. Times are microseconds UTC: `since` <= occurred < `until`."""

    user_id: str | None = None
    kind: str | None = None
    source: str | None = None
    plan: str | None = None
    since: int | None = None
    until: int | None = None


def visible(model: type[Row]) -> ColumnElement[bool]:
    """Return the condition that every reader of events and statements uses: those of an unfinished or undone load do not exist."""
    unfinished = select(ImportBatch.id).where(ImportBatch.state != "applied")
    return or_(model.batch_id.is_(None), model.batch_id.not_in(unfinished))


def events(session: Session, wanted: Wanted, request: PageRequest) -> dict[str, object]:
    """Return a page of events as the API shows it; raises InvalidInput for a cursor of another list."""
    conditions = _named(session, Event, wanted)
    if conditions is None:
        return _EMPTY
    query = (
        select(Event, Identity.user_id, EventKind.name, Feed.name)
        .join(Identity, Identity.customer_id == Event.customer_id)
        .join(EventKind, EventKind.id == Event.kind_id)
        .join(Feed, Feed.id == Event.feed_id)
        .where(visible(Event), *conditions)
    )
    if wanted.since is not None:
        query = query.where(Event.occurred_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Event.occurred_at < wanted.until)
    rows, cursor, total = _page(session, query, Event, wanted, request)
    items = [
        {
            "id": event.id,
            "user_id": user_id,
            "kind": kind,
            "source": source,
            "occurred_at": clock.iso(event.occurred_at),
            "received_at": clock.iso(event.received_at),
            "value": event.value,
            "properties": {} if event.properties is None else json.loads(event.properties),
            "import_id": event.batch_id,
        }
        for event, user_id, kind, source in rows
    ]
    return {"items": items, "next_cursor": cursor, "total": total}


def subscriptions(session: Session, wanted: Wanted, request: PageRequest) -> dict[str, object]:
    """Return a page of statements as the API shows it; raises InvalidInput for a cursor of another list."""
    conditions = _named(session, Subscription, wanted)
    if conditions is None:
        return _EMPTY
    later = aliased(Subscription)
    newer = or_(
        later.received_at > Subscription.received_at,
        (later.received_at == Subscription.received_at) & (later.id > Subscription.id),
    )
    superseded = select(later.id).where(later.key == Subscription.key, newer, visible(later)).exists()
    query = (
        select(Subscription, Identity.user_id, Feed.name, superseded)
        .join(Identity, Identity.customer_id == Subscription.customer_id)
        .join(Feed, Feed.id == Subscription.feed_id)
        .where(visible(Subscription), *conditions)
    )
    if wanted.plan is not None:
        query = query.where(Subscription.plan == wanted.plan)
    rows, cursor, total = _page(session, query, Subscription, wanted, request)
    items = [
        {
            "id": row.id,
            "subscription": row.key.hex(),
            "user_id": user_id,
            "source": source,
            "plan": row.plan,
            "revenue": money(row.revenue_minor, row.currency or "USD"),
            "started_at": clock.iso(row.started_at),
            "ended_at": clock.iso(row.ended_at),
            "end_reason": row.end_reason,
            "received_at": clock.iso(row.received_at),
            "current": not is_old,
            "import_id": row.batch_id,
        }
        for row, user_id, source, is_old in rows
    ]
    return {"items": items, "next_cursor": cursor, "total": total}


def _named(session: Session, model: type[Row], wanted: Wanted) -> list[ColumnElement[bool]] | None:
    """Return the conditions that name a customer, kind or source; None when one of them is not on record, so that no row can be found."""
    conditions: list[ColumnElement[bool]] = []
    visible_customer = select(Identity.customer_id).join(Customer, Customer.id == Identity.customer_id)
    for name, column, query in (
        (wanted.user_id, model.customer_id, visible_customer.where(Identity.user_id == wanted.user_id, Customer.visible())),
        (wanted.source, model.feed_id, select(Feed.id).where(Feed.name == wanted.source)),
        (wanted.kind, getattr(model, "kind_id", None), select(EventKind.id).where(EventKind.name == wanted.kind)),
    ):  # fmt: skip
        if name is None or column is None:
            continue
        found = session.scalar(query)
        if found is None:
            return None
        conditions.append(column == found)
    return conditions


def _page(
    session: Session, query: Select[*tuple[Any, ...]], model: type[Row], wanted: Wanted, request: PageRequest
) -> tuple[list[Any], str | None, int | None]:
    """Return the rows of a page, the cursor of the next, and the length of the list where it is quickly counted."""
    name, newest = model.__tablename__, dialect.last_id(session, model.__tablename__)
    below = newest + 1
    if request.cursor:
        with reading_cursor():
            below = min(below, decode_last_id(request.cursor, name))
    quick = wanted.user_id is not None or newest <= STRETCH
    lowest = 0 if quick or request.offset else below - STRETCH
    found = query.where(model.id < below, model.id >= lowest).order_by(model.id.desc())
    rows = list(session.execute(found.offset(request.offset).limit(request.limit + 1)))
    cursor = None
    if len(rows) > request.limit:
        rows = rows[: request.limit]
        cursor = encode_cursor(name, [rows[-1][0].id])
    elif lowest > 1:
        cursor = encode_cursor(name, [lowest])
    counted = select(func.count()).select_from(query.with_only_columns(model.id).subquery())
    return rows, cursor, session.execute(counted).scalar_one() if quick else None
