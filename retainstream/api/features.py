"""Routes of the feature dictionary, and of one customer's features as of a time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, current_app
from sqlalchemy.orm import Session

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires, with_etag
from retainstream.api.idempotency import idempotent
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec, feature_set_hash
from retainstream.schemas.features import (
    AsOfSchema,
    CustomerFeaturesSchema,
    DeclareSchema,
    FeatureDictionarySchema,
    FeatureSchema,
    WithdrawnSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services import as_of, feature_dictionary
from retainstream.services.customers import record

blueprint = ApiBlueprint("features", "/features", "Features: what a model may learn from, and how each is made")
customer_blueprint = ApiBlueprint("customer_features", "/customers", "Customers with their scores and reasons")


@blueprint.route("", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, FeatureDictionarySchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def features() -> Response:
    """List every feature that this box can make: built in, declared, and attributes of profiles."""
    with read_unit() as session:
        specs = as_of.dictionary(session)
        versions = feature_dictionary.versions(session)
    items = [_present(spec, versions) for spec in specs]
    return with_etag({"items": items, "total": len(items), "hash": feature_set_hash(specs)})


@blueprint.route("", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@idempotent
@blueprint.arguments(DeclareSchema)
@blueprint.response(201, FeatureSchema)
def declare(body: dict[str, Any]) -> Response:
    """Declare a feature of events: kind, aggregate, window, property. One with the name of a declared feature is its next version."""
    with read_unit() as session:
        taken = _built_in(session)
    with unit_of_work() as session:
        row = feature_dictionary.declare(session, actor(), body, taken=taken)
        item = _present(feature_dictionary.spec_of(row), {row.name: row.version})
    return json_response(item, 201)


@blueprint.route("/<string:name>", methods=["DELETE"])
@requires(Permission.MODEL_TRAIN)
@blueprint.response(200, WithdrawnSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="No feature of this name is declared.")
def withdraw(name: str) -> Response:
    """Withdraw a declared feature; models that use it go on, because their feature set is frozen."""
    with unit_of_work() as session:
        feature_dictionary.withdraw(session, actor(), name)
    return json_response({"withdrawn": name})


@customer_blueprint.route("/<path:user_id>/features", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@customer_blueprint.arguments(AsOfSchema, location="query")
@customer_blueprint.response(200, CustomerFeaturesSchema)
@customer_blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@customer_blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer.")
@customer_blueprint.alt_response(409, schema=ErrorSchema, description="There are no events and no subscriptions yet.")
def customer_features(query: dict[str, Any], user_id: str) -> Response:
    """Show every feature of a customer as it was known at a time, made by the code that training and scoring use."""
    with read_unit() as session:
        customer, identity = record.require(session, user_id)
        moment = as_of.data_end(session) if query["as_of"] is None else _moment(query)
        values = as_of.customer_features(session, current_app.config["RETAINSTREAM"], customer.id, moment)
        items = [{"name": spec.name, "title": spec.title, "unit": spec.unit, "value": value} for spec, value in values]
        return with_etag({"user_id": identity.user_id, "as_of": clock.iso(moment), "items": items})


def _moment(query: dict[str, Any]) -> int:
    moment: int = query["as_of"]
    if moment > clock.now_us():
        raise InvalidInput("Nothing is known of the future.", fields={"as_of": ["a time that has passed"]})
    return moment


def _built_in(session: Session) -> set[str]:
    versions = feature_dictionary.versions(session)
    return {spec.name for spec in as_of.dictionary(session) if spec.name not in versions}


def _present(spec: FeatureSpec, versions: dict[str, int]) -> dict[str, object]:
    assert spec.recipe is not None  # whatever the builder makes has one
    declared = spec.recipe.source == "events" and spec.name in versions
    origin = "declared" if declared else "profile" if spec.recipe.source == "profile" else "built_in"
    return {
        "name": spec.name,
        "title": spec.title,
        "kind": spec.kind,
        "unit": spec.unit,
        "source": spec.recipe.source,
        "origin": origin,
        "version": versions[spec.name] if declared else None,
        "recipe": asdict(spec.recipe),
        "wording_up": spec.wording_up,
        "wording_down": spec.wording_down,
        "actionable": spec.actionable,
        "sensitive": spec.sensitive,
    }
