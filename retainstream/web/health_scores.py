"""The page of health scores: how customers spread, who falls, whether the score tells who leaves, and the health of the business.

It stands at /health-scores, because /health is what load balancers ask. Schemes are edited by `health_schemes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.security.permissions import Permission
from retainstream.services import revisions
from retainstream.services.analyses import kept
from retainstream.services.health import business, listing, reading, schemes
from retainstream.services.health.listing import Wanted
from retainstream.services.health.schemes import BAND_NAMES
from retainstream.web import analyses, csv_files, frame, health_backtest_view, health_scores_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.health_backtest_view import TestView
from retainstream.web.health_scores_view import BusinessView, ScoresView

blueprint = Blueprint("web_health_scores", __name__)
PAGE = "/health-scores"
TABS = (("scores", "Scores", PAGE), ("schemes", "Schemes", f"{PAGE}/schemes"))
_AUC = ("scheme", "panel", "rival", "auc", "low", "high", "rows", "customers", "left")


@dataclass(frozen=True)
class Page:
    """Everything on the page but its frame; `tests_message` says why nothing could be held against the past."""

    scores: ScoresView
    business: BusinessView | None
    tests: tuple[TestView, ...]
    tests_message: str


_kept: Kept[Page] = Kept(2)


@blueprint.get(PAGE)
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the page."""
    person = signed_in_actor()
    with read_unit() as session:
        nothing, view = None, None
        try:
            view = read(session)
        except NotReady as why:
            nothing = analyses.not_yet(session, person, why.message, PAGE)
        return frame.page(
            session,
            "health/scores.html",
            here="health",
            view=view,
            nothing=nothing,
            tabs=TABS,
            may_write=person.may(Permission.SEGMENTS_WRITE),
            may_export=person.may(Permission.CUSTOMERS_EXPORT),
        )


def read(session: Session) -> Page:
    """Return the page's content, kept until data, scores or schemes change; raises NotReady before there are any scores."""
    counters = revisions.read(session)
    day = clock.now_us() // clock.DAY_US  # dates are written without the year while it is this one
    return _kept.of((kept.state(session), counters["scores"], counters["model"], day), lambda: _read(session))


def _read(session: Session) -> Page:
    found = reading.standing(session)
    used = schemes.active(session)
    ids = [int(found.ids[at]) for at in health_scores_view.fell_most(found)]
    names = listing.identifiers(session, ids)
    told, judged = listing.judged(session)
    return Page(
        scores=health_scores_view.view(found, used, names, reading.past_runs(session)),
        business=_business(session),
        tests=tuple(
            health_backtest_view.view(
                one, told, undo=one.scheme.proposed and schemes.before(session, one.scheme) is not None
            )
            for one in judged
        ),
        tests_message=told.get("message") or "",
    )


def _business(session: Session) -> BusinessView | None:
    settings: Settings = current_app.config["RETAINSTREAM"]
    try:
        return health_scores_view.business_view(business.read(session, settings))
    except NotReady:
        return None


@blueprint.get(f"{PAGE}/scores.csv")
@requires_page(Permission.CUSTOMERS_EXPORT)
def scores_file() -> BaseResponse:
    """Send everybody's score with its parts."""
    with read_unit() as session:
        rows = list(listing.lines(session, Wanted()))
    return csv_files.download("health-scores.csv", rows)


@blueprint.get(f"{PAGE}/bands.csv")
@requires_page(Permission.DASHBOARD_READ)
def bands_file() -> BaseResponse:
    """Send how customers spread over the bands on each date on record."""
    with read_unit() as session:
        runs = reading.past_runs(session)
    lines = [
        (
            clock.iso(run.as_of),
            run.n,
            run.summary.get("mean"),
            *((run.summary.get("bands") or {}).get(name) for name in BAND_NAMES),
            run.summary.get("without"),
        )
        for run in runs
    ]
    return csv_files.download("health-bands.csv", [("as_of", "customers", "mean", *BAND_NAMES, "not_known"), *lines])


@blueprint.get(f"{PAGE}/backtest.csv")
@requires_page(Permission.DASHBOARD_READ)
def backtest_file() -> BaseResponse:
    """Send the figures of the back-test: AUC with its interval by scheme, panel and rival."""
    with read_unit() as session:
        _, judged = listing.judged(session)
    lines: list[tuple[Any, ...]] = []
    for one in judged:
        for panel, found in (("past dates", one.past), ("dates of the model's scores", one.beside_model)):
            for key, _ in health_backtest_view.RIVALS if found and found["message"] is None else ():
                if found and found.get(key):
                    auc = found[key]
                    counts = (found["n"], found["customers"], found["left"])
                    lines.append((one.scheme.name, panel, key, auc["value"], auc["low"], auc["high"], *counts))
    return csv_files.download("health-backtest.csv", [_AUC, *lines])


@blueprint.get(f"{PAGE}/business.csv")
@requires_page(Permission.DASHBOARD_READ)
def business_file() -> BaseResponse:
    """Send the health of the business with its parts."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        found = business.read(session, settings)
    rows = [(part.title, part.weight, part.points, part.contribution, part.formula) for part in found.health.parts]
    total = ("All", sum(part.weight for part in found.health.parts), found.health.score, found.health.score, "")
    return csv_files.download(
        "business-health.csv", [("part", "weight", "points", "contribution", "formula"), *rows, total]
    )


@blueprint.post(f"{PAGE}/schemes/<int:scheme_id>/adopt")
@requires_page(Permission.SEGMENTS_WRITE)
def adopt(scheme_id: int) -> BaseResponse:
    """Put the proposed weights in the place of a scheme's own."""
    try:
        with unit_of_work() as session:
            found = schemes.reweighed(
                session, signed_in_actor(), scheme_id, listing.proposed_weights(session, scheme_id)
            )
            name = found.name
    except (Conflict, InvalidInput, NotFound) as refused:
        flash(refused.message, "bad")
    else:
        flash(f"“{name}” has the proposed weights. The scores are being made anew.", "good")
    return go(PAGE)


@blueprint.post(f"{PAGE}/schemes/<int:scheme_id>/undo")
@requires_page(Permission.SEGMENTS_WRITE)
def undo(scheme_id: int) -> BaseResponse:
    """Put what a scheme had replaced in its place again."""
    try:
        with unit_of_work() as session:
            name = schemes.undone(session, signed_in_actor(), scheme_id).name
    except (Conflict, InvalidInput, NotFound) as refused:
        flash(refused.message, "bad")
    else:
        flash(f"“{name}” is as it was before. The scores are being made anew.", "good")
    back = request.form.get("back", "")
    return go(back if back.startswith(f"{PAGE}/") else PAGE)
