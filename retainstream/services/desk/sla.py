"""How the team keeps its dates: what is open and late, and how long ended tasks took, for each owner and for all together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.models import Customer, Task
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.desk import board, days, people
from retainstream.services.desk.people import Person

SPAN_DAYS = 30


@dataclass(frozen=True)
class Kept:
    """The figures of one owner, of tasks without an owner (`owner` None), or of the whole team (`owner` None as well).

    Attributes
    ----------
    open, overdue, due_today, snoozed : int
        Open tasks; `open` counts those that are awake, `overdue` and `due_today` are among them.
    ended_7, ended_30 : int
        Tasks that ended with an outcome in the last 7 and 30 days.
    median_hours : float or None
        From taking to end, of those of the last 30 days; None without any.
    in_time : float or None
        Share (0..1) of those of the last 30 days that ended by their date; None where none had one.
    """

    owner: Person | None
    open: int
    overdue: int
    due_today: int
    snoozed: int
    ended_7: int
    ended_30: int
    median_hours: float | None
    in_time: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {**vars(self), "owner": self.owner and self.owner.to_dict()}


@dataclass(frozen=True)
class Sla:
    """The team, the tasks that nobody owns, and each owner of an open or lately ended task by name."""

    team: Kept
    unassigned: Kept
    owners: tuple[Kept, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "team": self.team.to_dict(),
            "unassigned": self.unassigned.to_dict(),
            "owners": [one.to_dict() for one in self.owners],
        }


def read(session: Session, actor: Actor, settings: Settings) -> Sla:
    """Return how dates are kept now."""
    actor.require(Permission.TASKS_READ)
    now = clock.now_us()
    since = now - SPAN_DAYS * clock.DAY_US
    query = select(Task).join(Customer, Customer.id == Task.customer_id).where(Customer.visible())
    tasks = session.scalars(
        query.where(or_(Task.state == "open", (Task.state == "done") & (Task.ended_at >= since)))
    ).all()
    known = people.named(session, (task.owner_id for task in tasks))
    tomorrow = days.start_of_day(settings.time_zone, now, 1)

    def of(owner: Person | None, some: Sequence[Task]) -> Kept:
        return _kept(owner, some, now, tomorrow)

    ordered = sorted(known.values(), key=lambda person: (person.name.casefold(), person.id))
    return Sla(
        of(None, tasks),
        of(None, [task for task in tasks if task.owner_id is None]),
        tuple(of(person, [task for task in tasks if task.owner_id == person.id]) for person in ordered),
    )


def _kept(owner: Person | None, tasks: Sequence[Task], now: int, tomorrow: int) -> Kept:
    states = [board.standing_of(task, now, tomorrow) for task in tasks]
    ended = [(task, task.ended_at) for task in tasks if task.state == "done" and task.ended_at is not None]
    hours = [(at - task.created_at) / clock.HOUR_US for task, at in ended]
    dated = [at <= task.due_at for task, at in ended if task.due_at is not None]
    return Kept(
        owner=owner,
        open=sum(state in ("overdue", "due_today", "upcoming") for state in states),
        overdue=states.count("overdue"),
        due_today=states.count("due_today"),
        snoozed=states.count("snoozed"),
        ended_7=sum(at >= now - 7 * clock.DAY_US for _, at in ended),
        ended_30=len(ended),
        median_hours=statistics.median(hours) if hours else None,
        in_time=sum(dated) / len(dated) if dated else None,
    )
