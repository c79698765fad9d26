"""The route of how scores turned out."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, requires, with_etag
from retainstream.db import read_unit
from retainstream.schemas.paging import page_request
from retainstream.schemas.performance import PerformanceQuerySchema, PerformanceSchema
from retainstream.security.permissions import Permission
from retainstream.services import performance

blueprint = ApiBlueprint("performance", "/predictions", "How scores turned out")


@blueprint.route("/performance", methods=["GET"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.arguments(PerformanceQuerySchema, location="query")
@blueprint.response(200, PerformanceSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_performance(query: dict[str, Any]) -> Response:
    """How past scores turned out: what the model promised beside what happened, or beside an estimate while that is not known."""
    with read_unit() as session:
        return with_etag(
            performance.results(
                session, model_version=query["model_version"], role=query["role"], request=page_request(query)
            )
        )
