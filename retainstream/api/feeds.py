"""Routes of feeds and of findings about the data."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.feeds import (
    FeedChangeSchema,
    FeedListSchema,
    FeedSchema,
    FindingChangeSchema,
    FindingListSchema,
    FindingQuerySchema,
    FindingSchema,
)
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services import feeds, findings, muting

blueprint = ApiBlueprint("feeds", "/feeds", "Sources of events and subscriptions, and whether they are alive")
findings_blueprint = ApiBlueprint("findings", "/findings", "What is wrong with the data")
_NO_FEED = "There is no such feed."


@blueprint.route("", methods=["GET"])
@requires(Permission.EVENTS_READ)
@blueprint.response(200, FeedListSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_feeds() -> Response:
    """List all feeds with their heartbeat, and since when a silent one is silent."""
    with read_unit() as session:
        items = feeds.listed(session)
    return with_etag({"items": items})


@blueprint.route("/<name>/heartbeat", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@blueprint.response(200, FeedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_FEED)
def heartbeat(name: str) -> Response:
    """Say that a feed is alive though it has nothing to send."""
    with unit_of_work() as session:
        found = feeds.heartbeat(session, actor(), name)
    return json_response(found)


@blueprint.route("/<name>", methods=["PATCH"])
@requires(Permission.EVENTS_WRITE)
@blueprint.arguments(FeedChangeSchema)
@blueprint.response(200, FeedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_FEED)
def change(sent: dict[str, Any], name: str) -> Response:
    """Say how long a feed may pause, or that its silence does not count."""
    with unit_of_work() as session:
        found = feeds.change(session, actor(), name, sent)
    return json_response(found)


@findings_blueprint.route("", methods=["GET"])
@requires(Permission.EVENTS_READ)
@findings_blueprint.arguments(FindingQuerySchema, location="query")
@findings_blueprint.response(200, FindingListSchema)
@findings_blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_findings(query: dict[str, Any]) -> Response:
    """List what is wrong with the data, gravest first: what is open or muted; or newest first, what no longer holds or all that ever was."""
    with read_unit() as session:
        page = findings.listed(session, page_request(query), state=query["state"], severity=query["severity"])
    return with_etag(page.to_dict())


@findings_blueprint.route("/<finding_id>", methods=["PATCH"])
@requires(Permission.EVENTS_WRITE)
@findings_blueprint.arguments(FindingChangeSchema)
@findings_blueprint.response(200, FindingSchema)
@findings_blueprint.alt_response(404, schema=ErrorSchema, description="There is no such finding.")
@findings_blueprint.alt_response(409, schema=ErrorSchema, description="What it says no longer holds.")
def mute_finding(sent: dict[str, Any], finding_id: str) -> Response:
    """Mute a finding that somebody knows of, or let it count again. The finding of a silent feed mutes the feed: training no longer waits for it."""
    with unit_of_work() as session:
        found = muting.mute(session, actor(), path_id(finding_id, "finding"), sent["muted"])
    return json_response(found)
