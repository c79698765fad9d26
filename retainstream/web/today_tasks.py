"""All tasks of the desk, open and ended, narrowed by the address: what each count of Today, of plays and of people opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models.desk import OUTCOMES
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.desk import board, days, people, plays
from retainstream.services.desk.board import STANDINGS, STATES, Wanted
from retainstream.web import frame, today_form, today_view, today_words
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.today_view import TaskPanel

blueprint = Blueprint("web_today_tasks", __name__)
PAGE = 50
ENDED = {"today": "ended today", "7": "ended in the last 7 days", "30": "ended in the last 30 days"}
FILTERS = ("state", "standing", "owner", "outcome", "play", "ended", "user_id")
Asked = dict[str, str]


@dataclass(frozen=True)
class Line:
    """One task of the list, with the address of its entry, or of the customer where it stands in no entry."""

    user_id: str
    address: str
    task: TaskPanel
    outcome: str


@dataclass(frozen=True)
class Chip:
    """One filter in words, and the address of the list without it."""

    words: str
    address: str


@blueprint.get("/today/tasks")
@requires_page(Permission.TASKS_READ)
def show() -> BaseResponse:
    """Show the list that the address asks for."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    asked = {name: request.args[name][:200] for name in FILTERS if request.args.get(name)}
    cursor = request.args.get("cursor") or None
    with read_unit() as session:
        wanted = _wanted(asked, person, settings)
        found = board.listing(session, person, settings, wanted, PageRequest(PAGE, cursor))
        return frame.page(
            session,
            "today/tasks.html",
            here="today",
            lines=[_line(task, settings.time_zone) for task in found.items],
            total=found.total,
            title=_title(found.total, asked),
            chips=_chips(session, person, asked),
            asked=asked,
            people=people.assignable(session),
            states=today_words.STATES,
            outcomes=today_words.OUTCOMES,
            following=_address({**asked, "cursor": found.next_cursor}) if found.next_cursor else "",
            first=_address(asked) if cursor else "",
        )


def _wanted(asked: Mapping[str, str], person: Actor, settings: Settings) -> Wanted:
    """Return the filter; raises InvalidInput for a value that there is not."""
    choices = {"state": STATES, "standing": STANDINGS, "outcome": OUTCOMES, "ended": tuple(ENDED)}
    for name, known in choices.items():
        if name in asked and asked[name] not in known:
            raise InvalidInput("There is no such list of tasks.", fields={name: [f"one of {', '.join(known)}"]})
    owner = asked.get("owner")
    owner_id = None
    if owner is not None:
        owner_id = person.user_id or 0 if owner == "mine" else today_form.chosen_id(owner, "owner") or 0
    return Wanted(
        state=asked.get("state") or ("done" if "ended" in asked else None),
        owner_id=owner_id,
        user_id=asked.get("user_id"),
        outcome=asked.get("outcome"),
        play_id=today_form.chosen_id(asked.get("play", ""), "play"),
        standing=asked.get("standing"),
        ended_after=_ended_after(asked.get("ended"), settings),
    )


def _ended_after(span: str | None, settings: Settings) -> int | None:
    if span is None:
        return None
    now = clock.now_us()
    return days.start_of_day(settings.time_zone, now) if span == "today" else now - int(span) * clock.DAY_US


def _line(task: board.TaskView, time_zone: str) -> Line:
    customer = today_view.customer_address(task.user_id)
    awake = task.standing in ("overdue", "due_today", "upcoming")
    to = today_view.address("team", open_=task.user_id) if awake else customer
    return Line(task.user_id, to, today_view.panel(task, time_zone), today_words.outcome(task.outcome))


def _title(total: int, asked: Asked) -> str:
    if not total:
        return "No such task" if asked else "No task yet"
    return f"{total:,} task{'' if total == 1 else 's'}"


def _chips(session: Session, person: Actor, asked: Asked) -> tuple[Chip, ...]:
    def words(name: str, value: str) -> str:
        if name == "owner":
            if value in ("0", "mine"):
                return "nobody’s" if value == "0" else "yours"
            found = people.named(session, [int(value)]).get(int(value))
            return f"of {found.name}" if found else f"of person {value}"
        if name == "play":
            found_plays: dict[int, Any] = {play.id: play for play in plays.listed(session, person, retired=True)}
            return f"with “{found_plays[int(value)].name}”" if int(value) in found_plays else f"with play {value}"
        if name == "outcome":
            return today_words.outcome(value)
        tables: dict[str, Mapping[str, str]] = {
            "state": today_words.STATES,
            "standing": today_words.STANDINGS,
            "ended": ENDED,
        }
        return tables[name][value] if name in tables else f"of {value}"

    return tuple(
        Chip(words(name, value), _address({key: kept for key, kept in asked.items() if key != name}))
        for name, value in asked.items()
    )


def _address(asked: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/today/tasks?{query}" if query else "/today/tasks"
