"""Routes of models: train one, see what it can do, and choose which one is in service."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import (
    ApiBlueprint,
    ErrorSchema,
    accepted,
    actor,
    json_response,
    path_id,
    requires,
    with_etag,
)
from retainstream.api.idempotency import idempotent
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.schemas.model import (
    CardSchema,
    FeatureListSchema,
    ModelMetricsSchema,
    MovedSchema,
    StatusSchema,
    TrainSchema,
    VersionListSchema,
)
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import jobs, model_card, training

blueprint = ApiBlueprint("model", "/model", "Models: training, figures, versions and which one is in service")
_UNCHANGED = "Nothing changed since the ETag that was sent."
_NO_MODEL = "No model is in service yet."
_NO_VERSION = "There is no such version."


@blueprint.route("/status", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, StatusSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def status() -> Response:
    """Tell which model is in service, what became of the last training, and what is running."""
    with read_unit() as session:
        return with_etag(model_card.status(session))


@blueprint.route("/train", methods=["POST"])
@requires(Permission.MODEL_TRAIN)
@idempotent
@blueprint.arguments(TrainSchema)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such churn definition.")
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="A training is queued or running, an import is being applied, there is nothing to learn from yet, or a feed went silent.",
)
def train(body: dict[str, Any]) -> Response:
    """Train a model in a job, by the churn definition in force or the one named.

    A rule gives a model that looks ahead, a labelled column a snapshot. What is learned too little from is refused with the reason, and the old
    model stays in service.
    """
    caller = actor()
    with unit_of_work() as session:
        job = jobs.present(training.request(session, caller, body))
    return accepted(job)


@blueprint.route("/features", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, FeatureListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def features() -> Response:
    """List what the model in service reads, with each feature's mean absolute contribution."""
    with read_unit() as session:
        return with_etag(model_card.features(session))


@blueprint.route("/metrics", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, ModelMetricsSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def metrics() -> Response:
    """Return the figures of the model in service with their intervals, beside its simple rivals, and its curves."""
    with read_unit() as session:
        return with_etag(model_card.figures(session))


@blueprint.route("/versions", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, VersionListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_versions(query: dict[str, Any]) -> Response:
    """List all trainings, served and refused, newest first."""
    with read_unit() as session:
        return with_etag(model_card.versions(session, page_request(query)).to_dict())


@blueprint.route("/versions/<string:version_id>", methods=["GET"])
@requires(Permission.MODEL_READ)
@blueprint.response(200, CardSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_VERSION)
@blueprint.alt_response(422, schema=ErrorSchema, description="The id is not a whole number.")
def get_version(version_id: str) -> Response:
    """Return everything about one version."""
    with read_unit() as session:
        return with_etag(model_card.card(session, path_id(version_id, "model version")))


@blueprint.route("/versions/<string:version_id>/promote", methods=["POST"])
@requires(Permission.MODEL_PROMOTE)
@blueprint.response(200, MovedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_VERSION)
@blueprint.alt_response(409, schema=ErrorSchema, description="The version was refused after its training.")
@blueprint.alt_response(422, schema=ErrorSchema, description="The id is not a whole number.")
def promote(version_id: str) -> Response:
    """Put a version into service and score everybody with it. One that is in service already stays, and nothing else happens."""
    caller = actor()
    with unit_of_work() as session:
        moved = training.promote(session, caller, path_id(version_id, "model version"))
    return json_response(moved)


@blueprint.route("/rollback", methods=["POST"])
@requires(Permission.MODEL_PROMOTE)
@blueprint.response(200, MovedSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="There is no earlier model to go back to.")
def rollback() -> Response:
    """Put back the version that was in service before, and score everybody with it."""
    caller = actor()
    with unit_of_work() as session:
        moved = training.rollback(session, caller)
    return json_response(moved)
