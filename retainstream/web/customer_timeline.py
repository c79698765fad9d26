"""A customer's past on pages of its own: narrowed to a source or to a day, older parts as they are asked for, and what moved one score."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import score_moves, timeline, timeline_days
from retainstream.services.customers import record
from retainstream.web import customer_timeline_view, frame
from retainstream.web.browser_session import go
from retainstream.web.customer_history_view import main_reasons
from retainstream.web.customer_timeline_view import SOURCES, Addresses, Chip
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.template_tools import day as day_words
from retainstream.web.template_tools import local_date

blueprint = Blueprint("web_customer_timeline", __name__)
_BOX = "timeline-box"
_REASONS = 3


def addresses(user_id: str) -> Addresses:
    """Return where the parts of a customer's timeline lead."""
    return Addresses(
        day=lambda start: url_for("web_customer_timeline.show", user_id=user_id, day=local_date(clock.iso(start))),
        move=lambda run: url_for("web_customer_timeline.move", user_id=user_id, run=run),
    )


def chips(person: Actor, user_id: str, chosen: str) -> tuple[Chip, ...]:
    """Return what the timeline can be narrowed to, with everything first; a source that the person may not see is not there."""
    every = Chip("Everything", url_for("web_customer_timeline.show", user_id=user_id), not chosen)
    seen = timeline.allowed(person)
    return (
        every,
        *(
            Chip(words, url_for("web_customer_timeline.show", user_id=user_id, source=source), source == chosen)
            for source, words in SOURCES.items()
            if source in seen
        ),
    )


@blueprint.get("/customer/timeline/<path:user_id>")
@requires_page(Permission.CUSTOMERS_READ)
def show(user_id: str) -> BaseResponse:
    """Show a part of the past: for HTMX the days alone, or with the chips above them when they were pressed."""
    person, source = signed_in_actor(), request.args.get("source", "")
    with read_unit() as session:
        record.require(session, user_id)
        content = {
            **_part(session, person, user_id, source),
            "sources": chips(person, user_id, source),
            "source": source,
            "user_id": user_id,
        }
        if frame.wants_fragment():
            boxed = request.headers.get("HX-Target") == _BOX
            name = "customer/_timeline_box.html" if boxed else "customer/_timeline.html"
            return current_app.make_response(render_template(name, **content))
        return frame.page(session, "customer/timeline.html", here="customers", **content)


def _part(session: Session, person: Actor, user_id: str, source: str) -> dict[str, Any]:
    """Return the days of a page: whole ones, or the events of a single day one by one."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    cursor, date = request.args.get("cursor"), request.args.get("day")
    sources = (source,) if source else ()
    if date is None:
        found = timeline_days.read(session, person, user_id, settings.time_zone, cursor=cursor, sources=sources)
        customer, _ = record.require(session, user_id)
        history: Any = score_moves.history(session, settings, customer.id, moves=0)["items"]
        days = customer_timeline_view.by_day(found.days, history, addresses(user_id))
        return {"days": days, "cursor": found.next_cursor, "day": "", "date": ""}
    try:
        within = timeline_days.bounds_of(date, settings.time_zone)
    except (ValueError, OverflowError) as bad:
        raise InvalidInput("There is no such day.", fields={"day": ["a day such as 2026-03-31"]}) from bad
    page = timeline.read(session, person, user_id, cursor=cursor, limit=100, sources=("event",), within=within)
    days = customer_timeline_view.days(page.entries, [])
    return {"days": days, "cursor": page.next_cursor, "day": date, "date": day_words(clock.iso(within[0]))}


@blueprint.get("/customer/move/<path:user_id>")
@requires_page(Permission.PREDICTIONS_READ)
def move(user_id: str) -> BaseResponse:
    """Tell what moved the score of one run, as a part of the timeline; without a script the page of all moves answers."""
    if not frame.wants_fragment():
        return go(url_for("web_customer.moves", user_id=user_id))
    settings: Settings = current_app.config["RETAINSTREAM"]
    run = request.args.get("run", "")
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        known = run.isascii() and run.isdigit() and len(run) < 19
        told: Any = score_moves.move_to(session, settings, found.id, int(run)) if known else None
    reasons = () if told is None else main_reasons(told, _REASONS)
    return current_app.make_response(render_template("customer/_move_reasons.html", reasons=reasons))
