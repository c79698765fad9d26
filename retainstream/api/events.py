"""Routes of events: taking them in, and the list. Files of events are loaded elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, json_response, requires
from retainstream.api.intake import batches, take_in
from retainstream.db import read_unit
from retainstream.schemas.events import EVENT, EventListSchema, EventQuerySchema
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services.events import accept, listing
from retainstream.services.events.items import Reading

blueprint = ApiBlueprint("events", "/events", "What customers did, and what happened to them")


@blueprint.route("", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@batches(blueprint, "events", EVENT, "What became of each event; bad ones do not stop good ones.")
def add_events() -> Response:
    """Take in 1 to 10,000 events, each once."""
    return take_in("events", Reading.events, accept.events)


@blueprint.route("", methods=["GET"])
@requires(Permission.EVENTS_READ)
@blueprint.arguments(EventQuerySchema, location="query")
@blueprint.response(200, EventListSchema)
def list_events(query: dict[str, Any]) -> Response:
    """List events, those that arrived last first."""
    wanted = listing.Wanted(
        user_id=query["user_id"],
        kind=query["kind"],
        source=query["source"],
        since=query["since"],
        until=query["until"],
    )
    with read_unit() as session:
        return json_response(listing.events(session, wanted, page_request(query)))
