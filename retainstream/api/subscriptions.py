"""Routes of statements about subscriptions: taking them in, and the list."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, json_response, requires
from retainstream.api.intake import batches, take_in
from retainstream.db import read_unit
from retainstream.schemas.events import (
    SUBSCRIPTION,
    SubscriptionListSchema,
    SubscriptionQuerySchema,
)
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services.events import accept, listing
from retainstream.services.events.items import Reading

blueprint = ApiBlueprint("subscriptions", "/subscriptions", "Paid periods: what was said of them, and when")


@blueprint.route("", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@batches(blueprint, "subscriptions", SUBSCRIPTION, "What became of each statement; bad ones do not stop good ones.")
def add_subscriptions() -> Response:
    """Take in 1 to 10,000 statements about subscriptions. A change is a new statement under the same key; one that says nothing new is a duplicate.

    A changed plan or price holds from when the statement became known. One with the `received_at` of an earlier statement corrects it: the earlier one never held.
    """
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
