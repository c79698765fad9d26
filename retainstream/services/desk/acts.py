"""Acts on the customer that a task writes down: at the tick of a step that reaches them, and at the end where no tick just did.

Each is an exposure like any other. It stands even when the task is dropped later, for it happened; only taking the tick itself back voids it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import Exposure, Identity, Task
from retainstream.security.actor import Actor
from retainstream.services import exposures

INNER = "other"
"""The kind of a step that nobody outside notices, such as looking something up."""
_SAME_REACH = clock.DAY_US
"""An end within this time of a ticked act (microseconds) tells what came of that act, and is none of its own."""


def ticked(session: Session, actor: Actor, task: Task, step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as done now, with its act where it reaches the customer; raises Conflict for a member of the permanent hold-out."""
    act = None if step["kind"] == INNER else write(session, actor, task, step["kind"])
    return {**step, "done_at": clock.now_us(), "done_by": actor.user_id, "exposure_id": act}


def unticked(session: Session, actor: Actor, step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as not done; its act is voided."""
    found = session.get(Exposure, step.get("exposure_id") or 0)
    if found is not None and found.voided_at is None:
        exposures.void(session, actor, [found])
    return {**step, "done_at": None, "done_by": None, "exposure_id": None}


def write(session: Session, actor: Actor, task: Task, kind: str) -> int:
    """Write an act of a task down and return the exposure's id; raises Conflict for a member of the permanent hold-out."""
    user_id = session.get_one(Identity, task.customer_id).user_id
    source = "desk" if task.play_id is None else f"play:{task.play_id}"
    return int(str(exposures.record(session, actor, user_id, kind=kind, source=source)["id"]))


def just_ticked(session: Session, task: Task) -> bool:
    """Tell whether a step of a task was ticked so lately, and its act stands, that the end of the task is no further act."""
    ids = [step["exposure_id"] for step in task.steps if step.get("exposure_id")]
    since = clock.now_us() - _SAME_REACH
    query = select(Exposure.id).where(Exposure.id.in_(ids), Exposure.stands(), Exposure.at >= since)
    return session.scalar(query.limit(1)) is not None


def reached(session: Session, task: Task) -> bool:
    """Tell whether anything was done to the customer since a task was taken."""
    mine = (Exposure.customer_id == task.customer_id, Exposure.arm == exposures.TREATED, Exposure.stands())
    return session.scalar(select(Exposure.id).where(*mine, Exposure.at >= task.created_at).limit(1)) is not None


def on_record(task: Task) -> bool:
    """Tell whether the end or a step of a task is written down as an act."""
    return task.exposure_id is not None or any(step.get("exposure_id") for step in task.steps)
