"""Routes of statements about subscriptions: taking them in, and the list."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, json_response, requires
from retainstream.api.idempotency import idempotent
from retainstream.api.intake import take_in
from retainstream.db import read_unit
from retainstream.schemas.events import (
    SUBSCRIPTION,
    IntakeSchema,
    SubscriptionListSchema,
    SubscriptionQuerySchema,
    batch_body,
)
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services.events import accept, listing
from retainstream.services.events.items import Reading

blueprint = ApiBlueprint("subscriptions", "/subscriptions", "Paid periods: what was said of them, and when")


@blueprint.route("", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@idempotent
@blueprint.doc(requestBody=batch_body("subscriptions", SUBSCRIPTION))
@blueprint.response(200, IntakeSchema, description="What became of each statement; bad ones do not stop good ones.")
@blueprint.alt_response(413, schema=ErrorSchema, description="More than 32 MB, unpacked.")
def add_subscriptions() -> Response:
    """Take in 1 to 10,000 statements about subscriptions. A change is a new statement under the same key; one that says nothing new is a duplicate."""
    return take_in("subscriptions", Reading.subscriptions, accept.subscriptions)


@blueprint.route("", methods=["GET"])
@requires(Permission.EVENTS_READ)
@blueprint.arguments(SubscriptionQuerySchema, location="query")
@blueprint.response(200, SubscriptionListSchema)
def list_subscriptions(query: dict[str, Any]) -> Response:
    """List statements about subscriptions, those that arrived last first."""
    wanted = listing.Wanted(user_id=query["user_id"], source=query["source"], plan=query["plan"])
    with read_unit() as session:
        return json_response(listing.subscriptions(session, wanted, page_request(query)))
