"""The data page about churn definitions: what counts as leaving, a proposal from the box's own data, and the making of a definition."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, Response, current_app, flash, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy, Conflict, InvalidInput, NotReady
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services import churn_definitions, proposals, registry, training
from retainstream.services.as_of import facts
from retainstream.web import data_definitions_form as forms
from retainstream.web import data_definitions_view as views
from retainstream.web import frame
from retainstream.web.browser_session import go
from retainstream.web.data_definitions_form import Form
from retainstream.web.data_definitions_view import Asked, ProposalView, WeighedView
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_definitions", __name__)
PAGE = "/data/definitions"
SHOWN = 30
_TABLES = ("candidates", "gaps", "returning")


@dataclass(frozen=True)
class Wizard:
    """How far a person has come: what was asked, what was proposed, what was typed, and what that would give."""

    asked: Asked = field(default_factory=Asked)
    proposal: ProposalView | None = None
    form: Form | None = None
    weighed: WeighedView | None = None
    refusal: str = ""
    empty: bool = False
    kinds: tuple[str, ...] = ()


@blueprint.get(PAGE)
@requires_page(Permission.MODEL_READ)
def show() -> BaseResponse:
    """Show all definitions, and where a new one begins."""
    return _page(Wizard())


@blueprint.get(f"{PAGE}/propose")
@requires_page(Permission.MODEL_TRAIN)
def propose() -> BaseResponse:
    """Propose a definition from the box's own data; `inactive_days` chooses other days of silence than the proposed ones."""
    asked, question = _question()
    if asked.problems:
        return _page(Wizard(asked), status=422)
    try:
        found = proposals.propose(box_settings(), question)
    except (Busy, NotReady, InvalidInput) as refused:
        return _page(Wizard(asked, refusal=refused.message, empty=isinstance(refused, NotReady)))
    days = request.args.get("inactive_days", type=int)
    known = [each["inactive_days"] for each in found["candidates"]]  # type: ignore[attr-defined]
    proposal, form = views.proposal_view(found, days if days in known else None)
    return _page(Wizard(replace(asked, kind=form.kind), proposal, form))


@blueprint.get(f"{PAGE}/proposal.csv")
@requires_page(Permission.MODEL_TRAIN)
def download() -> BaseResponse:
    """Give the figures behind a proposal as CSV: the candidates, the pauses, or how many come back."""
    asked, question = _question()
    table = request.args.get("table", _TABLES[0])
    if asked.problems or table not in _TABLES:
        raise InvalidInput("There is no such table of a proposal.")
    found: dict[str, Any] = proposals.propose(box_settings(), question)
    gaps = found["gaps"] or {"distribution": [], "returning": []}
    rows = {"gaps": gaps["distribution"], "returning": gaps["returning"]}.get(
        table, found["candidates"] or found["reasons"]
    )
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{table}.csv"'
    return response


@blueprint.post(f"{PAGE}/preview")
@requires_page(Permission.MODEL_TRAIN)
def preview() -> BaseResponse:
    """Weigh what stands in the form; nothing is stored."""
    form = forms.of_sent(request.form)
    body, problems = forms.body_of(form, named=False)
    refusal, weighed = "", None
    if not problems:
        try:
            weighed = views.weighed_view(proposals.weigh(box_settings(), body))
        except (Busy, NotReady) as refused:
            refusal = refused.message
        except InvalidInput as refused:
            problems, refusal = dict(refused.fields), refused.message
    if frame.wants_fragment():
        html = render_template(
            "data/_definition_weighed.html", weighed=weighed, refusal=refusal, problems=problems, labels=_LABELS
        )
        return current_app.make_response(html)
    wizard = Wizard(Asked(form.kind), form=replace(form, problems=problems), weighed=weighed, refusal=refusal)
    return _page(wizard, status=422 if problems else 200)


@blueprint.post(PAGE)
@requires_page(Permission.MODEL_TRAIN)
def create() -> BaseResponse:
    """Make a definition; unless it is only to be kept it is put in force, and learnt at once when that was asked for."""
    actor = signed_in_actor()
    form = forms.of_sent(request.form)
    body, problems = forms.body_of(form)
    then = request.form.get("then", "")
    activate = then != "keep"
    if not problems:
        try:
            if "settle_days" not in body:
                body["settle_days"] = proposals.settle_days(box_settings(), body)
            with unit_of_work() as session:
                made = churn_definitions.create(session, actor, body, activate=activate)
                name = f"“{made.name}”, version {made.version},"
        except InvalidInput as refused:
            problems = dict(refused.fields) or {"name": [refused.message]}
    if problems:
        return _page(Wizard(Asked(form.kind), form=replace(form, problems=problems)), status=422)
    if then == "train":
        return _train(name)
    flash(f"{name} {'is in force. Train to learn it.' if activate else 'is kept; it is not in force.'}", "good")
    return go(PAGE)


def _train(name: str) -> BaseResponse:
    try:
        with unit_of_work() as session:
            training.request(session, signed_in_actor(), {})
    except (Conflict, NotReady) as refusal:
        flash(f"{name} is in force. {refusal.message}", "bad")
        return go(PAGE)
    flash(f"{name} is in force, and a training that learns it is queued.", "good")
    return go("/")


@blueprint.post(f"{PAGE}/<int:definition_id>/activate")
@requires_page(Permission.MODEL_TRAIN)
def activate(definition_id: int) -> BaseResponse:
    """Put a definition in force."""
    actor = signed_in_actor()
    with unit_of_work() as session:
        chosen = churn_definitions.activate(session, actor, definition_id)
        name = f"“{chosen.name}”, version {chosen.version},"
    flash(f"{name} is in force. Train to learn it; the model in service stays until then.", "good")
    return go(PAGE)


_LABELS = {
    "name": "Name",
    "horizon_days": "Looks ahead",
    "lead_days": "Time to act first",
    "inactive_days": "Gone after",
    "grace_days": "Grace",
    "settle_days": "News comes late by",
}


def _question() -> tuple[Asked, dict[str, Any]]:
    """Return what a proposal is asked for, as typed, and the same for the service."""
    typed = Form(
        kind=request.args.get("kind", ""),
        name="asked",
        horizon_days=request.args.get("horizon_days", "30").strip(),
        lead_days=request.args.get("lead_days", "0").strip(),
    )
    # Only the window is asked for, so the form is checked as one of a kind that needs nothing else.
    known = typed.kind if typed.kind in forms.KIND_WORDS else ""
    body, problems = forms.body_of(replace(typed, kind="cancel"))
    question: dict[str, Any] = {name: body[name] for name in ("horizon_days", "lead_days") if name in body}
    if known:
        question["kind"] = known
    return Asked(known, typed.horizon_days, typed.lead_days, problems or None), question


def _page(wizard: Wizard, status: int = 200) -> BaseResponse:
    person = signed_in_actor()
    may_train = person.may(Permission.MODEL_TRAIN)
    with read_unit() as session:
        if wizard.form is not None and wizard.form.silent:
            wizard = replace(wizard, kinds=tuple(sorted({*facts.on_record(session).kinds, *wizard.form.activity})))
        shown = {"wizard": wizard, "may_train": may_train, "words": forms, "labels": _LABELS}
        if frame.wants_fragment() and request.method == "GET":
            html = render_template("data/_definition_wizard.html", **shown)
            return current_app.make_response((html, status))
        return frame.page(session, "data/definitions.html", here="data", status=status, view=_list(session), **shown)


def _list(session: Session) -> views.ListView:
    page = churn_definitions.listed(session, PageRequest(limit=SHOWN, cursor=request.args.get("cursor") or None))
    champion = registry.champion(session)
    items = list(page.items)
    current = churn_definitions.in_force(session)
    if current is not None and all(item["id"] != current.id for item in items):
        items.append(churn_definitions.present(current, current))
    return views.list_view(
        items,
        total=page.total,
        following=page.next_cursor,
        uses=churn_definitions.uses(session),
        served=None if champion is None else champion.definition_id,
        may_train=signed_in_actor().may(Permission.MODEL_TRAIN),
    )
