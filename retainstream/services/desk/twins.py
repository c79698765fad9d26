"""Untreated twins: when the queue's best are taken, those of the permanent hold-out who rank as high are written down as deliberately left alone.

What tasks saved can later be told only against customers who were as much worth reaching on the same day, and were not reached. Where nothing was
done after all, nothing was left undone to anybody either: then it is voided.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import Exposure, Task
from retainstream.security.actor import Actor
from retainstream.services import audit, exposures, preferences
from retainstream.services.desk.ranking import Ranking
from retainstream.services.desk.standing import Standing

SOURCE = "desk"
_BATCH = 500


def is_from_queue(desk: Standing, customer_id: int) -> bool:
    """Tell whether the list of today proposes a customer, or would if nothing of its capacity were used yet."""
    place = desk.ranking.place(customer_id)
    return place is not None and bool((desk.candidates[: desk.capacity] == place).any())


def leave_alone(session: Session, actor: Actor, desk: Standing, taken: Sequence[int], kind: str) -> int:
    """Write the exposures of those held out who rank at or above the lowest of `taken`, and return how many.

    Whoever has an exposure of either arm within the rest days is passed over: one act on their like is compared with one that was not done to them.
    """
    places = desk.ranking.places(taken)
    if not len(places):
        return 0
    lowest = int(places.max())
    members = desk.ranking.ids[: lowest + 1][desk.ranking.held[: lowest + 1]].tolist()
    return _write(session, actor, members, kind, at=desk.now, now=desk.now)


def let_go(session: Session, actor: Actor, ranking: Ranking, dropped: Task) -> int:
    """Void what was written down when a task was taken that came to nothing, and return how many exposures that were.

    Whom another taking counts on stays, be it of the same moment, or a later one that passed them over because they were written down already. Where
    the ranking of today cannot tell that, since one of the two has left it, they stay as well: twins who left are as much of an answer as those who did not.
    """
    acted = select(Exposure.id).where(
        Exposure.customer_id == Task.customer_id,
        Exposure.arm == exposures.TREATED,
        Exposure.stands(),
        Exposure.at >= Task.created_at,
    )
    span = preferences.read(session).rest_days * clock.DAY_US
    still = select(Task.customer_id).where(
        Task.source == "queue",
        Task.created_at.between(dropped.created_at, dropped.created_at + span),
        or_(Task.state != "dropped", acted.exists()),
    )
    counting = set(session.scalars(still))
    places = ranking.places(counting)
    if len(places) < len(counting):
        return 0
    lowest = int(places.max()) if len(places) else -1
    alone = session.scalars(select(Exposure).where(*_of_taking(dropped), Exposure.stands()))
    voided = [one for one in alone if not counting or (ranking.place(one.customer_id) or 0) > lowest]
    exposures.void(session, actor, voided)
    return len(voided)


def bring_back(session: Session, actor: Actor, ranking: Ranking, reopened: Task) -> int:
    """Write down anew whom the drop of a task let go that is open again, and return how many.

    They are those of the day on which it was taken, and not those of today's ranking: from that, whoever left meanwhile is missing.
    """
    gone = set(
        session.scalars(select(Exposure.customer_id).where(*_of_taking(reopened), Exposure.voided_at.is_not(None)))
    )
    place = ranking.place(reopened.customer_id)
    beside = select(Task.id).where(
        Task.created_at == reopened.created_at, Task.source == "queue", Task.state == "dropped"
    )
    if place is not None and session.scalar(beside.limit(1)) is not None:
        # Others of the same moment are dropped still: whom only they count on stays voided.
        gone = {one for one in gone if (ranking.place(one) or 0) <= place}
    return _write(session, actor, sorted(gone), reopened.kind, at=reopened.created_at, now=clock.now_us())


def _of_taking(task: Task) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for what was written down when a task was taken."""
    return (Exposure.at == task.created_at, Exposure.source == SOURCE, Exposure.arm == exposures.HELD_OUT)


def _write(session: Session, actor: Actor, members: Sequence[int], kind: str, *, at: int, now: int) -> int:
    """Write customers as left alone at an instant, but those with an exposure in the rest days before it or since; return how many."""
    chosen = preferences.read(session)
    since = at - chosen.rest_days * clock.DAY_US
    recent: set[int] = set()
    for start in range(0, len(members), _BATCH):
        asked = select(Exposure.customer_id).where(Exposure.customer_id.in_(members[start : start + _BATCH]))
        recent.update(session.scalars(asked.where(Exposure.stands(), Exposure.at >= since)))
    alone = [one for one in members if one not in recent]
    for customer_id in alone:
        session.add(
            Exposure(
                customer_id=customer_id,
                at=at,
                kind=kind,
                source=SOURCE,
                arm=exposures.HELD_OUT,
                propensity=max(chosen.hold_out_share, 1e-9),
                recorded_at=now,
                recorded_by=actor.user_id,
            )
        )
        audit.record(session, actor, "exposure.record", "customer", customer_id, fields=["kind", "arm"])
    session.flush()
    return len(alone)
