"""How the desk stands: open tasks, who rests, who is left alone for good, and whom the capacity of today leaves room to propose. Never writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import Customer, Exposure, Task
from retainstream.services import exposures, preferences, revisions
from retainstream.services.desk import days, ranking
from retainstream.services.desk.ranking import Ranking

if TYPE_CHECKING:
    import numpy as np

_KEPT = 4


@dataclass(frozen=True)
class OpenTask:
    """What the queue must know of an open task before it shows one. Instants are microseconds UTC."""

    id: int
    customer_id: int
    owner_id: int | None
    due_at: int | None
    snoozed_until: int | None
    created_at: int
    net_gain_minor: int | None


@dataclass(frozen=True, eq=False)
class Standing:
    """The desk at one instant.

    Attributes
    ----------
    now, today, tomorrow : int
        The instant, and where its day begins and the next one does, microseconds UTC.
    tasks : tuple of OpenTask
        Open tasks that are shown: awake, and not of the hold-out.
    snoozed, held, done_today : int
        Tasks that sleep; those of the hold-out who are worth reaching, or have an open task; tasks that were done today.
    resting : int64 array
        Places in the ranking of customers worth reaching who were treated lately, rising.
    capacity, used : int
        What the team can do today, and how much of it is done, due or taken today.
    candidates : int64 array
        Places in the ranking of everybody who may be proposed, rising.
    """

    now: int
    today: int
    tomorrow: int
    ranking: Ranking
    tasks: tuple[OpenTask, ...]
    snoozed: int
    resting: np.ndarray
    held: int
    done_today: int
    capacity: int
    used: int
    candidates: np.ndarray

    @property
    def proposals(self) -> np.ndarray:
        """Places of those whom today's capacity leaves room for."""
        return self.candidates[: max(0, self.capacity - self.used)]

    @property
    def beyond(self) -> np.ndarray:
        """Return the places of those for whom today has no room."""
        return self.candidates[len(self.proposals) :]

    def state_of(self, due_at: int | None) -> str:
        """Return `overdue`, `due_today` or `upcoming`."""
        if due_at is None or due_at >= self.tomorrow:
            return "upcoming"
        return "overdue" if due_at < self.now else "due_today"


def read(session: Session, settings: Settings, now: int | None = None) -> Standing:
    """Return how the desk stands now."""
    now = clock.now_us() if now is None else now
    today, tomorrow = days.start_of_day(settings.time_zone, now), days.start_of_day(settings.time_zone, now, 1)
    chosen = preferences.read(session)
    order, held = ranking.read(session, settings), ranking.held_out(session)
    every = _open(session)
    reachable = [task for task in every if task.customer_id not in held]
    awake = tuple(task for task in reachable if task.snoozed_until is None or task.snoozed_until <= now)
    done = (
        session.scalar(select(func.count()).select_from(Task).where(Task.state == "done", Task.ended_at >= today)) or 0
    )
    busy = sum(task.created_at >= today or (task.due_at is not None and task.due_at < tomorrow) for task in awake)
    rested = _resting(session, now - chosen.rest_days * clock.DAY_US)
    taken = [task.customer_id for task in every]
    candidates, resting, alone = _candidates(order, rested, taken)
    return Standing(
        now=now,
        today=today,
        tomorrow=tomorrow,
        ranking=order,
        tasks=awake,
        snoozed=len(reachable) - len(awake),
        resting=resting,
        held=alone + len(every) - len(reachable),
        done_today=done,
        capacity=chosen.daily_capacity,
        used=done + busy,
        candidates=candidates,
    )


def _open(session: Session) -> list[OpenTask]:
    rows = session.execute(
        select(
            Task.id,
            Task.customer_id,
            Task.owner_id,
            Task.due_at,
            Task.snoozed_until,
            Task.created_at,
            Task.net_gain_minor,
        )
        .join(Customer, Customer.id == Task.customer_id)
        .where(Task.state == "open", Customer.visible())
    )
    return [OpenTask(*row) for row in rows]


def _candidates(order: Ranking, rested: np.ndarray, taken: list[int]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the places of those who may be proposed, those of the others who rest, and how many belong to the hold-out and have no task."""
    import numpy as np

    free = np.ones(order.worth, dtype=bool)
    free[_within(order.places(taken), order.worth)] = False
    alone = free & order.held[: order.worth]
    free &= ~alone
    resting = np.zeros(order.worth, dtype=bool)
    resting[_within(order.places(rested), order.worth)] = True
    return np.flatnonzero(free & ~resting), np.flatnonzero(free & resting), int(alone.sum())


def _within(places: np.ndarray, end: int) -> np.ndarray:
    found: np.ndarray = places[places < end]
    return found


_kept: Kept[tuple[np.ndarray, np.ndarray]] = Kept(_KEPT)


def _resting(session: Session, since: int) -> np.ndarray:
    """Return who was treated after an instant: int64 customers. When everybody was last treated is kept until an act is noted or taken back."""
    newest = session.scalar(select(func.max(Exposure.id))) or 0
    counters = revisions.read(session)
    desk = revisions.one(session, "desk")
    key = (db.engine.url.database, newest, desk, counters["removals"], counters["customers"])
    customers, last = _kept.of(key, lambda: _last_treated(session))
    resting: np.ndarray = customers[last > since]
    return resting


def _last_treated(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return everybody who was ever treated, and when last: int64 customers and microseconds UTC."""
    import numpy as np

    rows = session.execute(
        select(Exposure.customer_id, func.max(Exposure.at))
        .where(Exposure.arm == exposures.TREATED, Exposure.stands())
        .group_by(Exposure.customer_id)
    ).all()
    table = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
