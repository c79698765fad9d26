"""Routes of scores: the list in force, the job that makes them, and predictions on the spot."""

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
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.schemas.predictions import (
    BatchAnswerSchema,
    GenerateSchema,
    PredictionBatchSchema,
    PredictionRequestSchema,
    PredictionSchema,
    ReplayAnswerSchema,
    ReplaySchema,
    ResultListSchema,
    ResultQuerySchema,
)
from retainstream.security.permissions import Permission
from retainstream.services import jobs, on_the_spot, predictions, replay
from retainstream.services.customers import cells, scoring
from retainstream.services.preferences import BAND_NAMES

blueprint = ApiBlueprint("predictions", "/predictions", "Scores: who resembles those who left, and why")
_NO_MODEL = "No model is in service yet."


class ResultListQuerySchema(ResultQuerySchema, PageQuerySchema):
    """Filters and paging of the list of scores."""


@blueprint.route("/results", methods=["GET"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.arguments(ResultListQuerySchema, location="query")
@blueprint.response(200, ResultListSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_results(query: dict[str, Any]) -> Response:
    """List the scores in force of customers that have not left, those most at risk first."""
    with read_unit() as session:
        wanted = predictions.ResultFilter(
            bands=tuple(BAND_NAMES.index(word) for word in query["band"]),
            plans=query["plan"],
            min_probability=query["min_probability"],
            model_version=query["model_version"],
            extra=cells.conditions(session, query["cell"]),
        )
        return with_etag(predictions.results(session, wanted, page_request(query)).to_dict())


@blueprint.route("/generate", methods=["POST"])
@requires(Permission.PREDICTIONS_WRITE)
@idempotent
@blueprint.arguments(GenerateSchema)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=f"{_NO_MODEL} Or the same scoring is queued or running.")
def generate(body: dict[str, Any]) -> Response:
    """Score all customers that have not left, those named, or those of a segment or a list, in a job. Scores come into force all at once at its end."""
    caller = actor()
    with unit_of_work() as session:
        if "segment" in body or "query" in body:
            query = f"cell=segment:{body['segment']}" if "segment" in body else body["query"]
            job = jobs.present(scoring.request(session, caller, query))
        else:
            job = jobs.present(predictions.generate(session, caller, body.get("customer_ids")))
    return accepted(job)


@blueprint.route("/predict", methods=["POST"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.arguments(PredictionRequestSchema)
@blueprint.response(200, PredictionSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer.")
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def predict(body: dict[str, Any]) -> Response:
    """Score values by feature, or a customer, on the spot. Nothing is stored."""
    with read_unit() as session:
        return json_response(on_the_spot.predict(session, box_settings(), body))


@blueprint.route("/predict/batch", methods=["POST"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.arguments(PredictionBatchSchema)
@blueprint.response(200, BatchAnswerSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NO_MODEL)
def predict_batch(body: dict[str, Any]) -> Response:
    """Score up to 1,000 items on the spot; each is answered with its score or with what was wrong with it."""
    with read_unit() as session:
        items = on_the_spot.predict_batch(session, box_settings(), body["items"])
    failed = sum(item["error"] is not None for item in items)
    return json_response({"items": items, "scored": len(items) - failed, "failed": failed})


@blueprint.route("/replay", methods=["POST"])
@requires(Permission.PREDICTIONS_WRITE)
@idempotent
@blueprint.arguments(ReplaySchema)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such churn definition or model version.")
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="There is no history yet, nothing that looks ahead to replay, or the same replay is queued or running.",
)
def start_replay(body: dict[str, Any]) -> Response:
    """Ask what this would have said on a past day: a job scores everybody with what was known then and looks at who really left."""
    caller = actor()
    with unit_of_work() as session:
        job = jobs.present(replay.request(session, caller, body))
    return accepted(job)


@blueprint.route("/replay/<string:job_id>", methods=["GET"])
@requires(Permission.PREDICTIONS_READ)
@blueprint.response(200, ReplayAnswerSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such replay.")
@blueprint.alt_response(409, schema=ErrorSchema, description="The replay is not done, or did not come about.")
@blueprint.alt_response(422, schema=ErrorSchema, description="The id is not a whole number.")
def get_replay(job_id: str) -> Response:
    """Return what a replay found: how well it did, and the list that a team would have worked through."""
    with read_unit() as session:
        return with_etag(replay.found(session, path_id(job_id, "replay")))
