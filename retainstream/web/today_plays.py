"""Plays: the list with what followed where each was tried, templates to adopt, the editor, and retiring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput
from retainstream.models.desk import OUTCOMES
from retainstream.security.permissions import Permission
from retainstream.services.desk import play_templates, plays, tried
from retainstream.services.desk.plays import MOST_STEPS, PlayView
from retainstream.services.desk.tried import Tried
from retainstream.web import frame
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.today_words import KINDS
from retainstream.web.today_words import OUTCOMES as OUTCOME_WORDS

blueprint = Blueprint("web_today_plays", __name__)
_SPARE = 3
_LONGEST_LIST = 6_000
Problems = Mapping[str, list[str]]


@dataclass(frozen=True)
class Line:
    """A play of the list with what followed, and its outcomes as (key, word, count)."""

    play: PlayView
    tried: Tried
    outcomes: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Form:
    """The editor as it was typed: a feature a line, and a row for each step with some to spare. `id` is None for a play that is new."""

    id: int | None = None
    name: str = ""
    description: str = ""
    features: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    retired: bool = False
    problems: Problems = field(default_factory=dict)

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return the steps with empty rows after them, as many as there may be at most."""
        spare = min(_SPARE, MOST_STEPS - len(self.steps))
        return (*self.steps, *([("", "call")] * spare))


@blueprint.get("/today/plays")
@requires_page(Permission.TASKS_READ)
def show() -> BaseResponse:
    """Show the plays."""
    person = signed_in_actor()
    with read_unit() as session:
        counts = tried.of_plays(session, person)
        lines = [_line(play, counts) for play in plays.listed(session, person, retired=True)]
        return frame.page(
            session,
            "today/plays.html",
            here="today",
            lines=[line for line in lines if line.play.retired_at is None],
            retired=[line for line in lines if line.play.retired_at is not None],
            templates=play_templates.offered(session),
            may_write=person.may(Permission.PLAYS_WRITE),
            kinds=KINDS,
        )


def _line(play: PlayView, counts: Mapping[int, Tried]) -> Line:
    found = counts.get(play.id, tried.NEVER)
    return Line(play, found, tuple((key, OUTCOME_WORDS[key][0], found.outcomes[key]) for key in OUTCOMES))


@blueprint.post("/today/plays/adopt")
@requires_page(Permission.PLAYS_WRITE)
def adopt() -> BaseResponse:
    """Make a play of a template, and open it."""
    try:
        with unit_of_work() as session:
            made = play_templates.adopt(session, signed_in_actor(), request.form.get("key", ""))
    except Conflict as taken:
        flash(taken.message, "bad")
        return go("/today/plays")
    flash(
        f"“{made.name}” is a play now: it is proposed to whoever’s strongest reason fits. Change it as you like.",
        "good",
    )
    return go(f"/today/plays/{made.id}")


@blueprint.get("/today/plays/new")
@requires_page(Permission.PLAYS_WRITE)
def new() -> BaseResponse:
    """Show the empty editor."""
    with read_unit() as session:
        return _editor(session, Form())


@blueprint.post("/today/plays/new")
@requires_page(Permission.PLAYS_WRITE)
def create() -> BaseResponse:
    """Add a play; with a complaint the form comes back as it was typed."""
    return _save(None)


@blueprint.get("/today/plays/<int:play_id>")
@requires_page(Permission.PLAYS_WRITE)
def edit(play_id: int) -> BaseResponse:
    """Show a play in the editor."""
    with read_unit() as session:
        return _editor(session, _of_play(plays.read(session, signed_in_actor(), play_id)))


@blueprint.post("/today/plays/<int:play_id>")
@requires_page(Permission.PLAYS_WRITE)
def save(play_id: int) -> BaseResponse:
    """Keep a play; open tasks keep the steps that they were made with."""
    return _save(play_id)


@blueprint.post("/today/plays/<int:play_id>/retire")
@requires_page(Permission.PLAYS_WRITE)
def retire(play_id: int) -> BaseResponse:
    """Propose a play no longer, or a retired one again."""
    person, again = signed_in_actor(), request.form.get("again") == "1"
    with unit_of_work() as session:
        found = plays.restore(session, person, play_id) if again else plays.retire(session, person, play_id)
    words = "is proposed again" if again else "is retired: it is proposed no longer, and stays countable"
    flash(f"“{found.name}” {words}.", "good")
    return go("/today/plays")


def _save(play_id: int | None) -> BaseResponse:
    form = _of_sent(play_id, request.form, request.form.getlist("step"), request.form.getlist("kind"))
    person = signed_in_actor()
    try:
        with unit_of_work() as session:
            if play_id is None:
                found = plays.create(session, person, _body(form))
            else:
                found = plays.change(session, person, play_id, _body(form))
    except (InvalidInput, Conflict) as wrong:
        problems = wrong.fields or {"name": [wrong.message]}
        with read_unit() as session:
            return _editor(session, _with(form, problems), wrong.status)
    flash(f"“{found.name}” is kept.", "good")
    return go("/today/plays")


def _editor(session: Session, form: Form, status: int = 200) -> BaseResponse:
    return frame.page(session, "today/play.html", here="today", status=status, form=form, kinds=KINDS)


def _of_play(play: PlayView) -> Form:
    return Form(
        id=play.id,
        name=play.name,
        description=play.description,
        features="\n".join(play.features),
        steps=tuple((step["text"], step["kind"]) for step in play.steps),
        retired=play.retired_at is not None,
    )


def _of_sent(play_id: int | None, sent: Mapping[str, str], texts: list[str], kinds: list[str]) -> Form:
    pairs = zip(texts, [*kinds, *(["call"] * len(texts))], strict=False)
    return Form(
        id=play_id,
        name=sent.get("name", "")[:200],
        description=sent.get("description", "")[:1_000],
        features=sent.get("features", "")[:_LONGEST_LIST],
        steps=tuple((text.strip()[:400], kind) for text, kind in pairs if text.strip())[:MOST_STEPS],
        retired=sent.get("retired") == "1",
    )


def _body(form: Form) -> dict[str, Any]:
    """Return what the service takes: a feature a line, empty lines left out."""
    return {
        "name": " ".join(form.name.split()),
        "description": form.description.strip(),
        "features": [line.strip() for line in form.features.splitlines() if line.strip()],
        "steps": [{"text": text, "kind": kind} for text, kind in form.steps],
    }


def _with(form: Form, problems: Problems) -> Form:
    return Form(form.id, form.name, form.description, form.features, form.steps, form.retired, problems)
