"""What is known about one customer beside the record: the timeline, peers, what-if, and all of it to take away. Under /customers, where the person is."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.customer_insight import (
    PeersSchema,
    PortraitSchema,
    TimelineQuerySchema,
    TimelineSchema,
    WhatIfAnswerSchema,
    WhatIfSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services import explanations, peers, timeline, timeline_scores, what_if
from retainstream.services.customers import portrait, record

blueprint = ApiBlueprint("customer_insight", "/customers", "What is known about one customer")
_NO_CUSTOMER = "There is no such customer."
_NO_SCORE = "There is no such customer, or none with a score."
_NO_MODEL = "The model that made the score cannot be loaded any more."


@blueprint.route("/<path:user_id>/timeline", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(TimelineQuerySchema, location="query")
@blueprint.response(200, TimelineSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def read_timeline(query: dict[str, Any], user_id: str) -> Response:
    """What happened to a customer, newest first: changes and acts; with `events:read` events and subscriptions, with `predictions:read` scores."""
    with read_unit() as session:
        page = timeline.read(
            session, actor(), user_id, cursor=query["cursor"], limit=query["limit"], sources=query["source"]
        )
        entries = timeline_scores.told(session, current_app.config["RETAINSTREAM"], user_id, page.entries)
    items = [{"at": entry.at, "source": entry.source, "facts": entry.facts} for entry in entries]
    return with_etag({"items": items, "next_cursor": page.next_cursor})


@blueprint.route("/<path:user_id>/export", methods=["GET"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.response(200, PortraitSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def export(user_id: str) -> Response:
    """Everything on record about one person, for them to have; written into the audit. Needs `customers:personal` too."""
    with unit_of_work() as session:
        found = portrait.export(session, actor(), user_id)
    return json_response(found, headers={"Cache-Control": "no-store"})


@blueprint.route("/<path:user_id>/peers", methods=["GET"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.response(200, PeersSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCORE)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def read_peers(user_id: str) -> Response:
    """Where each value that the model saw stands among the customers that it learnt from, strongest contribution first."""
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        told: Any = explanations.explanation(session, current_app.config["RETAINSTREAM"], found.id)
        values = {item["feature"]: item["value"] for item in told["contributions"]}
        standings = peers.of(session, told["model_version"], values)
    items = [
        {
            **{name: item[name] for name in ("feature", "title", "value")},
            "below": standings[item["feature"]].below,
            "same": standings[item["feature"]].same,
        }
        for item in told["contributions"]
        if item["feature"] in standings
    ]
    return with_etag({"model_version": told["model_version"], "items": items})


@blueprint.route("/<path:user_id>/what-if", methods=["POST"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.arguments(WhatIfSchema)
@blueprint.response(200, WhatIfAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCORE)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def try_values(sent: dict[str, Any], user_id: str) -> Response:
    """What the score would be with other values of some features, by the model that made the score in force. Nothing is stored."""
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        told: Any = explanations.explanation(session, current_app.config["RETAINSTREAM"], found.id)
        version = told["model_version"]
        values = {item["feature"]: item["value"] for item in told["contributions"]}
        changes = what_if.checked(session, version, sent["changes"])
        outcome = what_if.compare(session, version, found.id, values, changes)
    sides = {"before": outcome.before.to_dict(), "after": outcome.after.to_dict()}
    return json_response({"user_id": user_id, "model_version": version, "changes": changes, **sides})
