"""Building a rule: a form of brackets and conditions that works by its buttons alone, and tells size and members while somebody types."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, current_app, flash, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotReady
from retainstream.security.permissions import Permission
from retainstream.services.customers import lists
from retainstream.services.segments import rules, saved, standing
from retainstream.services.segments.fields import Field, catalogue
from retainstream.web import frame, segments_draft, segments_from_list, segments_reading, segments_view
from retainstream.web import segments_builder_view as builder_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.segments import PAGE, currency
from retainstream.web.segments_draft import Bracket
from retainstream.web.segments_view import LookView

blueprint = Blueprint("web_segments_builder", __name__)
LOOK, SAVE = "look", "save"
_NOTHING_YET = "Add a condition, and this tells whom it means."


@dataclass(frozen=True)
class Form:
    """The whole form: what is typed, and what is wrong with it by field and by the draft's paths."""

    draft: Bracket
    name: str = ""
    description: str = ""
    problems: dict[str, list[str]] = field(default_factory=dict)
    by_path: dict[str, list[str]] = field(default_factory=dict)
    focus: str = ""
    note: str = ""


@blueprint.get(f"{PAGE}/new")
@requires_page(Permission.SEGMENTS_WRITE)
def new() -> BaseResponse:
    """Show an empty builder, or one that holds the filter of a list of customers."""
    with read_unit() as session:
        form = Form(segments_draft.EMPTY)
        if "from" in request.args:
            fields, money = catalogue(session), currency(session)
            node, note = segments_from_list.rule(session, request.args["from"][:2_000])
            if node is not None:
                form = Form(segments_reading.draft_of(node, fields, money), note=note)
            else:
                form = replace(form, note=note)
        return _page(session, form, None)


@blueprint.post(f"{PAGE}/new")
@requires_page(Permission.SEGMENTS_WRITE)
def make() -> BaseResponse:
    """Do what the pressed button says: change the rule, look, or keep it."""
    return _answer(None)


@blueprint.get(f"{PAGE}/<int:segment_id>/edit")
@requires_page(Permission.SEGMENTS_WRITE)
def edit(segment_id: int) -> BaseResponse:
    """Show the builder with a segment's rule."""
    with read_unit() as session:
        segment = saved.read(session, segment_id)
        draft = segments_reading.draft_of(segment.node, catalogue(session), currency(session))
        return _page(session, Form(draft, segment.name, segment.description), segment_id)


@blueprint.post(f"{PAGE}/<int:segment_id>/edit")
@requires_page(Permission.SEGMENTS_WRITE)
def change(segment_id: int) -> BaseResponse:
    """Do what the pressed button says: change the rule, look, or keep it."""
    return _answer(segment_id)


def _answer(segment_id: int | None) -> BaseResponse:
    sent = {name: request.form.getlist(name) for name in request.form}
    act = request.form.get("act", LOOK)
    form = Form(segments_draft.read(sent), request.form.get("name", ""), request.form.get("description", ""))
    if act == SAVE and not frame.wants_fragment():
        return _save(form, segment_id)
    with read_unit() as session:
        fields = catalogue(session)
        draft, focus = segments_draft.acted(segments_draft.settled(form.draft, fields), act, sent, fields)
        form = replace(form, draft=draft, focus=focus)
        if not frame.wants_fragment():
            return _page(session, form, segment_id)
        content = _content(session, form, fields, segment_id)
        # While somebody types, only the answer is drawn again: the keyboard stays where it is.
        template = "segments/_look.html" if act == LOOK else "segments/_builder.html"
        return current_app.make_response(render_template(template, oob=act != LOOK, **content))


def _save(form: Form, segment_id: int | None) -> BaseResponse:
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        money = currency(session)
        rule, places = segments_reading.rule_of(form.draft, catalogue(session), money)
    wanted: dict[str, Any] = {"name": form.name, "description": form.description, "rule": rule}
    try:
        with unit_of_work() as session:
            if segment_id is None:
                kept = saved.create(session, signed_in_actor(), wanted, time_zone=settings.time_zone)
            else:
                kept = saved.change(session, signed_in_actor(), segment_id, wanted, time_zone=settings.time_zone)
    except Conflict as taken:
        form = replace(form, problems={"name": [taken.message]})
    except InvalidInput as bad:
        own = {name: told for name, told in bad.fields.items() if name in ("name", "description")}
        others = {name: told for name, told in bad.fields.items() if name not in own}
        form = replace(form, problems=own, by_path=segments_reading.problems_by_path(others, places))
    else:
        flash(f"Kept “{kept.name}”. Who is in it is being noted.", "good")
        return go(f"{PAGE}/{kept.id}")
    with read_unit() as session:
        return _page(session, form, segment_id, status=422)


def _page(session: Session, form: Form, segment_id: int | None, *, status: int = 200) -> BaseResponse:
    fields = catalogue(session)
    name = "" if segment_id is None else saved.read(session, segment_id).name
    return frame.page(
        session,
        "segments/edit.html",
        here="segments",
        status=status,
        oob=False,
        segment_id=segment_id,
        kept_name=name,
        missing=builder_view.missing(fields),
        **_content(session, form, fields, segment_id),
    )


def _content(session: Session, form: Form, fields: dict[str, Field], segment_id: int | None) -> dict[str, Any]:
    money = currency(session)
    draft = segments_draft.settled(form.draft, fields)
    levels = standing.levels(session, builder_view.mentioned(draft, fields))
    look, problems = _look(session, draft, fields, money)
    return {
        "action": f"{PAGE}/new" if segment_id is None else f"{PAGE}/{segment_id}/edit",
        "form": form,
        "root": builder_view.builder(draft, fields, levels, money, form.by_path or problems, form.focus),
        "offers": builder_view.offers(fields),
        "look": look,
    }


def _look(
    session: Session, draft: Bracket, fields: dict[str, Field], money: str
) -> tuple[LookView, dict[str, list[str]]]:
    """Return the figures of what of the draft is complete, and what is wrong with that."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    missing = segments_draft.incomplete(draft)

    def without(problem: str) -> LookView:
        return segments_view.look_view(None, 0, (), money, problem, missing)

    if not draft.complete:
        return without(_NOTHING_YET), {}
    rule, places = segments_reading.rule_of(draft, fields, money, only_complete=True)
    try:
        node = rules.parse(rule, fields, time_zone=settings.time_zone)
        found = standing.look(session, node)
    except InvalidInput as bad:
        told = segments_reading.problems_by_path(bad.fields, places)
        return without("Something in the rule is not as expected yet: see the marked condition."), told
    except NotReady as nothing:
        return without(nothing.message), {}
    people = lists.present(session, signed_in_actor(), list(found.first))
    total = standing.population_size(session)
    return segments_view.look_view(found, total, people, money, "", missing), {}
