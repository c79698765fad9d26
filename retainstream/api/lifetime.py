"""Routes of lifetime value: of single customers, and of everybody together with the check on a period held out."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

from retainstream.api.base import ApiBlueprint, ErrorSchema, json_response, requires, with_etag
from retainstream.db import read_unit
from retainstream.schemas.lifetime import LifetimePredictionsSchema, LifetimeQuerySchema, LifetimeSchema
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services.lifetime import listing, reading

blueprint = ApiBlueprint("clv", "/clv", "What each customer is still worth")
analytics_blueprint = ApiBlueprint("clv_analytics", "/analytics/clv", "What all customers are still worth")
NOT_YET = "Nothing to make it from, or not made yet; the message says which."


@blueprint.route("/predictions")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(LifetimeQuerySchema, location="query")
@blueprint.response(200, LifetimePredictionsSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no customer with this `user_id`.")
@blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def predictions(query: dict[str, Any]) -> Response:
    """List lifetime values with their intervals, the most valuable customers first unless sorted otherwise."""
    wanted = listing.Wanted(query["user_id"], query["plan"], query["segment"], query["sort"])
    with read_unit() as session:
        return json_response(listing.predictions(session, page_request(query), wanted))


@analytics_blueprint.route("")
@requires(Permission.DASHBOARD_READ)
@analytics_blueprint.response(200, LifetimeSchema)
@analytics_blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def summary() -> Response:
    """The total with its interval, tenths of customers, plans, and predicted against actual on the period held out."""
    with read_unit() as session:
        return with_etag(reading.present(reading.standing(session, current_app.config["RETAINSTREAM"])))
