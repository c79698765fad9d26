"""Tags: of one customer, where single ones come and go without a word about the others, and one on many customers at once."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.customer_tags import (
    TaggedSchema,
    TagManySchema,
    TagQuerySchema,
    TagsAddedSchema,
    TagsSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.customers import asked, record, tagging

blueprint = ApiBlueprint("customer_tags", "/customers", "Tags of customers")
_NO_CUSTOMER = "There is no such customer."


@blueprint.route("/tags", methods=["POST"])
@requires(Permission.CUSTOMERS_WRITE)
@blueprint.arguments(TagManySchema)
@blueprint.response(200, TaggedSchema)
def tag_many(sent: dict[str, Any]) -> Response:
    """Put a tag on many customers, or take it away, all in one. Whoever has as many tags as one may have is passed over."""
    caller = actor()
    with unit_of_work() as session:
        if "user_ids" in sent:
            whom: Any = tagging.named(session, sent["user_ids"])
        else:
            query = asked.checked_query(sent["query"])
            whom = asked.read_query(query).filter(session, personal=caller.may(Permission.CUSTOMERS_PERSONAL))
        changed = tagging.tag(session, caller, whom, sent["tag"], add=not sent["remove"])
    return json_response({"changed": changed})


@blueprint.route("/<path:user_id>/tags", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, TagsSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def read(user_id: str) -> Response:
    """Return a customer's tags. To replace all of them: PATCH /customers/{user_id}."""
    with read_unit() as session:
        customer, _ = record.require(session, user_id)
        return with_etag({"user_id": user_id, "tags": customer.tags})


@blueprint.route("/<path:user_id>/tags", methods=["POST"])
@requires(Permission.CUSTOMERS_WRITE)
@blueprint.arguments(TagsAddedSchema)
@blueprint.response(200, TagsSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
@blueprint.alt_response(409, schema=ErrorSchema, description="The customer would have more tags than one may have.")
def add(sent: dict[str, Any], user_id: str) -> Response:
    """Put tags beside those that a customer has; what is there already stays, so that this may be sent twice."""
    with unit_of_work() as session:
        tags = tagging.change(session, actor(), user_id, add=sent["tags"])
    return json_response({"user_id": user_id, "tags": tags})


@blueprint.route("/<path:user_id>/tags", methods=["DELETE"])
@requires(Permission.CUSTOMERS_WRITE)
@blueprint.arguments(TagQuerySchema, location="query")
@blueprint.response(200, TagsSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def remove(query: dict[str, Any], user_id: str) -> Response:
    """Take one tag from a customer; it may be gone already."""
    with unit_of_work() as session:
        tags = tagging.change(session, actor(), user_id, remove=query["tag"])
    return json_response({"user_id": user_id, "tags": tags})
