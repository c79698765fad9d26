"""What the desk knows of one customer, for the customer's page: the open task, notes, and what a task could be made with. Forms go to `today_acts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.desk import board, notes, people, plays, tried
from retainstream.services.desk.people import Person
from retainstream.services.desk.plays import PlayView
from retainstream.web import today_page, today_undo, today_view, today_words
from retainstream.web.today_page import May
from retainstream.web.today_undo import Undo
from retainstream.web.today_view import NoteLine, TaskPanel
from retainstream.web.today_words import KINDS, OUTCOMES, OutcomeWords

_NOTES = PageRequest(limit=3)


@dataclass(frozen=True)
class Desk:
    """The panel. `task` is the open one; `proposed` the id of the play that fits the reasons; `notes` is None for those who may not read them."""

    task: TaskPanel | None
    play_words: str
    proposed: int | None
    notes: tuple[NoteLine, ...] | None
    notes_total: int
    people: tuple[Person, ...]
    plays: tuple[PlayView, ...]
    undo: Undo | None
    me: int
    may: May
    kinds: Mapping[str, str]
    outcomes: Mapping[str, OutcomeWords]


def read(
    session: Session, person: Actor, settings: Settings, user_id: str, customer_id: int, reasons: Sequence[Any]
) -> Desk | None:
    """Return the panel; None for somebody who may not read tasks."""
    if not person.may(Permission.TASKS_READ):
        return None
    may = today_page.may_of(person)
    present = board.open_of(session, customer_id)
    task = None if present is None else board.view(session, settings, present)
    found = notes.of_customer(session, person, user_id, _NOTES) if may.personal else None
    words = ""
    if task is not None and task.play is not None:
        words = today_words.followed(tried.of_plays(session, person).get(task.play.id, tried.NEVER))
    fitting = plays.propose(session, reasons) if task is None else None
    undo = today_undo.offered()
    return Desk(
        task=None if task is None else today_view.panel(task, settings.time_zone),
        play_words=words,
        proposed=None if fitting is None else fitting.id,
        notes=None if found is None else today_view.note_lines(found.items),
        notes_total=0 if found is None else found.total,
        people=people.assignable(session) if may.write else (),
        plays=plays.listed(session, person) if may.write else (),
        undo=undo if undo is not None and undo.user_id == user_id else None,
        me=person.user_id or 0,
        may=may,
        kinds=KINDS,
        outcomes=OUTCOMES,
    )
