"""Saved views of the list of customers. Under /customers, whose lists they are."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.customer_views import ViewDeletedSchema, ViewInputSchema, ViewListSchema, ViewSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services.customers import asked, views

blueprint = ApiBlueprint("customer_views", "/customers/views", "Saved views of the list of customers")


@blueprint.route("", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, ViewListSchema)
def list_views(query: dict[str, Any]) -> Response:
    """List your own views and those that others share, newest first."""
    with read_unit() as session:
        return with_etag(views.seen_by(session, actor(), page_request(query)).to_dict())


@blueprint.route("", methods=["POST"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(ViewInputSchema)
@blueprint.response(201, ViewSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="You keep as many views as anybody may.")
def save(sent: dict[str, Any]) -> Response:
    """Keep a list under a name; your own view of that name is replaced."""
    query = asked.checked_query(sent["parameters"])
    with unit_of_work() as session:
        return json_response(views.save(session, actor(), sent["name"], query, shared=sent["shared"]), 201)


@blueprint.route("/<string:view_id>", methods=["DELETE"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, ViewDeletedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="You see no such view.")
def delete(view_id: str) -> Response:
    """Delete a view of your own; an administrator may delete shared ones of others."""
    with unit_of_work() as session:
        return json_response({"deleted": True, "name": views.delete(session, actor(), path_id(view_id, "view"))})
