"""What would this have said on a past day? The form, the replays that were made, and what one of them found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
from flask import Blueprint, current_app, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.predictions import ReplaySchema
from retainstream.security.permissions import Permission
from retainstream.services import as_of, churn_definitions, jobs, model_card, registry, replay, training
from retainstream.web import frame, model_job_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.model import HERE, TABS, may

blueprint = Blueprint("web_model_replay", __name__)
_SHOWN, _VERSIONS = 20, 50


@dataclass(frozen=True)
class ReplayForm:
    """The form as typed, with complaints by field and the one that concerns all."""

    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str = ""


@blueprint.get("/model/replay")
@requires_page(Permission.PREDICTIONS_READ)
def show() -> BaseResponse:
    """Show the form and the replays that were made."""
    return _page(ReplayForm())


@blueprint.post("/model/replay")
@requires_page(Permission.PREDICTIONS_WRITE)
def start() -> BaseResponse:
    """Queue a replay and lead to its progress."""
    typed = request.form.to_dict()
    try:
        options: Any = ReplaySchema().load(_payload(typed))
        with unit_of_work() as session:
            job_id = replay.request(session, signed_in_actor(), options).id
    except ma.ValidationError as wrong:
        messages: Any = wrong.messages
        return _page(ReplayForm(typed, {str(name): [str(one) for one in told] for name, told in messages.items()}), 422)
    except InvalidInput as wrong:
        return _page(ReplayForm(typed, wrong.fields, "" if wrong.fields else wrong.message), 422)
    except Conflict as busy:
        if (open_job := busy.detail.get("job_id")) is None:
            return _page(ReplayForm(typed, problem=busy.message), 409)
        flash("The same replay is queued or running already; this is it.", "bad")
        return go(f"/model/jobs/{open_job}")
    except (NotReady, NotFound) as refusal:
        return _page(ReplayForm(typed, problem=refusal.message), refusal.status)
    return go(f"/model/jobs/{job_id}")


@blueprint.get("/model/replay/<int:job_id>")
@requires_page(Permission.PREDICTIONS_READ)
def found(job_id: int) -> BaseResponse:
    """Show what a replay found."""
    with read_unit() as session:
        if jobs.get(session, job_id).state in model_job_view.OPEN:
            return go(f"/model/jobs/{job_id}")
        view = model_job_view.replay(replay.found(session, job_id))
        linked = any(rule.rule == "/customers/<user_id>" for rule in current_app.url_map.iter_rules())
        return frame.page(session, "model/replayed.html", here=HERE, tabs=TABS, view=view, linked=linked, may=may())


def _payload(typed: Mapping[str, str]) -> dict[str, Any]:
    model = typed.get("model", replay.TRAIN)
    return {"as_of": typed.get("as_of", ""), "model": int(model) if model.isdecimal() and len(model) < 20 else model}


def _page(form: ReplayForm, status: int = 200) -> BaseResponse:
    with read_unit() as session:
        last, usual = _days(session)
        made = jobs.list_jobs(session, PageRequest(limit=_SHOWN), kind="replay").items
        choices = _choices(session)
        return frame.page(
            session,
            "model/replay.html",
            here=HERE,
            status=status,
            tabs=TABS,
            form=form,
            last=last,
            usual=usual,
            choices=choices,
            ready=bool(last and choices),
            lines=model_job_view.replay_lines(made),
            may=may(),
        )


def _choices(session: Session) -> list[tuple[str, str]]:
    """Return the models that can look ahead from a day: one trained for it, the newest that knew no more, and each version."""
    found = []
    if training.looks_ahead(session):
        found.append((replay.TRAIN, "One trained now, of what was known that day"))
    versions: Any = model_card.versions(session, PageRequest(limit=_VERSIONS)).items
    ahead = [one for one in versions if one["servable"] and one["kind"] != registry.SNAPSHOT]
    if ahead:
        found.append((replay.EARLIER, "The newest version that knew no more than that day"))
    return found + [(str(one["id"]), f"Version {one['id']}, data to {str(one['as_of'])[:10]}") for one in ahead]


def _days(session: Session) -> tuple[str, str]:
    """Return the last day that can be looked at, and the newest one whose outcome is certain; nothing without history."""
    try:
        end = as_of.data_end(session)
    except NotReady:
        return "", ""
    definition = churn_definitions.in_force(session)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    settled = end - (0 if rule is None else rule.maturity_us)
    return str(clock.iso(end))[:10], str(clock.iso(settled))[:10]
