"""The figures behind the home page's charts as CSV; the page itself is `home`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, trend
from retainstream.web import csv_files
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_home_files", __name__)
_TREND = (
    "as_of",
    "model_version",
    "scored",
    "predicted_churners",
    "expected_churners",
    "expected_share",
    "left_share",
    "auc",
    "revenue_at_risk",
    "currency",
)


@blueprint.get("/home/distribution.csv")
@requires_page(Permission.DASHBOARD_READ)
def distribution() -> Response:
    """Send how the scores spread: customers in each bin, which holds its lower edge and, the last apart, not its upper one."""
    with read_unit() as session:
        found: Any = dashboard.distribution(session)
    rows = [(found["measure"], one["low"], one["high"], one["count"]) for one in found["bins"]]
    return csv_files.download("distribution.csv", [("measure", "from", "to", "customers"), *rows])


@blueprint.get("/home/trend.csv")
@requires_page(Permission.DASHBOARD_READ)
def over_time() -> Response:
    """Send what each scoring expected and what came of it, the oldest first: the trend, and the lines beneath the key figures."""
    currency = box_settings().currency
    with read_unit() as session:
        past = trend.moments(session)
    rows = [
        (
            clock.iso(one.as_of),
            one.version_id,
            one.scored,
            one.predicted,
            one.expected,
            one.expected_share,
            one.left_share,
            one.auc,
            None if one.revenue_at_risk_minor is None else to_major(one.revenue_at_risk_minor, currency),
            currency,
        )
        for one in past
    ]
    return csv_files.download("trend.csv", [_TREND, *rows])


@blueprint.get("/home/drivers.csv")
@requires_page(Permission.DASHBOARD_READ)
def drivers() -> Response:
    """Send what the model in service looks at, the strongest first."""
    with read_unit() as session:
        found: Any = dashboard.features(session)
    return csv_files.download(
        "drivers.csv", csv_files.table(found["items"], ("rank", "feature", "title", "share", "shap_value"))
    )
