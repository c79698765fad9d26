"""Untreated twins: when the queue's best are taken, those of the permanent hold-out who rank as high are written down as deliberately left alone.

What tasks saved can later be told only against customers who were as much worth reaching on the same day, and were not reached. Where nothing was
done after all, nothing was left undone to anybody either: then it is voided.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
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


def leave_alone(
    session: Session, actor: Actor, desk: Standing, taken: Sequence[int], kind: str, at: int | None = None
) -> int:
    """Write the exposures of those held out who rank at or above the lowest of `taken` (at an instant, now by default), and return how many.

    Whoever has an exposure of either arm within the rest days is passed over: one act on their like is compared with one that was not done to them.
    """
    import numpy as np

    places = desk.ranking.places(taken)
    if not len(places):
        return 0
    lowest = int(places.max())
    members = desk.ranking.ids[: lowest + 1][desk.ranking.held[: lowest + 1]]
    chosen = preferences.read(session)
    since = desk.now - chosen.rest_days * clock.DAY_US
    recent: set[int] = set()
    for part in np.array_split(members, range(_BATCH, len(members), _BATCH)):
        asked = select(Exposure.customer_id).where(Exposure.customer_id.in_(part.tolist()), Exposure.stands())
        asked = asked.where(Exposure.at >= since)
        recent.update(session.scalars(asked))
    alone = [one for one in members.tolist() if one not in recent]
    for customer_id in alone:
        session.add(
            Exposure(
                customer_id=customer_id,
                at=desk.now if at is None else at,
                kind=kind,
                source=SOURCE,
                arm=exposures.HELD_OUT,
                propensity=max(chosen.hold_out_share, 1e-9),
                recorded_at=desk.now,
                recorded_by=actor.user_id,
            )
        )
        audit.record(session, actor, "exposure.record", "customer", customer_id, fields=["kind", "arm"])
    session.flush()
    return len(alone)


def let_go(session: Session, actor: Actor, ranking: Ranking, dropped: Task) -> int:
    """Void what was written down when a task was taken that came to nothing, and return how many exposures that were.

    Whom a taking of the same moment or a later one counts on stays: it passed them over because they were written down already.
    """
    still = select(Task.customer_id).where(Task.source == "queue", Task.state != "dropped")
    places = ranking.places(session.scalars(still.where(Task.created_at >= dropped.created_at)))
    lowest = int(places.max()) if len(places) else -1
    written = select(Exposure).where(Exposure.at == dropped.created_at, Exposure.source == SOURCE, Exposure.stands())
    alone = session.scalars(written.where(Exposure.arm == exposures.HELD_OUT)).all()
    counted_on = set(ranking.ids[: lowest + 1].tolist())
    voided = [one for one in alone if one.customer_id not in counted_on]
    exposures.void(session, actor, voided)
    return len(voided)
