"""The page of cohorts: the grid that the address asks for, and the same as a file."""

from __future__ import annotations

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.security.permissions import Permission
from retainstream.services.cohorts import grids
from retainstream.services.cohorts.grids import Cohorts
from retainstream.web import analyses, cohorts_view, csv_files, frame, segments_tabs
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_cohorts", __name__)
segments_tabs.register(blueprint)
_HEADER = ("cohort", "customers", "period", "age", "retained", "gone", "share", "low", "high", "complete")


@blueprint.get("/segments/cohorts")
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """Show a grid; without one, why there is none."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    grid, unit, cells = _asked()
    with read_unit() as session:
        try:
            view = cohorts_view.view(grids.read(session, settings, grid, unit), cells)
        except NotReady as why:
            back = cohorts_view.address(grid, unit, cells)
            nothing = analyses.not_yet(session, signed_in_actor(), why.message, back)
            choices = cohorts_view.switches(grid, unit, cells) if grid == "activity" else ()
            return frame.page(
                session, "segments/cohorts.html", here="segments", view=None, nothing=nothing, switches=choices
            )
        return frame.page(session, "segments/cohorts.html", here="segments", view=view, switches=view.switches)


@blueprint.get("/segments/cohorts.csv")
@requires_page(Permission.CUSTOMERS_READ)
def as_csv() -> BaseResponse:
    """Send every cell of a grid, one a line, unrounded."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    grid, unit, _ = _asked()
    with read_unit() as session:
        found = grids.read(session, settings, grid, unit)
    name = f"cohorts-{grid}-{unit}-{clock.from_us(found.as_of):%Y-%m-%d}.csv"
    return csv_files.download(name, [_HEADER, *_lines(found)])


def _asked() -> tuple[str, str, str]:
    grid, unit = request.args.get("grid") or "contract", request.args.get("unit") or "month"
    cells = request.args.get("show") or "here"
    for name, value, known in (
        ("grid", grid, grids.GRIDS),
        ("unit", unit, grids.UNITS),
        ("show", cells, tuple(cohorts_view.SHOWS)),
    ):
        if value not in known:
            raise InvalidInput(f"There is no {name} {value[:40]!r}.", fields={name: [f"one of {', '.join(known)}"]})
    return grid, unit, cells


def _lines(found: Cohorts) -> list[tuple[object, ...]]:
    table, unit = found.table, found.unit
    return [
        (
            grids.name_of(int(cohort), unit),
            int(table.sizes[row]),
            grids.name_of(int(cohort) + age, unit),
            age,
            int(table.retained[row, age]),
            int(table.sizes[row] - table.retained[row, age]),
            float(table.share[row, age]),
            float(found.low[row, age]),
            float(found.high[row, age]),
            "yes" if table.mature[row, age] else "no",
        )
        for row, cohort in enumerate(table.cohorts)
        for age in range(table.share.shape[1])
        if table.reached[row, age]
    ]
