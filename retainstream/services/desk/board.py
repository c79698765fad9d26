"""Tasks as people see them: one, or a list that is narrowed and paged. Changing them is `tasks`, `endings` and `assigning`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import FIRST_PAGE, PageRequest
from retainstream.models import Customer, Identity, Play, Task
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.customers import cells
from retainstream.services.customers.filters import by_user_id
from retainstream.services.desk import acts, days, people
from retainstream.services.desk.people import Person
from retainstream.services.paging import page_by_id

STATES = ("open", "done", "dropped")
STANDINGS = ("awake", "overdue", "due_today", "upcoming", "snoozed")
"""How an open task may stand; `awake` are all that are not snoozed."""


@dataclass(frozen=True)
class PlayRef:
    """A play by id and name."""

    id: int
    name: str

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True)
class Step:
    """One step of a task; `done_at` (microseconds UTC) and `done_by` are None until somebody ticks it."""

    text: str
    kind: str
    done_at: int | None
    done_by: Person | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        by = None if self.done_by is None else self.done_by.to_dict()
        return {"text": self.text, "kind": self.kind, "done_at": clock.iso(self.done_at), "done_by": by}


@dataclass(frozen=True)
class TaskView:
    """A task as people see it. Instants are microseconds UTC.

    Attributes
    ----------
    state : {"open", "done", "dropped"}
    standing : {"overdue", "due_today", "upcoming", "snoozed", "done", "dropped"}
    source : {"queue", "desk"}
        Whether it was proposed by today's list or taken for a customer of somebody's choice.
    run_id, probability, net_gain_minor
        What was known when it was made; net gain is in minor units of `currency`.
    exposed : bool
        Whether its end, or a ticked step, is written down as an act on the customer.
    """

    id: int
    user_id: str
    customer_id: int
    state: str
    standing: str
    kind: str
    source: str
    play: PlayRef | None
    steps: tuple[Step, ...]
    owner: Person | None
    due_at: int | None
    snoozed_until: int | None
    run_id: int | None
    probability: float | None
    net_gain_minor: int | None
    currency: str
    outcome: str | None
    outcome_reason: str | None
    exposed: bool
    created_at: int
    created_by: Person | None
    updated_at: int
    ended_at: int | None
    ended_by: Person | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "id": self.id,
            "user_id": self.user_id,
            "state": self.state,
            "standing": self.standing,
            "kind": self.kind,
            "source": self.source,
            "play": self.play and self.play.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "owner": self.owner and self.owner.to_dict(),
            "due_at": clock.iso(self.due_at),
            "snoozed_until": clock.iso(self.snoozed_until),
            "run_id": self.run_id,
            "churn_probability": self.probability,
            "net_gain": money(self.net_gain_minor, self.currency),
            "outcome": self.outcome,
            "outcome_reason": self.outcome_reason,
            "exposed": self.exposed,
            "created_at": clock.iso(self.created_at),
            "created_by": self.created_by and self.created_by.to_dict(),
            "updated_at": clock.iso(self.updated_at),
            "ended_at": clock.iso(self.ended_at),
            "ended_by": self.ended_by and self.ended_by.to_dict(),
        }


@dataclass(frozen=True)
class Wanted:
    """What a caller of the list of tasks asked for; an absent field does not narrow. `owner_id` 0 stands for tasks without an owner.

    `standing` is one of `STANDINGS`; `ended_after` (microseconds UTC) leaves tasks that ended at that instant or later. `cells` are
    addresses of figures, such as segments: tasks of customers whom all of them count.
    """

    state: str | None = None
    owner_id: int | None = None
    user_id: str | None = None
    outcome: str | None = None
    play_id: int | None = None
    due_before: int | None = None
    standing: str | None = None
    ended_after: int | None = None
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tasks:
    """One page of tasks, newest first, the cursor of the next (None at the end) and the count of the whole list."""

    items: tuple[TaskView, ...]
    next_cursor: str | None
    total: int

    def to_dict(self) -> dict[str, object]:
        """Return the API's form of the page."""
        return {
            "items": [item.to_dict() for item in self.items],
            "next_cursor": self.next_cursor,
            "total": self.total,
        }


def listing(
    session: Session, actor: Actor, settings: Settings, wanted: Wanted, request: PageRequest = FIRST_PAGE
) -> Tasks:
    """Return a page of tasks; raises InvalidInput for a cursor of another list, NotFound for an unknown customer."""
    actor.require(Permission.TASKS_READ)
    conditions = [Customer.visible(), *_conditions(session, settings, wanted)]
    counted = select(func.count()).select_from(Task).join(Customer, Customer.id == Task.customer_id)
    query = select(Task).join(Customer, Customer.id == Task.customer_id).where(*conditions)
    rows, following = page_by_id(session, query, Task.id, "tasks", request)
    total = session.scalar(counted.where(*conditions)) or 0
    return Tasks(views(session, settings, [row[0] for row in rows]), following, total)


def _conditions(session: Session, settings: Settings, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = list(cells.conditions(session, wanted.cells))
    if wanted.standing is not None:
        found.append(_stands(wanted.standing, settings))
    if wanted.ended_after is not None:
        found.append(Task.ended_at >= wanted.ended_after)
    if wanted.owner_id is not None:
        found.append(Task.owner_id == wanted.owner_id if wanted.owner_id else Task.owner_id.is_(None))
    if wanted.user_id is not None:
        found.append(Task.customer_id == require_customer(session, wanted.user_id).id)
    if wanted.due_before is not None:
        found.append(Task.due_at < wanted.due_before)
    for column, value in ((Task.state, wanted.state), (Task.outcome, wanted.outcome), (Task.play_id, wanted.play_id)):
        if value is not None:
            found.append(column == value)
    return found


def _stands(standing: str, settings: Settings) -> ColumnElement[bool]:
    """Return the condition of a standing, as `standing_of` tells it of one task."""
    now = clock.now_us()
    tomorrow = days.start_of_day(settings.time_zone, now, 1)
    awake = and_(Task.state == "open", or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now))
    found = {
        "awake": awake,
        "overdue": and_(awake, Task.due_at < now),
        "due_today": and_(awake, Task.due_at >= now, Task.due_at < tomorrow),
        "upcoming": and_(awake, or_(Task.due_at.is_(None), Task.due_at >= tomorrow)),
        "snoozed": and_(Task.state == "open", Task.snoozed_until > now),
    }
    if standing not in found:
        raise InvalidInput("Tasks do not stand like that.", fields={"standing": [f"one of {', '.join(STANDINGS)}"]})
    return found[standing]


def read(session: Session, actor: Actor, settings: Settings, task_id: int) -> TaskView:
    """Return one task; raises NotFound."""
    actor.require(Permission.TASKS_READ)
    return view(session, settings, require(session, task_id))


def open_of(session: Session, customer_id: int) -> Task | None:
    """Return the open task of a customer, if there is one."""
    return session.scalars(select(Task).where(Task.customer_id == customer_id, Task.state == "open")).first()


def require(session: Session, task_id: int) -> Task:
    """Return the row of a task whose customer is visible; raises NotFound."""
    query = select(Task).join(Customer, Customer.id == Task.customer_id)
    found = session.scalars(query.where(Task.id == task_id, Customer.visible())).first()
    if found is None:
        raise NotFound(f"There is no task {task_id}.")
    return found


def require_customer(session: Session, user_id: str) -> Customer:
    """Return a visible customer; raises NotFound."""
    found = by_user_id(session, user_id)
    if found is None:
        raise NotFound(f"There is no customer with the identifier {user_id[:80]!r}.")
    return found[0]


def view(session: Session, settings: Settings, task: Task) -> TaskView:
    """Return a row as people see it."""
    return views(session, settings, [task])[0]


def views(session: Session, settings: Settings, rows: Sequence[Task]) -> tuple[TaskView, ...]:
    """Return rows as people see them, in their order."""
    now = clock.now_us()
    tomorrow = days.start_of_day(settings.time_zone, now, 1)
    known = people.named(session, (one for row in rows for one in _people_of(row)))
    names = _pairs(session, Identity.customer_id, Identity.user_id, [row.customer_id for row in rows])
    plays = _pairs(session, Play.id, Play.name, [row.play_id for row in rows if row.play_id])
    return tuple(
        TaskView(
            id=row.id,
            user_id=names.get(row.customer_id, ""),
            customer_id=row.customer_id,
            state=row.state,
            standing=standing_of(row, now, tomorrow),
            kind=row.kind,
            source=row.source,
            play=PlayRef(row.play_id, plays[row.play_id]) if row.play_id in plays else None,
            steps=tuple(
                Step(step["text"], step["kind"], step.get("done_at"), known.get(step.get("done_by") or 0))
                for step in row.steps
            ),
            owner=known.get(row.owner_id or 0),
            due_at=row.due_at,
            snoozed_until=row.snoozed_until,
            run_id=row.run_id,
            probability=row.probability,
            net_gain_minor=row.net_gain_minor,
            currency=settings.currency,
            outcome=row.outcome,
            outcome_reason=row.outcome_reason,
            exposed=acts.on_record(row),
            created_at=row.created_at,
            created_by=known.get(row.created_by or 0),
            updated_at=row.updated_at,
            ended_at=row.ended_at,
            ended_by=known.get(row.ended_by or 0),
        )
        for row in rows
    )


def standing_of(task: Task, now: int, tomorrow: int) -> str:
    """Return how a task stands; `tomorrow` is where the next day begins."""
    if task.state != "open":
        return task.state
    if task.snoozed_until is not None and task.snoozed_until > now:
        return "snoozed"
    if task.due_at is None or task.due_at >= tomorrow:
        return "upcoming"
    return "overdue" if task.due_at < now else "due_today"


def _people_of(row: Task) -> tuple[int | None, ...]:
    return row.owner_id, row.created_by, row.ended_by, *(step.get("done_by") for step in row.steps)


def _pairs(session: Session, key: Any, value: Any, wanted: Sequence[int]) -> dict[int, str]:
    if not wanted:
        return {}
    return {one: str(word) for one, word in session.execute(select(key, value).where(key.in_(set(wanted))))}
