"""The page of one customer: who, the score and why, peers, the past, and what-if. Changes are `customer_acts`.

Sub-pages stand under `/customer/<what>/`, apart from `/customers/<identifier>`, since an identifier may hold slashes and any word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, explanations, exposures, peers, predictions, score_moves, timeline_days
from retainstream.services.customers import record
from retainstream.web import (
    csv_files,
    customer_advice,
    customer_desk,
    customer_health,
    customer_history_view,
    customer_timeline,
    customer_timeline_view,
    customer_undo,
    customer_view,
    customer_what_if,
    customer_worth,
    frame,
)
from retainstream.web.browser_session import go
from retainstream.web.customer_advice import AdviceView
from retainstream.web.customer_desk import Desk
from retainstream.web.customer_health import HealthView
from retainstream.web.customer_history_view import HistoryChart, Move
from retainstream.web.customer_timeline_view import Chip, DayView
from retainstream.web.customer_undo import Undo
from retainstream.web.customer_view import CustomerView, PeerView
from retainstream.web.customer_what_if import WhatIf
from retainstream.web.customer_worth import Worth
from retainstream.web.guards import requires_page, signed_in_actor

if TYPE_CHECKING:
    from retainstream.ml.features import FeatureSpec
    from retainstream.services.peers import Standing

blueprint = Blueprint("web_customer", __name__)
SHOWN_AUDIT = 10


@dataclass(frozen=True)
class May:
    """What the person in front of the page may do about this customer."""

    change: bool
    export: bool
    erase: bool
    score: bool
    events: bool


@dataclass(frozen=True)
class Page:
    """Everything on the page. `audit` is None for those who may not read it."""

    customer: CustomerView
    chart: HistoryChart | None
    moves: tuple[Move, ...]
    more_moves: bool
    days: tuple[DayView, ...]
    cursor: str | None
    sources: tuple[Chip, ...]
    peers: tuple[PeerView, ...]
    what_if: WhatIf | None
    held_out: bool
    desk: Desk | None
    advice: AdviceView | None
    worth: Worth | None
    health: HealthView | None
    audit: tuple[dict[str, Any], ...] | None
    undo: Undo | None
    may: May


@blueprint.get("/customers/<path:user_id>")
@requires_page(Permission.CUSTOMERS_READ)
def show(user_id: str) -> BaseResponse:
    """Show the page."""
    with read_unit() as session:
        view = read(session, signed_in_actor(), user_id)
        return frame.page(session, "customer/customer.html", here="customers", view=view)


def read(session: Session, person: Actor, user_id: str) -> Page:
    """Return the page's content for a person; raises NotFound for an unknown identifier."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    found, _ = record.require(session, user_id)
    told = record.read(session, person, user_id)
    explanation = explained(session, settings, found.id)
    history: Any = score_moves.history(session, settings, found.id, moves=1)["items"]
    before = customer_history_view.before(history, told["as_of"])  # type: ignore[arg-type]
    past = timeline_days.read(session, person, user_id, settings.time_zone)
    return Page(
        customer=customer_view.customer(told, explanation, before, clock.iso(found.churned_at)),
        chart=customer_history_view.chart(history),
        moves=customer_history_view.moves(history),
        more_moves=len(history) > 2,
        days=customer_timeline_view.by_day(past.days, history, customer_timeline.addresses(user_id)),
        cursor=past.next_cursor,
        sources=customer_timeline.chips(person, user_id, ""),
        peers=() if explanation is None else _peers(session, explanation),
        what_if=None if explanation is None else customer_what_if.read(session, found.id, explanation, request.args),
        held_out=exposures.held_out(session, user_id),
        desk=customer_desk.read(session, person, settings, user_id, found.id, told["reasons"]),  # type: ignore[arg-type]
        worth=customer_worth.read(session, found.id),
        health=customer_health.read(session, found.id),
        advice=customer_advice.read(session, person, settings, user_id),
        audit=_audit(session, person, found.id),
        undo=customer_undo.offered(user_id, str(told["updated_at"])),
        may=May(
            change=person.may(Permission.CUSTOMERS_WRITE),
            export=person.may(Permission.CUSTOMERS_EXPORT) and person.may(Permission.CUSTOMERS_PERSONAL),
            erase=person.may(Permission.CUSTOMERS_ERASE),
            score=person.may(Permission.PREDICTIONS_WRITE),
            events=person.may(Permission.EVENTS_READ),
        ),
    )


def explained(session: Session, settings: Settings, customer_id: int) -> dict[str, Any] | None:
    """Return the score in full; None without one, and where the model that made it cannot be loaded any more."""
    try:
        return explanations.explanation(session, settings, customer_id)
    except (NotFound, Conflict):
        return None


def _peers(session: Session, explanation: dict[str, Any]) -> tuple[PeerView, ...]:
    return customer_view.peers(*_against_others(session, explanation))


def _against_others(
    session: Session, explanation: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, FeatureSpec], dict[str, Standing]]:
    """Return every feature's part in a score, what is known of the features, and where the values stand."""
    version = int(explanation["model_version"])
    contributions: list[dict[str, Any]] = explanation["contributions"]
    specs = {spec.name: spec for spec in predictions.vocabulary(session, version).specs}
    return contributions, specs, peers.of(session, version, {item["feature"]: item["value"] for item in contributions})


def _audit(session: Session, person: Actor, customer_id: int) -> tuple[dict[str, Any], ...] | None:
    if not person.may(Permission.AUDIT_READ):
        return None
    page = audit.entries(session, PageRequest(limit=SHOWN_AUDIT), target_kind="customer", target_id=str(customer_id))
    return tuple(page.items)


@blueprint.get("/customer/what-if/<path:user_id>")
@requires_page(Permission.PREDICTIONS_READ)
def what_if(user_id: str) -> BaseResponse:
    """Answer a changed value with the what-if alone, and keep the address true; without a script the page itself answers."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    if not frame.wants_fragment():
        return go(f"{url_for('.show', user_id=user_id)}?{urlencode(list(request.args.items()))}")
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        explanation = explained(session, settings, found.id)
        if explanation is None:
            raise Conflict("This customer has no score that can be tried with other values.")
        view = customer_what_if.read(session, found.id, explanation, request.args)
    response = current_app.make_response(render_template("customer/_what_if.html", what_if=view, user_id=user_id))
    pairs = customer_what_if.query(view)
    address = url_for(".show", user_id=user_id)
    response.headers["HX-Replace-Url"] = f"{address}?{urlencode(pairs)}" if pairs else address
    return response


@blueprint.get("/customer/moves/<path:user_id>")
@requires_page(Permission.PREDICTIONS_READ)
def moves(user_id: str) -> BaseResponse:
    """Show what moved the score, as far back as it can be split; its part alone for HTMX."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        history: Any = score_moves.history(session, settings, found.id)["items"]
        content: dict[str, Any] = {"moves": customer_history_view.moves(history), "more": False, "user_id": user_id}
        if frame.wants_fragment():
            return current_app.make_response(render_template("customer/_moves.html", **content))
        return frame.page(session, "customer/moves.html", here="customers", **content)


@blueprint.get("/customer/scores/<path:user_id>")
@requires_page(Permission.PREDICTIONS_READ)
def scores(user_id: str) -> BaseResponse:
    """Send the scores on record as CSV, newest first."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    names = ("as_of", "scored_at", "margin", "churn_probability", "risk_band", "model_version", "role", "hindsight")
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        history: Any = score_moves.history(session, settings, found.id, moves=0)["items"]
    return csv_files.download("scores.csv", csv_files.table(history, names))


@blueprint.get("/customer/reasons/<path:user_id>")
@requires_page(Permission.PREDICTIONS_READ)
def reasons(user_id: str) -> BaseResponse:
    """Send every feature's part in the score as CSV, the strongest first, with the value and where it stands among other customers."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        explanation = explained(session, settings, found.id)
        if explanation is None:
            raise Conflict("This customer has no score whose reasons are at hand.")
        contributions, specs, standings = _against_others(session, explanation)
    rows: list[tuple[object, ...]] = []
    for item in contributions:
        name = item["feature"]
        place = standings.get(name)
        rows.append((
            name, specs[name].title if name in specs else "", item["value"], item["contribution"],
            place and place.below, place and place.same,
        ))  # fmt: skip
    return csv_files.download(
        "reasons.csv", [("feature", "title", "value", "contribution", "share_below", "share_same"), *rows]
    )
