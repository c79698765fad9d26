"""The pages of segments: the list, one segment with who came and went, and the files of both. Building a rule is `segments_builder`."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.security.permissions import Permission
from retainstream.services import dashboard
from retainstream.services.desk import assigning, people
from retainstream.services.segments import membership, saved, standing, usage
from retainstream.services.segments.fields import catalogue
from retainstream.services.segments.standing import Standing
from retainstream.web import csv_files, frame, segments_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_segments", __name__)
PAGE = "/segments"
_LIST_HEADER = (
    "segment",
    "customers",
    "change",
    "active",
    "monthly_revenue",
    "revenue_at_risk",
    "currency",
    "expected_churners",
    "mean_probability",
    "problem",
)
_HISTORY_HEADER = ("looked_at", "customers", "entered", "left", "rule_revision")


@blueprint.get(PAGE)
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """List the segments, each as it stands."""
    person = signed_in_actor()
    with read_unit() as session:
        money = currency(session)
        found = segments_view.rows(standing.every(session), catalogue(session), money)
        return frame.page(
            session,
            "segments/segments.html",
            here="segments",
            rows=found,
            may_write=person.may(Permission.SEGMENTS_WRITE),
        )


@blueprint.get(f"{PAGE}.csv")
@requires_page(Permission.CUSTOMERS_READ)
def as_csv() -> BaseResponse:
    """Send the list as a file, unrounded."""
    with read_unit() as session:
        money = currency(session)
        lines = [_line(one, money) for one in standing.every(session)]
    return csv_files.download(f"segments-{clock.now():%Y-%m-%d}.csv", [_LIST_HEADER, *lines])


def _line(one: Standing, money: str) -> tuple[object, ...]:
    look = one.look
    if look is None:
        return (one.segment.name, *(None,) * 8, one.problem)
    of = look.currency or money
    amounts = [None if minor is None else to_major(minor, of) for minor in (look.revenue_minor, look.at_risk_minor)]
    return (one.segment.name, look.n, one.change, look.active, *amounts, of, look.expected, look.mean, None)


@blueprint.get(f"{PAGE}/<int:segment_id>")
@requires_page(Permission.CUSTOMERS_READ)
def one(segment_id: int) -> BaseResponse:
    """Show one segment: its figures, its size over time, and who entered and left."""
    person = signed_in_actor()
    with read_unit() as session:
        found = standing.one(session, segment_id)
        moves = membership.moves(session, segment_id)
        view = segments_view.page(found, moves, catalogue(session), currency(session))
        return frame.page(
            session,
            "segments/segment.html",
            here="segments",
            view=view,
            used_by=usage.in_words(usage.of_segment(session, person, segment_id)),
            may_write=person.may(Permission.SEGMENTS_WRITE),
            team=people.assignable(session) if person.may(Permission.TASKS_WRITE) else (),
            me=person.user_id,
            most=assigning.MOST,
        )


@blueprint.get(f"{PAGE}/<int:segment_id>/history.csv")
@requires_page(Permission.CUSTOMERS_READ)
def history(segment_id: int) -> BaseResponse:
    """Send the looks at a segment as a file."""
    with read_unit() as session:
        saved.read(session, segment_id)
        sizes = membership.history(session, segment_id)
    lines = [(clock.iso(size.as_of), size.n, size.entered, size.left, size.revision) for size in sizes]
    return csv_files.download(f"segment-{segment_id}-history.csv", [_HISTORY_HEADER, *lines])


@blueprint.post(f"{PAGE}/<int:segment_id>/delete")
@requires_page(Permission.SEGMENTS_WRITE)
def delete(segment_id: int) -> BaseResponse:
    """Delete a segment; the customers stay. Back to it, with who they are, when others build on it."""
    try:
        with unit_of_work() as session:
            name = saved.delete(session, signed_in_actor(), segment_id)
    except Conflict as used:
        flash(used.message, "bad")
        return go(f"{PAGE}/{segment_id}")
    flash(f"Deleted the segment “{name}”.", "good")
    return go(PAGE)


@blueprint.post(f"{PAGE}/look")
@requires_page(Permission.SEGMENTS_WRITE)
def look() -> BaseResponse:
    """Have somebody look now at who is in each segment."""
    with unit_of_work() as session:
        saved.ask_for_look(session, signed_in_actor())
    flash("Looking at who is in each segment now.", "good")
    back = request.form.get("back", "")
    return go(f"{PAGE}/{back}" if back.isascii() and back.isdigit() else PAGE)


def currency(session: Session) -> str:
    """Return the currency of most customers, in which amounts are typed and said."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    monthly = dashboard.metrics(session, settings)["monthly_revenue"]
    return str(monthly["currency"]) if isinstance(monthly, dict) else settings.currency
