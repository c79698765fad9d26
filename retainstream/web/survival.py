"""The page of survival: curves by what the address names, their tables and tests, and departures by tenure; each as a file, too."""

from __future__ import annotations

from flask import Blueprint, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.security.permissions import Permission
from retainstream.services.survival import curves, grouping, present
from retainstream.web import analyses, csv_files, frame
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_survival", __name__)


@blueprint.get("/segments/survival")
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """Show the curves; without any, why there are none."""
    from retainstream.web import survival_view

    by = request.args.get("by", grouping.ALL)
    with read_unit() as session:
        choices = grouping.choices(session)
        try:
            found = curves.read(session, box_settings(), by)
            view = survival_view.view(found, curves.tenure(session, box_settings()), choices)
        except NotReady as why:
            nothing = analyses.not_yet(session, signed_in_actor(), why.message, "/segments/survival")
            return frame.page(session, "segments/survival.html", here="segments", view=None, nothing=nothing, by=by)
        return frame.page(session, "segments/survival.html", here="segments", view=view)


@blueprint.get("/segments/survival.csv")
@requires_page(Permission.CUSTOMERS_READ)
def curves_csv() -> BaseResponse:
    """Send every step of every curve, unrounded."""
    with read_unit() as session:
        found = _read(session)
    return csv_files.download(_name("survival", found), [present.STEP_COLUMNS, *present.every_step(found)])


@blueprint.get("/segments/survival-groups.csv")
@requires_page(Permission.CUSTOMERS_READ)
def groups_csv() -> BaseResponse:
    """Send what stands beneath the curves: each group between each two marks."""
    with read_unit() as session:
        found = _read(session)
    rows = [
        (group.label, step.since, step.until, step.at_risk, step.left, step.left_by, step.share, step.low, step.high)
        for group in found.groups
        for step in group.steps
    ]
    header = ("group", "after_months", "until_months", "at_risk", "left", "left_by", "share", "low", "high")
    return csv_files.download(_name("survival-groups", found), [header, *rows])


@blueprint.get("/segments/survival-tests.csv")
@requires_page(Permission.CUSTOMERS_READ)
def tests_csv() -> BaseResponse:
    """Send the log-rank tests: of all groups, then of each two."""
    with read_unit() as session:
        found = _read(session)
    told = ([] if found.log_rank is None else [("all", "", found.log_rank)]) + [
        (found.grouping.labels[int(pair.labels[0])], found.grouping.labels[int(pair.labels[1])], pair)
        for pair in found.pairs
    ]
    rows = [
        (first, second, test.chi2, test.df, test.p, test.p_adjusted, "yes" if test.evidence.enough else "no")
        for first, second, test in told
    ]
    header = ("group", "other_group", "chi2", "df", "p", "p_holm", "enough")
    return csv_files.download(_name("survival-tests", found), [header, *rows])


@blueprint.get("/segments/survival-tenure.csv")
@requires_page(Permission.CUSTOMERS_READ)
def tenure_csv() -> BaseResponse:
    """Send departures by tenure."""
    with read_unit() as session:
        items = present.tenure(curves.read(session, box_settings()), curves.tenure(session, box_settings()))["items"]
    columns = ("after_months", "until_months", "left", "customer_months", "rate", "low", "high")
    return csv_files.download("churn-by-tenure.csv", csv_files.table(items, columns))


def _read(session: Session) -> curves.Survival:
    return curves.read(session, box_settings(), request.args.get("by", grouping.ALL))


def _name(what: str, found: curves.Survival) -> str:
    by = found.grouping.choice.key.replace(".", "-")
    return f"{what}{'-' + by if by else ''}-{clock.from_us(found.lives.as_of):%Y-%m-%d}.csv"
