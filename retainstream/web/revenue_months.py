"""The page of months of the books, and the act of closing one."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.security.permissions import Permission
from retainstream.services.revenue import bridge, calendar, months
from retainstream.services.revenue.months import MonthView
from retainstream.web import analyses, csv_files, frame, revenue_months_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.revenue_words import major

blueprint = Blueprint("web_revenue_months", __name__)
_FILE = (
    "month",
    "currency",
    "figure",
    "as_closed",
    "corrected",
    "closed_at",
    "closed_by",
    "found_at",
    "before",
    "after",
    "reason",
)


@blueprint.get("/revenue/months")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the months, the newest first."""
    person = signed_in_actor()
    with read_unit() as session:
        try:
            book = bridge.read(session, box_settings())
        except NotReady as why:
            nothing = (
                None
                if not bridge.history(session)
                else analyses.not_yet(session, person, why.message, "/revenue/months")
            )
            words = bridge.WHY_NOT[bridge.SNAPSHOT] if nothing is None else ""
            view = revenue_months_view.MonthsView("No months to close yet", "", words, None, may_close=False, lines=())
            return frame.page(session, "revenue/months.html", here="revenue", view=view, nothing=nothing)
        done = months.closed(session, book.currency)
        following = None if book.bridge is None else months.next_to_close(book, done)
        view = revenue_months_view.view(book, done, following, may_close=person.may(Permission.MONTHS_CLOSE))
        return frame.page(session, "revenue/months.html", here="revenue", view=view, nothing=None)


@blueprint.post("/revenue/months/<string:month>/close")
@requires_page(Permission.MONTHS_CLOSE)
def close(month: str) -> BaseResponse:
    """Close a month for good, and go back to the list."""
    try:
        period = calendar.period(month)
        with unit_of_work() as session:
            months.close(session, signed_in_actor(), box_settings(), period)
    except (Conflict, InvalidInput, NotFound, NotReady) as refusal:
        flash(refusal.message, "bad")
    else:
        flash(
            f"{calendar.name(period)} is closed. What later data change will stand beside it as a correction.", "good"
        )
    return go("/revenue/months")


@blueprint.get("/revenue/months.csv")
@requires_page(Permission.DASHBOARD_READ)
def as_file() -> BaseResponse:
    """Send every figure of the closed months as closed and as corrected, and after them a line for each correction."""
    with read_unit() as session:
        done = months.closed(session, bridge.read(session, box_settings()).currency)
    lines: list[tuple[object, ...]] = []
    for one in reversed(done):
        closed = (clock.iso(one.closed_at), one.closed_by)
        for figure, value in one.as_closed.items():
            name, unit = _named(one, figure)
            lines.append((*name, *map(unit, (value, one.now[figure])), *closed, None, None, None, None))
        for found in one.corrections:
            for figure, before, after in found.changes:
                name, unit = _named(one, figure)
                when = clock.iso(found.found_at)
                lines.append((*name, *[None] * 4, when, *map(unit, (before, after)), found.reason))
    return csv_files.download("revenue-months.csv", [_FILE, *lines])


def _named(month: MonthView, figure: str) -> tuple[tuple[str, str | None, str], Callable[[int], object]]:
    """Return how a line of the file begins, and what its numbers become: amounts in the main unit, counts without a currency."""
    if figure not in bridge.FIGURES:
        return (calendar.code(month.period), None, figure), lambda count: count
    return (calendar.code(month.period), month.currency, figure), lambda minor: major(minor, month.currency)
