"""The page of recency, frequency and money, with the moves between its groups, and its figures as files."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.security.permissions import Permission
from retainstream.services.rfm import present, reading
from retainstream.web import analyses, csv_files, frame, rfm_view
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_rfm", __name__)
_GROUPS = ("group", "meaning", "customers", "money", "currency", "mean_churn_probability", "scored")


@blueprint.get("/segments/rfm")
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """Show the map, the groups, and the moves between the days that the address asks for; without any scores, why there are none."""
    before, after = _asked()
    with read_unit() as session:
        try:
            found, days = reading.standing(session), reading.days(session, box_settings())
        except NotReady as why:
            nothing = analyses.not_yet(session, signed_in_actor(), why.message, rfm_view.PAGE)
            return frame.page(session, "segments/rfm.html", here="segments", view=None, nothing=nothing)
        problems: list[str] = []
        moves = None
        try:
            moves = reading.migration(session, box_settings(), before, after)
        except NotReady:
            pass
        except InvalidInput as wrong:
            problems = [wrong.message]
        view = rfm_view.view(found, days, moves)
        status = 422 if problems else 200
        return frame.page(
            session, "segments/rfm.html", here="segments", status=status, view=view, problems=problems,
            chosen=_chosen(moves, before, after),
        )  # fmt: skip


@blueprint.get("/segments/rfm.csv")
@requires_page(Permission.CUSTOMERS_READ)
def groups() -> BaseResponse:
    """Send the named groups."""
    with read_unit() as session:
        found = reading.standing(session)
    lines = [
        (
            one.name,
            one.meaning,
            one.n,
            None if found.currency is None or one.money_minor is None else to_major(one.money_minor, found.currency),
            found.currency,
            one.probability,
            one.scored,
        )
        for one in found.groups
    ]
    return csv_files.download(f"rfm-groups-{clock.from_us(found.as_of):%Y-%m-%d}.csv", [_GROUPS, *lines])


@blueprint.get("/segments/rfm/map.csv")
@requires_page(Permission.CUSTOMERS_READ)
def as_map() -> BaseResponse:
    """Send the map: customers by their scores of recency and frequency."""
    with read_unit() as session:
        found = reading.standing(session)
    lines = [(r, f, n) for r, row in enumerate(found.grid, 1) for f, n in enumerate(row, 1)]
    name = f"rfm-map-{clock.from_us(found.as_of):%Y-%m-%d}.csv"
    return csv_files.download(name, [("recency", "frequency", "customers"), *lines])


@blueprint.get("/segments/rfm/migration.csv")
@requires_page(Permission.CUSTOMERS_READ)
def migration() -> BaseResponse:
    """Send who moved from group to group, a pair a line."""
    with read_unit() as session:
        found = reading.migration(session, box_settings(), *_asked())
    told = present.migration(found)
    moves = told["moves"]
    assert isinstance(moves, list)
    lines = [(found.before.name, found.after.name, one["before"], one["after"], one["n"]) for one in moves]
    name = f"rfm-moves-{found.before.name}-{found.after.name}.csv"
    return csv_files.download(name, [("from", "to", "before", "after", "customers"), *lines])


def _asked() -> tuple[str | None, str | None]:
    return request.args.get("from") or None, request.args.get("to") or None


def _chosen(moves: reading.Moves | None, before: str | None, after: str | None) -> tuple[str, str]:
    if moves is not None:
        return moves.before.name, moves.after.name
    return before or "", after or ""
