"""The home page: what the scores say, who needs attention first, and the two buttons that start work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, current_app, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, NotReady
from retainstream.lib import clock
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, demo, model_card, predictions, training, trend
from retainstream.services.customers import groups, lists
from retainstream.services.customers.groups import Groups
from retainstream.services.trend import Moment
from retainstream.web import frame, home_charts, home_view, next_step
from retainstream.web.browser_session import go
from retainstream.web.current_jobs import JobsView, JobView
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.home_view import HomeView, Row
from retainstream.web.template_tools import day

blueprint = Blueprint("web_home", __name__)
SHOWN_IN_ROW, FEW_ROWS = 5, 2


@blueprint.get("/")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the page."""
    person = signed_in_actor()
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        around = frame.around(session, "home")
        view = read(session, settings, person, around.jobs)
        may_demo = view.stage == "empty" and _may_demo(session, person)
        origin = request.host_url.rstrip("/")
        return frame.filled(around, "home/home.html", home=view, may_demo=may_demo, origin=origin)


def _may_demo(session: Session, person: Actor) -> bool:
    """Tell whether a person may ask for the demo: an administrator, while there is nothing of the box's own nor a demo under way."""
    step = demo.next_step(session) if person.may(Permission.SETTINGS_WRITE) else None
    return step is not None and step.name == "begin"


def read(session: Session, settings: Settings, person: Actor, current: JobsView) -> HomeView:
    """Return the page's content for a person; what they may not do, or is being done, has no button."""
    metrics = dashboard.metrics(session, settings)
    refused = _refusal(session)
    stage = home_view.stage_of(metrics)
    title, lead = home_view.headline(metrics, stage, refused)
    past = trend.moments(session) if stage == "scored" else []
    busy = {job.kind for job in current.open}
    view = HomeView(
        stage=stage,
        headline=title,
        lead=lead,
        kpis=home_view.kpis(metrics, refused, past) if stage == "scored" else (),
        stale=bool(metrics["stale"]),
        warnings=_warnings(current.last, refused),
        may_train=stage == "scored" and person.may(Permission.MODEL_TRAIN) and "train" not in busy,
        may_score=stage == "scored" and person.may(Permission.PREDICTIONS_WRITE) and "score" not in busy,
        may_import=person.may(Permission.IMPORTS_WRITE),
    )
    if stage != "scored":
        if stage != "empty":
            view = replace(view, kpis=home_view.known_kpis(metrics, refused))
        return _before_scores(session, settings, person, view, home_view.waited_for(current.open))
    return _with_scores(session, settings, person, view, past, metrics)


def _before_scores(
    session: Session, settings: Settings, person: Actor, view: HomeView, job: JobView | None
) -> HomeView:
    if job is not None:
        title, lead = home_view.WAITED_FOR[job.kind]
        return replace(view, headline=title, lead=lead, work=home_view.work(job))
    step = next_step.step(next_step.read(session, settings))
    return replace(view, step=step, may_step=next_step.for_person(step, person) is not None)


def _with_scores(
    session: Session, settings: Settings, person: Actor, view: HomeView, past: Sequence[Moment], metrics: dict[str, Any]
) -> HomeView:
    found = groups.read(session)
    names = [name for name in groups.TITLES if found.members[name]]
    # Where there is little else to show, as after a first import, more of those who matter most are shown.
    first = 2 * SHOWN_IN_ROW if len(names) <= FEW_ROWS else SHOWN_IN_ROW
    rows = tuple(_row(session, person, found, name, SHOWN_IN_ROW if at else first) for at, name in enumerate(names))
    if rows and rows[0].key == "leaving_soon":
        note = rows[0].note if metrics["monthly_revenue"] else "high risk, the riskiest first"
        rows = (replace(rows[0], title=home_view.worst_title(metrics), note=note), *rows[1:])
    features = dashboard.features(session)
    return replace(
        view,
        business=_business(session, settings),
        rows=rows,
        chart=home_charts.chart(dashboard.distribution(session)),
        trend=home_charts.trend(past),
        drivers=home_view.drivers(features),
        drivers_note=f"share of what moves the scores, version {features['model_version']}",
    )


def _business(session: Session, settings: Settings) -> str:
    """Return the health of the business as a sentence; nothing before the analyses were made."""
    from retainstream.services.health import business
    from retainstream.web.health_scores_view import business_title

    try:
        return business_title(business.read(session, settings))
    except NotReady:
        return ""


def _row(session: Session, person: Actor, found: Groups, name: str, shown: int) -> Row:
    ids = found.members[name][:shown]
    items = lists.present(session, person, ids)
    note = {
        "leaving_soon": "high risk, most expected loss first",
        "risen": f"10 places in a hundred or more since {day(clock.iso(found.compared_with))}",
        "payment_trouble": "a payment failed in the last 30 days and none went through since",
        "new_drifting": "with us for three months or less, at medium risk or more",
        "saved": "said that they stay when a task of this month ended; not a causal figure",
    }[name]
    people = tuple(home_view.person_card(item, _sign(found, name, one)) for item, one in zip(items, ids, strict=True))
    return Row(name, groups.TITLES[name], note, people, len(found.members[name]))


def _sign(found: Groups, name: str, one: int) -> str:
    """Return what brought a customer into a group; nothing where the score alone did."""
    if name == "risen":
        return f"Up {round(100 * found.rises[one])} places in a hundred"
    if name == "saved":
        return f"Said to stay on {day(clock.iso(found.saved[one]))}"
    return f"Payment failed on {day(clock.iso(found.failed[one]))}" if name == "payment_trouble" else ""


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
