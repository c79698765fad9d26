"""Recommendations for one customer, and the figures of the whole base: cross-sell, where the risk lies, and the overview."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, requires, with_etag
from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.schemas.recommendations import (
    ChurnRiskSchema,
    CrossSellQuerySchema,
    CrossSellSchema,
    OverviewSchema,
    RecommendationsSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services import overview as whole
from retainstream.services.recommendations import advice, cross_sell

blueprint = ApiBlueprint("recommendations", "/recommendations", "What could be done next for a customer")
analytics_blueprint = ApiBlueprint("analytics", "/analytics", "Figures of the whole base in one answer")
_UNCHANGED = "Nothing changed since the ETag that was sent."


@blueprint.route("/<path:user_id>", methods=["GET"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.response(200, RecommendationsSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer.")
def recommendations(user_id: str) -> Response:
    """A play that fits the reasons, whether an offer is in order, and what else is bought; each with its evidence, none a causal figure."""
    with read_unit() as session:
        return with_etag(advice.of_customer(session, actor(), box_settings(), user_id).to_dict())


@analytics_blueprint.route("/cross-sell", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@analytics_blueprint.arguments(CrossSellQuerySchema, location="query")
@analytics_blueprint.response(200, CrossSellSchema)
@analytics_blueprint.alt_response(304, description=_UNCHANGED)
def bought_together(query: dict[str, Any]) -> Response:
    """Products that the same customers buy surely more often than others do, the highest lift first."""
    with read_unit() as session:
        return with_etag(cross_sell.listing(session, box_settings(), query["limit"]))


@analytics_blueprint.route("/churn-risk", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@analytics_blueprint.response(200, ChurnRiskSchema)
@analytics_blueprint.alt_response(304, description=_UNCHANGED)
def churn_risk() -> Response:
    """How many are expected to leave, what they pay, and how the scores fall into bands."""
    with read_unit() as session:
        return with_etag(whole.churn_risk(session, box_settings()))


@analytics_blueprint.route("/overview", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@analytics_blueprint.response(200, OverviewSchema)
@analytics_blueprint.alt_response(304, description=_UNCHANGED)
def overview() -> Response:
    """What the home page shows of the whole base, in one answer."""
    with read_unit() as session:
        return with_etag(whole.read(session, box_settings()))
