"""Routes of plays: named lists of steps, with counts of what followed where they were tried."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    path_id,
    requires,
    with_etag,
)
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.schemas.plays import (
    PlayChangeSchema,
    PlayInputSchema,
    PlayListSchema,
    PlayQuerySchema,
    PlaySchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.desk import play_templates, plays, tried
from retainstream.services.desk.plays import PlayView
from retainstream.services.desk.tried import Tried

blueprint = ApiBlueprint("plays", "/plays", "Plays: what to do for which reason")
_NO_PLAY = "There is no such play."
_UNCHANGED = "Nothing changed since the ETag that was sent."


@blueprint.route("", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.arguments(PlayQuerySchema, location="query")
@blueprint.response(200, PlayListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_plays(query: dict[str, Any]) -> Response:
    """List the plays with how often each was tried and what followed, and templates to begin with."""
    with read_unit() as session:
        found, counts = plays.listed(session, actor(), retired=query["retired"]), tried.of_plays(session, actor())
        templates = [{"key": key, **fields} for key, fields in play_templates.offered(session).items()]
    return with_etag({"items": [_presented(play, counts) for play in found], "templates": templates})


@blueprint.route("", methods=["POST"])
@requires(Permission.PLAYS_WRITE)
@blueprint.arguments(PlayInputSchema)
@blueprint.response(201, PlaySchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="A play has this name.")
def create(sent: dict[str, Any]) -> Response:
    """Add a play."""
    with unit_of_work() as session:
        found = plays.create(session, actor(), sent)
    return json_response(_presented(found, {}), 201, {"Location": f"{API_PREFIX}/plays/{found.id}"})


@blueprint.route("/<string:play_id>", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.response(200, PlaySchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_PLAY)
def read(play_id: str) -> Response:
    """Return one play."""
    with read_unit() as session:
        found = plays.read(session, actor(), path_id(play_id, "play"))
        return with_etag(_presented(found, tried.of_plays(session, actor())))


@blueprint.route("/<string:play_id>", methods=["PATCH"])
@requires(Permission.PLAYS_WRITE)
@blueprint.arguments(PlayChangeSchema)
@blueprint.response(200, PlaySchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_PLAY)
@blueprint.alt_response(409, schema=ErrorSchema, description="Another play has this name.")
def change(sent: dict[str, Any], play_id: str) -> Response:
    """Change a play, retire it or bring it back. Open tasks keep the steps that they were made with."""
    one, retired = path_id(play_id, "play"), sent.pop("retired", None)
    if not sent and retired is None:
        raise InvalidInput("Nothing was named that is to change.", fields={"body": ["at least one field"]})
    with unit_of_work() as session:
        if sent:
            found = plays.change(session, actor(), one, sent)
        if retired is not None:
            found = (plays.retire if retired else plays.restore)(session, actor(), one)
        return json_response(_presented(found, tried.of_plays(session, actor())))


@blueprint.route("/<string:play_id>", methods=["DELETE"])
@requires(Permission.PLAYS_WRITE)
@blueprint.response(200, PlaySchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_PLAY)
def retire(play_id: str) -> Response:
    """Retire a play: it is proposed no longer, and what followed where it was tried stays countable."""
    with unit_of_work() as session:
        found = plays.retire(session, actor(), path_id(play_id, "play"))
        return json_response(_presented(found, tried.of_plays(session, actor())))


def _presented(play: PlayView, counts: dict[int, Tried]) -> dict[str, object]:
    return {**play.to_dict(), "tried": counts.get(play.id, tried.NEVER).to_dict()}
