"""Routes of churn definitions: what "churned" means here, and a proposal from the customers' own histories."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, requires, with_etag
from retainstream.api.idempotency import idempotent
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.churn_definitions import (
    CreateDefinitionSchema,
    DefinitionListSchema,
    DefinitionSchema,
    MadeDefinitionSchema,
    ProposalSchema,
    ProposeSchema,
    WeighedSchema,
    WeighSchema,
)
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import churn_definitions, proposals

blueprint = ApiBlueprint("churn_definitions", "/churn-definitions", "Churn definitions: what “churned” means here")
_UNCHANGED = "Nothing changed since the ETag that was sent."
_NOT_FOUND = "There is no such definition."
_NOT_WHOLE = "The id is not a whole number."
_NO_HISTORY = "There are no events and no subscriptions yet."
_BUSY = "Another proposal is being made; `Retry-After` says when to ask again."


@blueprint.route("", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, DefinitionListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_definitions(query: dict[str, Any]) -> Response:
    """List every version of every definition, newest first, and tell which one is in force."""
    with read_unit() as session:
        return with_etag(churn_definitions.listed(session, page_request(query)).to_dict())


@blueprint.route("/<string:definition_id>", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, DefinitionSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NOT_FOUND)
@blueprint.alt_response(422, schema=ErrorSchema, description=_NOT_WHOLE)
def get_definition(definition_id: str) -> Response:
    """Return one version of one definition."""
    with read_unit() as session:
        found = churn_definitions.get(session, path_id(definition_id, "churn definition"))
        return with_etag(churn_definitions.present(found, churn_definitions.in_force(session)))


@blueprint.route("", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@idempotent
@blueprint.arguments(CreateDefinitionSchema)
@blueprint.response(201, MadeDefinitionSchema)
def create(body: dict[str, Any]) -> Response:
    """Make a definition and put it in force. It is never changed; one with the name of another is its next version.

    Without `settle_days` it waits for as long as news of leaving has taken so far, as a proposal would, and the answer says so.
    """
    measured = "settle_days" not in body
    if measured:
        body["settle_days"] = proposals.settle_days(current_app.config["RETAINSTREAM"], body)
    with unit_of_work() as session:
        made = churn_definitions.create(session, actor(), body, activate=body.pop("activate"))
        item = churn_definitions.present(made, churn_definitions.in_force(session))
    return json_response({**item, "settle_days_measured": measured}, 201)


@blueprint.route("/<string:definition_id>/activate", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@blueprint.response(200, DefinitionSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NOT_FOUND)
@blueprint.alt_response(422, schema=ErrorSchema, description=_NOT_WHOLE)
def activate(definition_id: str) -> Response:
    """Put a definition in force; the next training learns it. The model in service stays until then."""
    with unit_of_work() as session:
        chosen = churn_definitions.activate(session, actor(), path_id(definition_id, "churn definition"))
        item = churn_definitions.present(chosen, churn_definitions.in_force(session))
    return json_response(item)


@blueprint.route("/propose", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@blueprint.arguments(ProposeSchema)
@blueprint.response(200, ProposalSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_HISTORY)
@blueprint.alt_response(503, schema=ErrorSchema, description=_BUSY)
def propose(body: dict[str, Any]) -> Response:
    """Propose a definition from the customers' own histories, with churn per month and what training would have. Nothing is stored."""
    return json_response(proposals.propose(current_app.config["RETAINSTREAM"], body))


@blueprint.route("/preview", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@blueprint.arguments(WeighSchema)
@blueprint.response(200, WeighedSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_HISTORY)
@blueprint.alt_response(503, schema=ErrorSchema, description=_BUSY)
def preview(body: dict[str, Any]) -> Response:
    """Weigh a definition before it is made: what it says, churn per month under it, and what training would have. Nothing is stored."""
    return json_response(proposals.weigh(current_app.config["RETAINSTREAM"], body))
