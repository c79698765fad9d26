"""How tasks end, and how an end is taken back. An end with an outcome is an act on the customer, so it is written down as an exposure in the same unit.

An outcome is what somebody was told, not what the churn definition says: `left` does not change whether the customer counts as churned.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.models import Exposure, Identity, Task
from retainstream.models.desk import OUTCOMES
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, exposures, revisions
from retainstream.services.desk import acts, board, notes, ranking, twins
from retainstream.services.desk.board import TaskView
from retainstream.services.desk.tasks import require_open

LONGEST_REASON = 300
REASONED = ("left", "wrong")
"""Outcomes that teach nothing without their reason: why somebody leaves, and why the list was wrong."""


def end(
    session: Session,
    actor: Actor,
    settings: Settings,
    task_id: int,
    outcome: str,
    *,
    reason: str = "",
    note: str = "",
) -> TaskView:
    """End a task with what came of it, and write the act down, unless the tick of a step did so within the day.

    Parameters
    ----------
    outcome : {"saved", "left", "unreachable", "wrong"}
        The customer stays; says that they leave, or have left; was not reached; or should not have been on the list.
    reason : str
        Why, in one line of at most 300 characters; needed for the outcomes of `REASONED`.
    note : str
        Kept as a note about the customer; needs the permission to see personal details.

    Raises
    ------
    NotFound
        For an unknown task.
    Conflict
        When the task has ended, or the customer was taken into the permanent hold-out since: then the task can only be dropped.
    InvalidInput
        For an unknown outcome, or a reason that is too long, or is missing where it is needed.
    Forbidden
        For a note without the permission to see personal details.
    """
    actor.require(Permission.TASKS_WRITE)
    if outcome not in OUTCOMES:
        raise InvalidInput(
            f"There is no outcome {outcome[:20]!r}.", fields={"outcome": [f"one of {', '.join(OUTCOMES)}"]}
        )
    _insist_on_short(reason)
    if outcome in REASONED and not reason.strip():
        raise InvalidInput("This outcome needs a reason.", fields={"reason": ["why, in a line"]})
    task = require_open(session, task_id)
    task.exposure_id = None if acts.just_ticked(session, task) else acts.write(session, actor, task, task.kind)
    if note.strip():
        notes.write(session, actor, session.get_one(Identity, task.customer_id).user_id, note, task_id=task.id)
    task.outcome = outcome
    return _ended(session, actor, settings, task, "done", reason, ["outcome", "outcome_reason"])


def drop(session: Session, actor: Actor, settings: Settings, task_id: int, *, reason: str = "") -> TaskView:
    """End a task because nothing came of it: no outcome, and no act is written down beyond those that ticked steps wrote already.

    Where nothing was done to the customer at all, whoever was left alone for it no longer counts as that.

    Raises
    ------
    NotFound
        For an unknown task.
    Conflict
        When the task has ended.
    InvalidInput
        For a reason that is too long.
    """
    actor.require(Permission.TASKS_WRITE)
    _insist_on_short(reason)
    task = require_open(session, task_id)
    view = _ended(session, actor, settings, task, "dropped", reason, ["outcome_reason"])
    if task.source == "queue" and not acts.reached(session, task):
        twins.let_go(session, actor, ranking.read(session, settings), task)
    return view


def reopen(session: Session, actor: Actor, settings: Settings, task_id: int) -> TaskView:
    """Take back how a task ended, and exactly the act that its end wrote down; a dropped one has its untreated twins again.

    Notes stay: they were written by a person, who can delete them. So do the acts of ticked steps, whose ticks can be taken back.

    Raises
    ------
    NotFound
        For an unknown task.
    Conflict
        When the task is open, or the customer has another open one.
    """
    actor.require(Permission.TASKS_WRITE)
    task = board.require(session, task_id)
    if task.state == "open":
        raise Conflict(f"Task {task_id} is open.", detail={"state": "open"})
    other = board.open_of(session, task.customer_id)
    if other is not None:
        raise Conflict(f"This customer has another open task, {other.id}.", detail={"task_id": other.id})
    was_dropped, exposure_id = task.state == "dropped", task.exposure_id
    task.exposure_id = None
    task.state, task.outcome, task.outcome_reason, task.ended_at, task.ended_by = "open", None, None, None, None
    task.snoozed_until, task.updated_at = None, clock.now_us()
    session.flush()
    if exposure_id is not None:
        exposures.void(session, actor, [session.get_one(Exposure, exposure_id)])
    if was_dropped and task.source == "queue" and not acts.reached(session, task):
        twins.bring_back(session, actor, ranking.read(session, settings), task)
    fields = ["state", "outcome"] if exposure_id is None else ["state", "outcome", "exposure_id"]
    audit.record(session, actor, "task.reopen", "task", task.id, fields=fields)
    revisions.bump(session, "desk")
    session.flush()
    return board.view(session, settings, task)


def _ended(
    session: Session, actor: Actor, settings: Settings, task: Task, state: str, reason: str, fields: list[str]
) -> TaskView:
    task.state, task.outcome_reason = state, reason.strip() or None
    task.ended_at = task.updated_at = clock.now_us()
    task.ended_by = actor.user_id
    audit.record(session, actor, "task.end" if state == "done" else "task.drop", "task", task.id, fields=fields)
    revisions.bump(session, "desk")
    session.flush()
    return board.view(session, settings, task)


def _insist_on_short(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise InvalidInput("The reason is too long.", fields={"reason": [f"at most {LONGEST_REASON} characters"]})
