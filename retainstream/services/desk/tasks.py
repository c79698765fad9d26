"""Taking a customer as a task, and changing a task while it is open: owner, date, sleep, kind, play, steps. How it ends is `endings`.

Each function is one act in the caller's unit of work: checked, audited, and counted in the revision `desk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import LatestScore, Play, Task
from retainstream.models.desk import ACT_KINDS
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, exposures, predictions, preferences, revisions
from retainstream.services.desk import acts, board, days, people, plays, standing, twins
from retainstream.services.desk.board import TaskView
from retainstream.services.desk.standing import Standing

CHANGEABLE: Final = ("owner_id", "due_at", "snoozed_until", "kind", "play_id")
_DATE: Final = "The date of a task"
PlayChoice = int | None | Literal["proposed"]
"""A play by id, none, or the one that fits the customer's reasons."""
OwnerChoice = int | None | Literal["me"]
"""A person by id, nobody, or the caller."""


def take(
    session: Session,
    actor: Actor,
    settings: Settings,
    user_id: str,
    *,
    owner: OwnerChoice = "me",
    kind: str | None = None,
    due_at: int | None = None,
    play: PlayChoice = "proposed",
) -> TaskView:
    """Make a task of a proposal of the queue, or for any other customer.

    Parameters
    ----------
    kind : str, optional
        One of `ACT_KINDS`; by default that of the play's first step that reaches the customer, or a call.
    due_at : int, optional
        Until when, microseconds UTC; by default the end of the day that lies the preferred number of days ahead.

    Raises
    ------
    NotFound
        For an unknown customer or play.
    Conflict
        When the customer has an open task, and then names who has it (`detail` has `task_id` and `owner`); or belongs to the permanent hold-out.
    InvalidInput
        For an owner who may not work on tasks, an unknown kind, a retired play, or a date before today or more than a year ahead.
    """
    actor.require(Permission.TASKS_WRITE)
    desk = standing.read(session, settings)
    task = make(session, actor, settings, desk, user_id, owner=owner, kind=kind, due_at=due_at, play=play)
    if task.source == "queue":
        twins.leave_alone(session, actor, desk, [task.customer_id], task.kind)
    return board.view(session, settings, task)


def make(
    session: Session,
    actor: Actor,
    settings: Settings,
    desk: Standing,
    user_id: str,
    *,
    owner: OwnerChoice = "me",
    kind: str | None = None,
    due_at: int | None = None,
    play: PlayChoice = "proposed",
) -> Task:
    """Make a task's row as `take` does, without the untreated twins, which many takings share."""
    customer = board.require_customer(session, user_id)
    _insist_on_reach(session, settings, user_id, customer.id)
    days.insist_on_near(settings.time_zone, desk.now, _DATE, "due_at", due_at)
    owner_id = actor.user_id if owner == "me" else owner
    if owner_id is not None:
        people.require_owner(session, owner_id)
    chosen = _play_of(session, customer.id, play)
    steps = [] if chosen is None else [dict(step) for step in chosen.steps]
    score = session.get(LatestScore, customer.id)
    task = Task(
        customer_id=customer.id,
        state="open",
        kind=_checked_kind(kind or next((step["kind"] for step in steps if step["kind"] != "other"), "call")),
        source="queue" if twins.is_from_queue(desk, customer.id) else "desk",
        play_id=None if chosen is None else chosen.id,
        steps=steps,
        owner_id=owner_id,
        due_at=due_at or days.end_of_day(settings.time_zone, desk.now, preferences.read(session).due_days),
        run_id=None if score is None else score.run_id,
        probability=None if score is None else score.probability,
        net_gain_minor=desk.ranking.gain_at(desk.ranking.place(customer.id)),
        created_at=desk.now,
        created_by=actor.user_id,
        updated_at=desk.now,
    )
    session.add(task)
    session.flush()
    audit.record(session, actor, "task.take", "task", task.id, fields=["customer_id", "owner_id"])
    revisions.bump(session, "desk")
    return task


def change(
    session: Session,
    actor: Actor,
    settings: Settings,
    task_id: int,
    changes: Mapping[str, Any],
    *,
    only_if_free: bool = False,
    restoring: bool = False,
) -> TaskView:
    """Change what `changes` names of an open task (see `CHANGEABLE`); None clears, except for the kind.

    Parameters
    ----------
    only_if_free : bool
        Do nothing when somebody else owns the task: of two who reach for it, one gets it.
    restoring : bool
        What is put back stood there before, so that a date or a sleep may have passed meanwhile.

    Raises
    ------
    NotFound
        For an unknown task or play.
    Conflict
        When the task has ended, or has an owner and must be free; then names who.
    InvalidInput
        For an owner who may not work on tasks, an unknown kind, a retired play, a sleep that ends in the past, or a date before today; for either
        more than a year ahead.
    """
    actor.require(Permission.TASKS_WRITE)
    task = require_open(session, task_id)
    if only_if_free and task.owner_id not in (None, actor.user_id):
        raise _taken(session, settings, task)
    if unknown := [name for name in changes if name not in CHANGEABLE]:
        raise InvalidInput("Some fields cannot be changed.", fields={name: ["cannot be changed"] for name in unknown})
    if changes.get("owner_id") is not None:
        people.require_owner(session, changes["owner_id"])
    if not restoring:
        _insist_on_dates(settings, task, changes)
    if "kind" in changes:
        _checked_kind(changes["kind"])
    if "play_id" in changes and changes["play_id"] != task.play_id:
        chosen = _play_of(session, task.customer_id, changes["play_id"])
        task.steps = [] if chosen is None else [dict(step) for step in chosen.steps]
    for name, value in changes.items():
        setattr(task, name, value)
    return _kept(session, actor, settings, task, "task.change", changes)


def assign(session: Session, actor: Actor, settings: Settings, task_id: int, owner_id: int | None) -> TaskView:
    """Give a task to somebody, or to nobody; raises as `change`."""
    return change(session, actor, settings, task_id, {"owner_id": owner_id})


def claim(session: Session, actor: Actor, settings: Settings, task_id: int) -> TaskView:
    """Take a task that nobody owns; raises Conflict naming the owner when somebody was quicker."""
    return change(session, actor, settings, task_id, {"owner_id": actor.user_id}, only_if_free=True)


def snooze(session: Session, actor: Actor, settings: Settings, task_id: int, until: int) -> TaskView:
    """Let a task sleep until an instant (microseconds UTC): it leaves the list until then; raises as `change`."""
    return change(session, actor, settings, task_id, {"snoozed_until": until})


def wake(session: Session, actor: Actor, settings: Settings, task_id: int) -> TaskView:
    """End a task's sleep; raises as `change`."""
    return change(session, actor, settings, task_id, {"snoozed_until": None})


def tick(session: Session, actor: Actor, settings: Settings, task_id: int, step: int, *, done: bool = True) -> TaskView:
    """Tick a step of an open task (from 0), or take the tick back; what is so already stays as it is.

    A step that reaches the customer, which is one of any kind but `other`, is written down as an act then and there; taking its tick back voids that.

    Raises
    ------
    NotFound
        For an unknown task or step.
    Conflict
        When the task has ended, or the step would reach a customer who was taken into the permanent hold-out since.
    """
    actor.require(Permission.TASKS_WRITE)
    task = require_open(session, task_id)
    if not 0 <= step < len(task.steps):
        raise NotFound(f"Task {task_id} has no step {step}; it has {len(task.steps)}, counted from 0.")
    present = task.steps[step]
    if done == (present.get("done_at") is not None):
        return board.view(session, settings, task)
    other = acts.ticked(session, actor, task, present) if done else acts.unticked(session, actor, present)
    task.steps = [other if place == step else one for place, one in enumerate(task.steps)]
    return _kept(session, actor, settings, task, "task.change", ["steps"])


def _insist_on_dates(settings: Settings, task: Task, changes: Mapping[str, Any]) -> None:
    now, until, due = clock.now_us(), changes.get("snoozed_until"), changes.get("due_at")
    if until is not None and until <= now:
        raise InvalidInput("A task can only sleep until a later time.", fields={"snoozed_until": ["later than now"]})
    days.insist_on_near(settings.time_zone, now, "The end of a sleep", "snoozed_until", until)
    if due != task.due_at:
        days.insist_on_near(settings.time_zone, now, _DATE, "due_at", due)


def require_open(session: Session, task_id: int) -> Task:
    """Return a task that is open; raises NotFound, and Conflict for one that has ended."""
    task = board.require(session, task_id)
    if task.state != "open":
        raise Conflict(f"Task {task_id} has ended; reopen it to change it.", detail={"state": task.state})
    return task


def _kept(
    session: Session, actor: Actor, settings: Settings, task: Task, action: str, fields: Mapping[str, Any] | list[str]
) -> TaskView:
    task.updated_at = clock.now_us()
    audit.record(session, actor, action, "task", task.id, fields=fields)
    revisions.bump(session, "desk")
    session.flush()
    return board.view(session, settings, task)


def _insist_on_reach(session: Session, settings: Settings, user_id: str, customer_id: int) -> None:
    """Raise Conflict for a customer whom no act may reach, or whom somebody has already."""
    if exposures.held_out(session, user_id):
        raise Conflict(
            "This customer belongs to the permanent hold-out, which no act may reach: what acts save is measured against it.",
            detail={"held_out": True},
        )
    present = board.open_of(session, customer_id)
    if present is not None:
        raise _taken(session, settings, present)


def _taken(session: Session, settings: Settings, task: Task) -> Conflict:
    found = board.view(session, settings, task)
    who = "nobody yet; give it to somebody" if found.owner is None else found.owner.name
    return Conflict(
        f"This customer has an open task already, which belongs to {who}.",
        detail={"task_id": task.id, "owner": found.owner and found.owner.to_dict()},
    )


def _play_of(session: Session, customer_id: int, choice: PlayChoice) -> Play | None:
    if choice is None:
        return None
    if choice == "proposed":
        score: dict[str, Any] = predictions.scores_of(session, [customer_id]).get(customer_id) or predictions.NO_SCORE
        fitting = plays.propose(session, score["reasons"])
        return None if fitting is None else session.get(Play, fitting.id)
    found = session.get(Play, choice)
    if found is None:
        raise NotFound(f"There is no play {choice}.")
    if found.retired_at is not None:
        raise InvalidInput(f"The play {found.name!r} is retired.", fields={"play_id": ["a play that is not retired"]})
    return found


def _checked_kind(kind: str) -> str:
    if kind not in ACT_KINDS:
        raise InvalidInput(f"There is no kind {str(kind)[:20]!r}.", fields={"kind": [f"one of {', '.join(ACT_KINDS)}"]})
    return kind
