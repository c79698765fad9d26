"""Routes of recurring revenue: the bridge, the trends, and the months of the books."""

from __future__ import annotations

from flask import Response

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    requires,
    with_etag,
)
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.revenue import (
    BridgeSchema,
    ClosedMonthSchema,
    CorrectionsSchema,
    MonthsSchema,
    TrendsOfRevenueSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.revenue import bridge, calendar, months, trends

blueprint = ApiBlueprint("revenue", "/revenue", "Recurring revenue: the bridge and the months of the books")
trends_blueprint = ApiBlueprint("revenue_trends", "/analytics", "Recurring revenue over time")
_UNCHANGED = "Nothing changed since the ETag that was sent."
_NOT_YET = "The customer base has not been looked at over time yet."


@blueprint.route("/bridge")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, BridgeSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def read_bridge() -> Response:
    """The bridge by calendar month: opening, new, reactivation, expansion, contraction, churn, closing, and retention.

    The customers of each figure are at /customers?cell=revenue:<month>.<figure>&status=all.
    """
    with read_unit() as session:
        return with_etag(bridge.answer(bridge.read(session, box_settings())))


@trends_blueprint.route("/revenue-trends")
@requires(Permission.DASHBOARD_READ)
@trends_blueprint.response(200, TrendsOfRevenueSchema)
@trends_blueprint.alt_response(304, description=_UNCHANGED)
@trends_blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def read_trends() -> Response:
    """Revenue, paying customers and revenue per customer by month and plan, and what is at risk by band and plan today."""
    with read_unit() as session:
        return with_etag(trends.answer(session, box_settings()))


@blueprint.route("/months")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, MonthsSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def list_months() -> Response:
    """The closed months with their figures as closed and as corrected since, newest first."""
    with read_unit() as session:
        book = bridge.read(session, box_settings())
        done = months.closed(session, book.currency)
        following = months.next_to_close(book, done)
    return with_etag(
        {
            "next_to_close": None if following is None else calendar.code(following),
            "items": [month.to_dict() for month in done],
        }
    )


@blueprint.route("/months/<string:month>/close", methods=["POST"])
@requires(Permission.MONTHS_CLOSE)
@blueprint.response(201, ClosedMonthSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="The bridge does not reach this month.")
@blueprint.alt_response(409, schema=ErrorSchema, description="It is closed already, not over yet, or not the next.")
def close(month: str) -> Response:
    """Close a month for good: its figures are kept as they are, and what later data change becomes dated corrections."""
    period = calendar.period(month)
    with unit_of_work() as session:
        made = months.close(session, actor(), box_settings(), period)
    path = f"{API_PREFIX}/revenue/months/{calendar.code(period)}/corrections"
    return json_response(made.to_dict(), 201, {"Location": path})


@blueprint.route("/months/<string:month>/corrections")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, CorrectionsSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description="The month is not closed.")
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def list_corrections(month: str) -> Response:
    """What later data changed in a closed month, with the reason, oldest first."""
    period = calendar.period(month)
    with read_unit() as session:
        found = months.one(session, bridge.read(session, box_settings()).currency, period)
    return with_etag({"month": calendar.code(period), "currency": found.currency, "items": found.corrections_dict()})
