"""Everything that is on record about one person, for them to have (a request for access) and for whoever is about to erase it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import (
    AttributeVersion,
    Event,
    Exposure,
    Label,
    Note,
    ScoreHistory,
    ScoringRun,
    Subscription,
    Task,
)
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, exposures
from retainstream.services.customers import derived, record
from retainstream.services.events import listing

_PAGE = 500


@dataclass(frozen=True)
class Extent:
    """How much there is about a customer, in rows; `months` is how far back the counts go that stay after an erasure, 0 without any."""

    events: int
    subscriptions: int
    versions: int
    labels: int
    scores: int
    exposures: int
    tasks: int
    notes: int
    months: int


def extent(session: Session, user_id: str) -> Extent:
    """Return how much an erasure would remove, and what it leaves; raises NotFound."""
    customer, _ = record.require(session, user_id)

    def count(model: Any) -> int:
        return session.scalar(select(func.count()).where(model.customer_id == customer.id)) or 0

    first = session.scalar(select(func.min(ScoringRun.as_of)))
    last = session.scalar(select(func.max(ScoringRun.as_of)))
    months = 0 if first is None or last is None else 1 + round((last - first) / (30.44 * clock.DAY_US))
    return Extent(
        count(Event),
        count(Subscription),
        count(AttributeVersion),
        count(Label),
        count(ScoreHistory),
        count(Exposure),
        count(Task),
        count(Note),
        months,
    )


def export(session: Session, actor: Actor, user_id: str) -> dict[str, object]:
    """Return a customer with identity, attributes, score, events, statements about subscriptions, acts, tasks and notes, as JSON; written into the audit.

    Raises
    ------
    NotFound
        For an unknown customer.
    Forbidden
        Without the permission to export, or to see personal details, which the answer holds.
    """
    actor.require(Permission.CUSTOMERS_EXPORT)
    actor.require(Permission.CUSTOMERS_PERSONAL)
    customer, _ = record.require(session, user_id)
    wanted = listing.Wanted(user_id=user_id)
    found: dict[str, object] = {
        "exported_at": clock.iso(clock.now_us()),
        "customer": record.read(session, actor, user_id),
        "events": _all(lambda request: listing.events(session, wanted, request)),
        "subscriptions": _all(lambda request: listing.subscriptions(session, wanted, request)),
        "exposures": _all(lambda request: exposures.of_customer(session, user_id, request)[0].to_dict()),
        "tasks": [_task(row) for row in _theirs(session, Task, customer.id)],
        "notes": [_note(row) for row in _theirs(session, Note, customer.id)],
        **derived.presented(session, [customer.id])[customer.id],
    }
    audit.record(session, actor, "customer.export", "customer", customer.id)
    return found


def _all(page: Callable[[PageRequest], dict[str, Any]]) -> list[object]:
    """Return the items of all pages of a list."""
    items: list[object] = []
    cursor: str | None = None
    while True:
        found = page(PageRequest(limit=_PAGE, cursor=cursor))
        items += found["items"]
        cursor = found["next_cursor"]
        if cursor is None:
            return items


def _theirs(session: Session, model: Any, customer_id: int) -> list[Any]:
    return list(session.scalars(select(model).where(model.customer_id == customer_id).order_by(model.id.desc())))


def _task(row: Task) -> dict[str, object]:
    """Return a task for the customer to have: colleagues who worked on it are not theirs to have."""
    return {
        "id": row.id,
        "state": row.state,
        "kind": row.kind,
        "source": row.source,
        "steps": [step["text"] for step in row.steps],
        "due_at": clock.iso(row.due_at),
        "churn_probability": row.probability,
        "outcome": row.outcome,
        "outcome_reason": row.outcome_reason,
        "created_at": clock.iso(row.created_at),
        "ended_at": clock.iso(row.ended_at),
    }


def _note(row: Note) -> dict[str, object]:
    return {"id": row.id, "task_id": row.task_id, "at": clock.iso(row.at), "text": row.text}
