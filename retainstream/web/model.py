"""The pages that show models: the card of the one in service, versions, two side by side, and promised against realised. Acts are `model_acts`'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput, NotFound
from retainstream.lib.identifiers import row_id
from retainstream.lib.money import exponent
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services import churn_definitions, dashboard, model_card, performance, preferences, registry
from retainstream.web import (
    csv_files,
    frame,
    model_job_view,
    model_performance_view,
    model_reach,
    model_tables,
    model_versions_view,
    model_view,
    next_step,
)
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.model_reach import Asked, Costs, Crowd, Curve, ReachView
from retainstream.web.template_tools import cash

blueprint = Blueprint("web_model", __name__)
HERE = "model"
TABS = (
    ("card", "In service", "/model"),
    ("performance", "Promised and realised", "/model/performance"),
    ("versions", "Versions", "/model/versions"),
    ("replay", "Replay a day", "/model/replay"),
)
PAGE = 25
MOST_RUNS = 200
_NOT_A_LIST = (
    "These are all customers whose outcome is known, those who left among them:"
    " it shows what the ranking is worth, and is no list of whom to call."
)
_ANSWER = "reach-answer"
"""The part of the card that HTMX asks for while the slider moves."""


@dataclass(frozen=True)
class May:
    """What the person may do on these pages."""

    train: bool
    promote: bool
    replay: bool
    cancel: bool
    load: bool


def may() -> May:
    """Return what the signed-in person may do."""
    person = signed_in_actor()
    return May(
        person.may(Permission.MODEL_TRAIN),
        person.may(Permission.MODEL_PROMOTE),
        person.may(Permission.PREDICTIONS_WRITE),
        person.may(Permission.JOBS_CANCEL),
        person.may(Permission.IMPORTS_WRITE),
    )


@blueprint.get("/model")
@requires_page(Permission.MODEL_READ)
def show() -> BaseResponse:
    """Show the card of the version in service, or what is missing for one."""
    with read_unit() as session:
        told = model_card.status(session)
        current: Any = told["champion"]
        if current is None:
            return _nothing(session, told)
        return _card(session, int(current["version"]), address="/model", status=told)


@blueprint.get("/model/versions/<int:version_id>")
@requires_page(Permission.MODEL_READ)
def show_version(version_id: int) -> BaseResponse:
    """Show the card of a version."""
    with read_unit() as session:
        return _card(session, version_id, address=f"/model/versions/{version_id}")


@blueprint.get("/model/versions/<int:version_id>/<table>.csv")
@requires_page(Permission.MODEL_READ)
def table(version_id: int, table: str) -> Response:
    """Return a table of a version's card."""
    if table not in model_tables.TABLES:
        raise NotFound(f"A model has no table {table[:40]!r}.")
    with read_unit() as session:
        rows = list(model_tables.TABLES[table](model_card.card(session, version_id)))
    return csv_files.download(f"model-{version_id}-{table}.csv", rows)


@blueprint.get("/model/versions/<int:version_id>/reach.csv")
@requires_page(Permission.MODEL_READ)
def reach(version_id: int) -> Response:
    """Return what reaching customers finds and brings, at the costs of the address."""
    with read_unit() as session:
        basis = _basis(session, model_card.card(session, version_id))
        if basis is None:
            raise NotFound(f"Version {version_id} has no gain curve.")
        known, crowd, asked = basis
    if asked.problems:
        raise InvalidInput("The costs are not as expected.", fields=asked.problems)
    return csv_files.download(f"model-{version_id}-reach.csv", model_tables.reach(known, crowd, asked.costs))


@blueprint.get("/model/versions")
@requires_page(Permission.MODEL_READ)
def versions() -> BaseResponse:
    """List all trainings, served and refused, newest first."""
    cursor = request.args.get("cursor") or None
    with read_unit() as session:
        page = model_card.versions(session, PageRequest(PAGE, cursor))
        current = registry.champion(session)
        lines = [model_versions_view.line(one) for one in page.items]
        return frame.page(
            session,
            "model/versions.html",
            here=HERE,
            tabs=TABS,
            lines=lines,
            choices=[(line.id, f"Version {line.id}, {line.trained}") for line in lines],
            total=page.total,
            following=f"/model/versions?cursor={page.next_cursor}" if page.next_cursor else "",
            first="/model/versions" if cursor else "",
            may=may(),
            before=None if current is None else registry.previous(session, current),
        )


@blueprint.get("/model/compare")
@requires_page(Permission.MODEL_READ)
def compare() -> BaseResponse:
    """Show two versions side by side."""
    first, second = (_version_asked(name) for name in ("first", "second"))
    with read_unit() as session:
        cards = [model_card.card(session, one) for one in (first, second)]
        return frame.page(
            session, "model/compare.html", here=HERE, tabs=TABS, view=model_versions_view.compare(cards[0], cards[1])
        )


@blueprint.get("/model/performance")
@requires_page(Permission.PREDICTIONS_READ)
def realised() -> BaseResponse:
    """Show what was promised beside what came of it, run by run."""
    cursor = request.args.get("cursor") or None
    with read_unit() as session:
        # Only estimates at hand unless asked for: making one loads a model, and the judge job makes them all in time.
        at_hand = request.args.get("estimate") != "yes"
        told: Any = performance.results(session, request=PageRequest(PAGE, cursor), at_hand=at_hand)
        return frame.page(
            session,
            "model/performance.html",
            here=HERE,
            tabs=TABS,
            view=model_performance_view.view(told),
            following=f"/model/performance?cursor={told['next_cursor']}" if told["next_cursor"] else "",
            first="/model/performance" if cursor else "",
            may=may(),
        )


@blueprint.get("/model/performance.csv")
@requires_page(Permission.PREDICTIONS_READ)
def realised_file() -> Response:
    """Send every run with what was promised and what came of it, the newest first."""
    items: list[Any] = []
    cursor: str | None = None
    with read_unit() as session:
        while True:
            found: Any = performance.results(session, request=PageRequest(MOST_RUNS, cursor), at_hand=True)
            items += found["items"]
            cursor = found["next_cursor"]
            if cursor is None:
                break
    return csv_files.download("promised-and-realised.csv", model_tables.runs(items))


def _version_asked(name: str) -> int:
    found = row_id(request.args.get(name, ""))
    if not found:
        raise InvalidInput("Choose two versions to compare.", fields={name: ["the number of a version"]})
    return found


def _nothing(session: Session, told: dict[str, object]) -> BaseResponse:
    last: Any = told["last_training"]
    refused = last is not None and not last["servable"]
    settings: Settings = current_app.config["RETAINSTREAM"]
    step = next_step.step(next_step.read(session, settings))
    return frame.page(
        session,
        "model/nothing.html",
        here=HERE,
        tabs=TABS,
        message=str(told["message"]),
        refused=model_versions_view.line(last) if refused else None,
        promotable=last is not None and not refused,
        learnable=churn_definitions.in_force(session) is not None,
        customers=bool(dashboard.metrics(session, settings)["total_customers"]),
        step=step,
        may_step=next_step.for_person(step, signed_in_actor()) is not None,
        job=_open_job(told),
        may=may(),
    )


def _card(session: Session, version_id: int, *, address: str, status: dict[str, object] | None = None) -> BaseResponse:
    told: Any = model_card.card(session, version_id)
    reach = _reach(session, told)
    if frame.wants_fragment() and request.headers.get("HX-Target") == _ANSWER:
        return current_app.make_response(render_template("model/_reach_answer.html", reach=reach, card=told))
    definition = churn_definitions.get(session, told["definition_id"])
    view = model_view.card(told, str(churn_definitions.present(definition, None)["sentence"]))
    last: Any = None if status is None else status["last_training"]
    warned = last is not None and not last["servable"] and last["id"] > version_id
    return frame.page(
        session,
        "model/card.html",
        here=HERE,
        status=422 if reach is not None and reach.asked.problems else 200,
        tabs=TABS,
        card=view,
        reach=reach,
        address=address,
        own=status is not None,
        warning=str(status["message"]) if status is not None and warned else "",
        warned_by=int(last["id"]) if warned else None,
        job=None if status is None else _open_job(status),
        may=may(),
    )


def _open_job(told: dict[str, object]) -> model_job_view.JobView | None:
    job: Any = told["job"]
    return model_job_view.job(job) if job is not None and job["kind"] == "train" else None


def _basis(session: Session, told: Any) -> tuple[Curve, Crowd, Asked] | None:
    """Return the version's curve, whom it is applied to, and what the address asks; None where the version has no curve."""
    known = model_reach.curve(told["report"] or {})
    if known is None:
        return None
    settings: Settings = current_app.config["RETAINSTREAM"]
    crowd = _crowd(session, told, settings)
    if crowd.customers < 1:
        return None
    return known, crowd, model_reach.asked(request.args, crowd, _costs(session, settings))


def _reach(session: Session, told: Any) -> ReachView | None:
    """Return the answer to "we can reach N customers"; None where the version has no curve."""
    basis = _basis(session, told)
    if basis is None:
        return None
    settings: Settings = current_app.config["RETAINSTREAM"]
    # What stands before the figures of an amount of nothing.
    symbol = cash({"amount_minor": 0, "currency": settings.currency}).partition("0")[0]
    return model_reach.view(*basis, symbol)


def _costs(session: Session, settings: Settings) -> Costs:
    chosen = preferences.read(session)
    unit = 10 ** exponent(settings.currency)
    incentive = min(chosen.incentive_minor, chosen.contact_cost_minor)
    return Costs(
        acceptance=chosen.acceptance,
        value=max(chosen.value_minor, 1) / unit,
        contact=(chosen.contact_cost_minor - incentive) / unit,
        incentive=incentive / unit,
    )


def _crowd(session: Session, told: Any, settings: Settings) -> Crowd:
    """Return today's customers for the model in service that looks ahead, else the rows that the version was judged on."""
    report = told["report"]
    if told["champion"] and told["kind"] == registry.FORWARD:
        metrics: Any = dashboard.metrics(session, settings)
        scored = int(metrics["scored_customers"] or 0)
        if scored and metrics["model"] and metrics["model"]["version"] == told["id"]:
            expected = metrics["expected_churners"]
            leavers = float(scored * report["base_rate"] if expected is None else expected)
            return Crowd(scored, leavers, "customers scored now", "expected to leave")
    words, note = "leavers", ""
    if told["kind"] == registry.SNAPSHOT:
        words, note = "who left", _NOT_A_LIST
    customers, leavers = int(report.get("n") or 0), float(report.get("n_churned") or 0)
    return Crowd(customers, leavers, "rows that it was judged on", words, note)
