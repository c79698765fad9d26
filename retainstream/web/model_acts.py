"""What people do with models: train one and follow it, put a version into service, go back to the one before. Each asks before it changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
from flask import Blueprint, current_app, flash, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.model import TrainSchema
from retainstream.security.permissions import Permission
from retainstream.services import churn_definitions, jobs, model_card, registry, training
from retainstream.web import frame, model_job_view, model_versions_view, model_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.model import HERE, TABS, may
from retainstream.web.model_view import Metric

blueprint = Blueprint("web_model_acts", __name__)
_KINDS = ("train", "replay")
_DEFINITIONS = 100


@dataclass(frozen=True)
class TrainForm:
    """The form as typed, with complaints by field and the one that concerns all."""

    typed: Mapping[str, str]
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str = ""


@blueprint.get("/model/train")
@requires_page(Permission.MODEL_TRAIN)
def ask_to_train() -> BaseResponse:
    """Show the form."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    usual = {"seed": "0", "trials": str(settings.train_trials), "promote": "yes"}
    with read_unit() as session:
        return _form(session, TrainForm({**usual, "exclude": request.args.get("exclude", "")}))


@blueprint.post("/model/train")
@requires_page(Permission.MODEL_TRAIN)
def train() -> BaseResponse:
    """Queue a training and lead to its progress."""
    typed = request.form.to_dict()
    try:
        options: Any = TrainSchema().load(_payload(typed))
        with unit_of_work() as session:
            job_id = training.request(session, signed_in_actor(), options).id
    except ma.ValidationError as wrong:
        return _refused(TrainForm(typed, _flat(wrong.messages)), 422)
    except InvalidInput as wrong:
        known = {
            name: told for name, told in wrong.fields.items() if name in ("seed", "trials", "exclude", "definition_id")
        }
        return _refused(TrainForm(typed, known, "" if known else wrong.message), 422)
    except Conflict as busy:
        open_job = busy.detail.get("job_id")
        if open_job is None:
            return _refused(TrainForm(typed, problem=busy.message), 409)
        flash("A training is queued or running already; this is it.", "bad")
        return go(f"/model/jobs/{open_job}")
    except NotReady as early:
        return _refused(TrainForm(typed, problem=early.message), 409)
    return go(f"/model/jobs/{job_id}")


def _payload(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the form as the API's body; a text that is no number stays one, for the schema to complain of."""
    found: dict[str, Any] = {"promote": typed.get("promote") == "yes"}
    for name in ("seed", "trials", "definition_id"):
        text = typed.get(name, "").strip()
        if text:
            found[name] = int(text) if text.isdecimal() and len(text) < 20 else text
    left_out = [line.strip() for line in typed.get("exclude", "").splitlines() if line.strip()]
    if left_out:
        found["exclude"] = left_out
    if typed.get("ignore_silent_feeds") == "yes":
        found["ignore_silent_feeds"] = True
    return found


def _flat(messages: Any) -> dict[str, list[str]]:
    """Return the schema's complaints by field; those about the items of a list become one."""
    return {
        str(name): [str(one) for one in told] if isinstance(told, list) else ["names of features, one on each line"]
        for name, told in messages.items()
    }


def _refused(form: TrainForm, status: int) -> BaseResponse:
    with read_unit() as session:
        return _form(session, form, status)


def _form(session: Session, form: TrainForm, status: int = 200) -> BaseResponse:
    current = churn_definitions.in_force(session)
    listed = churn_definitions.listed(session, PageRequest(limit=_DEFINITIONS)).items
    choices = [(str(one["id"]), f"{one['name']}{' (in force)' if one['in_force'] else ''}") for one in listed]
    sentences = [(str(one["name"]), str(one["sentence"])) for one in listed if one["in_force"]]
    chosen = form.typed.get("definition_id") or ("" if current is None else str(current.id))
    return frame.page(
        session, "model/train.html", here=HERE, status=status, tabs=TABS, form=form, choices=choices, chosen=chosen,
        meaning=sentences[0] if sentences else None, ahead=training.looks_ahead(session),
    )  # fmt: skip


@blueprint.get("/model/jobs/<int:job_id>")
@requires_page(Permission.JOBS_READ)
def follow(job_id: int) -> BaseResponse:
    """Show how a training or replay goes, and at its end what came of it; a replay's findings have a page of their own."""
    with read_unit() as session:
        told = _of_model(session, job_id)
        if told["kind"] == "replay" and told["state"] == "succeeded":
            return go(f"/model/replay/{job_id}")
        view = model_job_view.job(told, _version_of(session, told))
        if frame.wants_fragment():
            response = current_app.make_response(render_template("model/_job.html", job=view))
            if not view.open:
                response.headers["HX-Refresh"] = "true"
            return response
        return frame.page(
            session, "model/job.html", here=HERE, tabs=TABS, job=view, may=may(), worth=_worth(session, told)
        )


@blueprint.post("/model/jobs/<int:job_id>/cancel")
@requires_page(Permission.JOBS_CANCEL)
def cancel(job_id: int) -> BaseResponse:
    """Stop a training or replay."""
    try:
        with unit_of_work() as session:
            _of_model(session, job_id)
            ended = jobs.cancel(session, signed_in_actor(), job_id).state == "cancelled"
    except Conflict as refusal:
        flash(refusal.message, "bad")
    else:
        flash("It is cancelled." if ended else "It is asked to stop.", "good")
    return go(f"/model/jobs/{job_id}")


def _of_model(session: Session, job_id: int) -> dict[str, Any]:
    job = jobs.get(session, job_id)
    if job.kind not in _KINDS:
        raise NotFound(f"Job {job_id} is neither a training nor a replay.")
    return jobs.present(job)


@dataclass(frozen=True)
class Worth:
    """What a newly trained version is worth: its headline and first figures, and the version that it may be compared with."""

    headline: str
    lead: str
    kpis: tuple[Metric, ...]
    version: int
    before: int | None


def _worth(session: Session, told: Mapping[str, Any]) -> Worth | None:
    """Return what a training's version is worth; None where it was refused, or nothing came of it."""
    result = told["result"] or {}
    if told["kind"] != "train" or not result.get("servable"):
        return None
    version = int(result["model_version"])
    card = model_card.card(session, version)
    current = registry.champion(session)
    other = None if current is None else current.version_id
    if current is not None and other == version:
        other = registry.previous(session, current)
    return Worth(*model_view.headline(card), model_view.kpis(card), version, other)


def _version_of(session: Session, told: Mapping[str, Any]) -> dict[str, object] | None:
    number = (told["result"] or {}).get("model_version")
    return None if number is None else _line(session, int(number))


def _line(session: Session, version_id: int) -> dict[str, object]:
    version = registry.required_version(session, version_id)
    return model_card.summary(version, registry.auc_of(session, version_id), registry.champion(session))


@blueprint.get("/model/versions/<int:version_id>/promote")
@requires_page(Permission.MODEL_PROMOTE)
def ask_to_promote(version_id: int) -> BaseResponse:
    """Say what putting a version into service will do, and ask."""
    with read_unit() as session:
        target = _line(session, version_id)
        if not target["servable"]:
            raise Conflict(f"Version {version_id} was refused after its training and cannot be put into service.")
        current: Any = model_card.status(session)["champion"]
        step = model_versions_view.promotion(target, current)
        return frame.page(session, "model/confirm.html", here=HERE, step=step, already=bool(target["champion"]))


@blueprint.post("/model/versions/<int:version_id>/promote")
@requires_page(Permission.MODEL_PROMOTE)
def promote(version_id: int) -> BaseResponse:
    """Put a version into service and queue the scoring."""
    try:
        with unit_of_work() as session:
            moved = training.promote(session, signed_in_actor(), version_id)
    except Conflict as refusal:
        flash(refusal.message, "bad")
        return go(f"/model/versions/{version_id}")
    said = f"Version {version_id} is in service; everybody is being scored by it."
    flash(said if moved["changed"] else f"Version {version_id} was in service already; nothing changed.", "good")
    return go("/model")


@blueprint.get("/model/rollback")
@requires_page(Permission.MODEL_PROMOTE)
def ask_to_go_back() -> BaseResponse:
    """Say what going back will do, and ask."""
    with read_unit() as session:
        current: Any = model_card.status(session)["champion"]
        champion = registry.champion(session)
        before = None if champion is None else registry.previous(session, champion)
        if before is None:
            raise Conflict("There is no earlier model to go back to.")
        step = model_versions_view.going_back(_line(session, before), current)
        return frame.page(session, "model/confirm.html", here=HERE, step=step, already=False)


@blueprint.post("/model/rollback")
@requires_page(Permission.MODEL_PROMOTE)
def go_back() -> BaseResponse:
    """Put the version before back into service and queue the scoring."""
    try:
        with unit_of_work() as session:
            moved = training.rollback(session, signed_in_actor())
    except Conflict as refusal:
        flash(refusal.message, "bad")
        return go("/model/versions")
    flash(f"Version {moved['model_version']} is back in service; everybody is being scored by it.", "good")
    return go("/model")
