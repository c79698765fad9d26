"""Taking the last act of the desk back: what undoes it waits in the browser's session until something else is done, and goes through the services' doors.

What somebody changed since is never written over: each step knows the version of its task, and all of them are taken back or none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import session as browser
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict
from retainstream.security.actor import Actor
from retainstream.services.desk import board, endings, notes, tasks

_KEY = "undo_desk"
_LONGEST = 1_800
"""Characters that a cookie can carry beside the rest of the session."""
TAKEN_BACK = "taken back"

Step = tuple[str, int, Any]
"""What to do (drop, reopen, tick, note, or a field of the task), the id of what, and the value to put back."""


@dataclass(frozen=True)
class Undo:
    """The last act in words, of whom it was, and whether it was done a moment ago."""

    words: str
    user_id: str
    fresh: bool


@dataclass(frozen=True)
class Kept:
    """What undoes an act, in the order to do it, of whom it was, and the version of each task that it may be done to."""

    words: str
    user_id: str
    steps: tuple[Step, ...]
    versions: dict[int, int]


def keep(session: Session, words: str, user_id: str, steps: Sequence[Step]) -> bool:
    """Remember how an act is undone, in its own unit of work; False when there is too much of it to remember."""
    ids = {step[1] for step in steps if step[0] != "note"}
    versions = {one: board.require(session, one).updated_at for one in ids}
    kept = {"words": words, "user_id": user_id, "steps": list(steps), "versions": list(versions.items()), "fresh": True}
    if not steps or len(json.dumps(kept)) > _LONGEST:
        browser.pop(_KEY, None)
        return False
    browser[_KEY] = kept
    return True


def offered() -> Undo | None:
    """Return the act that can be taken back, for a page; from then on it was not a moment ago."""
    kept = browser.get(_KEY)
    if kept is None:
        return None
    if kept["fresh"]:
        browser[_KEY] = {**kept, "fresh": False}
    return Undo(kept["words"], kept["user_id"], kept["fresh"])


def take_out() -> Kept | None:
    """Return what undoes the last act, and forget it."""
    kept = browser.pop(_KEY, None)
    if kept is None:
        return None
    steps = tuple((step[0], step[1], step[2]) for step in kept["steps"])
    return Kept(kept["words"], kept["user_id"], steps, dict(kept["versions"]))


def run(session: Session, person: Actor, settings: Settings, kept: Kept) -> None:
    """Take an act back.

    Raises
    ------
    Conflict
        When somebody changed one of its tasks since.
    NotFound
        When a task or a note is gone.
    """
    for task_id, version in kept.versions.items():
        if board.require(session, task_id).updated_at != version:
            raise Conflict("Somebody changed it since, so nothing was taken back.")
    for what, one, value in kept.steps:
        _step(session, person, settings, what, one, value)


def _step(session: Session, person: Actor, settings: Settings, what: str, one: int, value: Any) -> None:
    if what == "note":
        notes.remove(session, person, one)
    elif what == "drop":
        endings.drop(session, person, settings, one, reason=TAKEN_BACK)
    elif what == "reopen":
        endings.reopen(session, person, settings, one)
    elif what == "tick":
        tasks.tick(session, person, settings, one, value[0], done=value[1])
    else:
        tasks.change(session, person, settings, one, {what: value}, restoring=True)
