"""What happened to one customer, and what was said and done about it: one list from many tables, newest first.

Every source is read by its index from a cursor on, never more than a page of it, so a page costs the same however long the past is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import Scalar, decode_cursor, encode_cursor, whole_id
from retainstream.models import (
    AttributeVersion,
    Customer,
    Event,
    EventKind,
    Exposure,
    Feed,
    ImportBatch,
    Note,
    Play,
    ScoreHistory,
    ScoringRun,
    Subscription,
    Task,
    User,
)
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.customers import record
from retainstream.services.events.listing import visible
from retainstream.services.paging import reading_cursor

PAGE: Final = 25
SOURCES: Final = ("event", "subscription", "version", "score", "exposure", "task", "note")
"""Kinds of entries; their order settles which comes first at the same instant."""
_NAME: Final = "timeline"

Moment = tuple[int, int, int]
"""When, the place of the source, and the id within it: what a cursor holds."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened at an instant (microseconds UTC); `facts` depend on the `source`."""

    moment: Moment
    source: str
    facts: dict[str, Any]

    @property
    def at(self) -> str:
        """Return the instant as ISO 8601."""
        return str(clock.iso(self.moment[0]))


@dataclass(frozen=True)
class Timeline:
    """One page, newest first, and the cursor of the next (None at the end)."""

    entries: tuple[Entry, ...]
    next_cursor: str | None


def read(
    session: Session,
    actor: Actor,
    user_id: str,
    *,
    cursor: str | None = None,
    limit: int = PAGE,
    sources: Collection[str] = (),
    within: tuple[int, int] | None = None,
) -> Timeline:
    """Return a page of what the actor may see of a customer's past.

    Parameters
    ----------
    sources : collection of str
        Those of `SOURCES` to read; none means all. What the actor may not see stays away without a word.
    within : (int, int), optional
        Only what happened from the first instant on and before the second, microseconds UTC.

    Raises
    ------
    NotFound
        For an unknown customer.
    InvalidInput
        For a cursor of another list, and for an unknown source.
    """
    customer, _ = record.require(session, user_id)
    before: Moment | None = None
    if cursor:
        with reading_cursor():
            at, place, last = decode_cursor(cursor, _NAME, 3)
            before = (_instant(at), whole_id(place), whole_id(last))
    elif within is not None:
        before = _earlier_than(within[1])
    found: list[Entry] = []
    for source in allowed(actor, sources):
        found += _READERS[source](session, customer, before, limit + 1)
    if within is not None:
        found = [entry for entry in found if entry.moment[0] >= within[0]]
    found.sort(key=lambda entry: entry.moment, reverse=True)
    shown = found[:limit]
    following = encode_cursor(_NAME, list(shown[-1].moment)) if len(found) > limit else None
    return Timeline(tuple(shown), following)


def _instant(part: Scalar) -> int:
    """Return the instant of a cursor, which may lie before 1970."""
    if isinstance(part, int) and not isinstance(part, bool):
        return part
    raise ValueError("not a cursor of this list")


def part(session: Session, customer: Customer, source: str, before: int | None, limit: int) -> list[Entry]:
    """Return the newest entries of one source that happened before an instant (microseconds UTC; None for all), newest first."""
    return _READERS[source](session, customer, None if before is None else _earlier_than(before), limit)


def _earlier_than(instant: int) -> Moment:
    """Return a moment that comes, from new to old, before all that is earlier than an instant, and behind all that is at it."""
    return instant, -1, 0


def allowed(actor: Actor, sources: Collection[str] = ()) -> tuple[str, ...]:
    """Return which of `sources` (none means all) an actor may see; raises InvalidInput for an unknown one."""
    if unknown := set(sources) - set(SOURCES):
        raise InvalidInput(
            f"A timeline has no source {min(unknown)!r}.", fields={"source": ["one of " + ", ".join(SOURCES)]}
        )
    return tuple(source for source in _seen_by(actor) if not sources or source in sources)


def _seen_by(actor: Actor) -> Iterator[str]:
    yield from ("version", "exposure")
    if actor.may(Permission.EVENTS_READ):
        yield from ("event", "subscription")
    if actor.may(Permission.PREDICTIONS_READ):
        yield "score"
    if actor.may(Permission.TASKS_READ):
        yield "task"
    if actor.may(Permission.CUSTOMERS_PERSONAL):
        yield "note"


def _before(
    at: ColumnElement[int] | InstrumentedAttribute[int],
    key: InstrumentedAttribute[int],
    place: int,
    before: Moment | None,
) -> ColumnElement[bool]:
    """Return the condition that a row comes after a cursor in a list from new to old."""
    if before is None:
        return at.is_not(None)
    moment, source, last = before
    if place < source:
        return at <= moment
    return or_(at < moment, and_(at == moment, key < last)) if place == source else at < moment


def _events(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    query = (
        select(Event, EventKind.name, Feed.name)
        .join(EventKind, EventKind.id == Event.kind_id)
        .join(Feed, Feed.id == Event.feed_id)
        .where(Event.customer_id == customer.id, visible(Event), _before(Event.occurred_at, Event.id, 0, before))
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(limit)
    )
    return [
        Entry(
            (event.occurred_at, 0, event.id),
            "event",
            {
                "kind": kind,
                "feed": feed,
                "value": event.value,
                "properties": json.loads(event.properties) if event.properties else {},
                "late_us": max(0, event.received_at - event.occurred_at),
            },
        )
        for event, kind, feed in session.execute(query)
    ]


def _subscriptions(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    """Return statements by when they arrived: a statement may speak of another day, which its facts say."""
    query = (
        select(Subscription, Feed.name)
        .join(Feed, Feed.id == Subscription.feed_id)
        .where(
            Subscription.customer_id == customer.id,
            visible(Subscription),
            _before(Subscription.received_at, Subscription.id, 1, before),
        )
        .order_by(Subscription.received_at.desc(), Subscription.id.desc())
        .limit(limit)
    )
    return [
        Entry(
            (row.received_at, 1, row.id),
            "subscription",
            {
                "plan": row.plan,
                "revenue": money(row.revenue_minor, row.currency or "USD"),
                "started_at": clock.iso(row.started_at),
                "ended_at": clock.iso(row.ended_at),
                "end_reason": row.end_reason,
                "feed": feed,
            },
        )
        for row, feed in session.execute(query)
    ]


def _versions(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    version = AttributeVersion
    applied = or_(version.batch_id.is_(None), ImportBatch.state == "applied")
    query = (
        select(version.id, version.known_at, version.source, version.plan, version.previous_id, ImportBatch.filename)
        .outerjoin(ImportBatch, ImportBatch.id == version.batch_id)
        .where(version.customer_id == customer.id, applied, _before(version.known_at, version.id, 2, before))
        .order_by(version.known_at.desc(), version.id.desc())
        .limit(limit)
    )
    return [
        Entry(
            (known_at, 2, one),
            "version",
            {"origin": origin, "file": filename, "first": previous is None, "plan": plan},
        )
        for one, known_at, origin, plan, previous, filename in session.execute(query)
    ]


def _scores(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    """Return the runs that scored the customer, by the day that they looked at; their figures are the history's."""
    query = (
        select(ScoringRun.id, ScoringRun.as_of, ScoringRun.role, ScoringRun.model_version_id)
        .join(ScoreHistory, ScoreHistory.run_id == ScoringRun.id)
        .where(
            ScoreHistory.customer_id == customer.id,
            ScoringRun.state == "complete",
            _before(ScoringRun.as_of, ScoringRun.id, 3, before),
        )
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
        .limit(limit)
    )
    return [
        Entry((as_of, 3, run), "score", {"run_id": run, "role": role, "model_version": version})
        for run, as_of, role, version in session.execute(query)
    ]


def _exposures(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    query = (
        select(Exposure)
        .where(Exposure.customer_id == customer.id, Exposure.stands(), _before(Exposure.at, Exposure.id, 4, before))
        .order_by(Exposure.at.desc(), Exposure.id.desc())
        .limit(limit)
    )
    return [
        Entry((row.at, 4, row.id), "exposure", {"kind": row.kind, "origin": row.source, "arm": row.arm})
        for row in session.scalars(query)
    ]


def _tasks(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    """Return tasks by when they ended, or were taken while they are open; dropped ones, too."""
    at = func.coalesce(Task.ended_at, Task.created_at)
    query = (
        select(Task, at, User.name, User.email, Play.name)
        .outerjoin(User, User.id == Task.owner_id)
        .outerjoin(Play, Play.id == Task.play_id)
        .where(Task.customer_id == customer.id, _before(at, Task.id, 5, before))
        .order_by(at.desc(), Task.id.desc())
        .limit(limit)
    )
    return [
        Entry(
            (moment, 5, task.id),
            "task",
            {
                "task_id": task.id,
                "state": task.state,
                "kind": task.kind,
                "outcome": task.outcome,
                "reason": task.outcome_reason,
                "owner": name or email,
                "play": play,
                "taken_at": clock.iso(task.created_at),
            },
        )
        for task, moment, name, email, play in session.execute(query)
    ]


def _notes(session: Session, customer: Customer, before: Moment | None, limit: int) -> list[Entry]:
    query = (
        select(Note, User.name, User.email)
        .outerjoin(User, User.id == Note.author_id)
        .where(Note.customer_id == customer.id, _before(Note.at, Note.id, 6, before))
        .order_by(Note.at.desc(), Note.id.desc())
        .limit(limit)
    )
    return [
        Entry(
            (note.at, 6, note.id),
            "note",
            {"text": note.text, "author": name or email, "task_id": note.task_id, "pinned": note.pinned},
        )
        for note, name, email in session.execute(query)
    ]


_READERS: dict[str, Callable[[Session, Customer, Moment | None, int], list[Entry]]] = {
    "event": _events,
    "subscription": _subscriptions,
    "version": _versions,
    "score": _scores,
    "exposure": _exposures,
    "task": _tasks,
    "note": _notes,
}
