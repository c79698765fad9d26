"""The home page: what the scores say, who needs attention first, and the two buttons that start work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, current_app, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, NotReady
from retainstream.lib.pagination import PageRequest
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, model_card, predictions, training
from retainstream.services.customers import lists
from retainstream.services.customers.filters import CustomerFilter
from retainstream.web import current_jobs, frame, home_view
from retainstream.web.browser_session import go
from retainstream.web.current_jobs import JobView
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.home_view import HomeView

blueprint = Blueprint("web_home", __name__)
SHOWN_PEOPLE = 10


@blueprint.get("/")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the page."""
    person = signed_in_actor()
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        jobs = current_jobs.read(session)
        view = read(session, settings, person, jobs.last)
        return frame.page(session, "home/home.html", here="home", home=view, origin=request.host_url.rstrip("/"))


def read(session: Session, settings: Settings, person: Actor, last_job: JobView | None) -> HomeView:
    """Return the page's content for a person; what they may not do has no button."""
    metrics = dashboard.metrics(session, settings)
    refused = _refusal(session)
    stage = home_view.stage_of(metrics)
    title, lead = home_view.headline(metrics, stage, refused)
    view = HomeView(
        stage=stage,
        headline=title,
        lead=lead,
        kpis=home_view.kpis(metrics, refused) if stage != "empty" else (),
        stale=bool(metrics["stale"]),
        warnings=_warnings(last_job, refused),
        may_train=stage != "empty" and person.may(Permission.MODEL_TRAIN),
        may_score=stage in ("unscored", "scored") and person.may(Permission.PREDICTIONS_WRITE),
        may_import=person.may(Permission.IMPORTS_WRITE),
    )
    if stage != "scored":
        return view
    return _with_scores(session, person, replace(view, people_title=home_view.people_title(metrics)))


def _with_scores(session: Session, person: Actor, view: HomeView) -> HomeView:
    # The same bands as the figure in the headline counts, so that the list and the figure agree.
    risky = CustomerFilter(bands=(2, 3))
    page = lists.page(session, person, risky, lists.DEFAULT_ORDER, PageRequest(limit=SHOWN_PEOPLE))
    people = tuple(home_view.person_card(item) for item in page.items)
    features = dashboard.features(session)
    return replace(
        view,
        people=people,
        people_note=f"{len(people)} of {page.total:,}, highest risk first"
        if page.total and page.total > len(people)
        else "highest risk first",
        chart=home_view.chart(dashboard.distribution(session)),
        drivers=home_view.drivers(features),
        drivers_note=f"share of what moves the scores, version {features['model_version']}",
    )


def _refusal(session: Session) -> str:
    """Return what was said of the last training when it was refused, with the model in service if there is one; else nothing."""
    told = model_card.status(session)
    last = told["last_training"]
    return str(told["message"]) if isinstance(last, dict) and not last["servable"] else ""


def _warnings(last: JobView | None, refused: str) -> tuple[str, ...]:
    found = [refused] if refused else []
    if last is not None and last.state == "failed":
        found.append(f"{last.name} failed: {last.message or 'the log of the server says why.'}")
    return tuple(found)


@blueprint.post("/train")
@requires_page(Permission.MODEL_TRAIN)
def train() -> BaseResponse:
    """Queue a training with the defaults."""
    return _start(
        "Training is queued; the figures change when it ends.",
        lambda session, actor: training.request(session, actor, {}),
    )


@blueprint.post("/score")
@requires_page(Permission.PREDICTIONS_WRITE)
def score() -> BaseResponse:
    """Queue the scoring of all customers."""
    return _start("Scoring is queued; the figures change when it ends.", predictions.generate)


def _start(done: str, work: Callable[[Session, Actor], JobRun]) -> BaseResponse:
    actor = signed_in_actor()
    try:
        with unit_of_work() as session:
            work(session, actor)
    except (Conflict, NotReady) as refusal:
        flash(refusal.message, "bad")
    else:
        flash(done, "good")
    return go("/")
