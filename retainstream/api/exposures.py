"""Routes of acts on a customer. Under /customers, where the person is."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.exposures import ExposureInputSchema, ExposureListSchema, ExposureSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import exposures

blueprint = ApiBlueprint("exposures", "/customers", "Acts on customers, and the permanent hold-out")
_NO_CUSTOMER = "There is no such customer."


@blueprint.route("/<path:user_id>/exposures", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, ExposureListSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def list_exposures(query: dict[str, Any], user_id: str) -> Response:
    """List what was done to a customer, and say whether acts must leave the customer alone."""
    with read_unit() as session:
        page, held_out = exposures.of_customer(session, user_id, page_request(query))
    return with_etag({**page.to_dict(), "held_out": held_out})


@blueprint.route("/<path:user_id>/exposures", methods=["POST"])
@requires(Permission.CUSTOMERS_WRITE)
@blueprint.arguments(ExposureInputSchema)
@blueprint.response(201, ExposureSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
@blueprint.alt_response(409, schema=ErrorSchema, description="The customer belongs to the permanent hold-out.")
def record(sent: dict[str, Any], user_id: str) -> Response:
    """Note that something was done to a customer: a call counts. Trainings set treated customers apart."""
    with unit_of_work() as session:
        found = exposures.record(session, actor(), user_id, **sent)
    return json_response(found, 201)
