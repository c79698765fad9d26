"""The overview: headline figures, distribution, drivers, and the request for new predictions."""

from __future__ import annotations

from flask import Response, current_app

from retainstream.api.base import ApiBlueprint, accepted, actor, ready, requires, with_etag
from retainstream.api.idempotency import idempotent
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.dashboard import DistributionSchema, DriversSchema, MetricsSchema, NothingSchema
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, predictions
from retainstream.services.jobs import present

blueprint = ApiBlueprint("dashboard", "/dashboard", "The overview's figures")


@blueprint.route("/metrics")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, MetricsSchema)
def metrics() -> Response:
    """Headline figures, each with what judged it."""
    answer = dashboard.kept_metrics_answer()
    if answer is None:
        with read_unit() as session:
            answer = dashboard.metrics_answer(session, current_app.config["RETAINSTREAM"])
    return ready(answer.body, answer.etag)


@blueprint.route("/distribution")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, DistributionSchema)
def distribution() -> Response:
    """How the scores of active customers spread."""
    with read_unit() as session:
        return with_etag(dashboard.distribution(session))


@blueprint.route("/features")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, DriversSchema)
def features() -> Response:
    """What the champion looks at, strongest first."""
    with read_unit() as session:
        return with_etag(dashboard.features(session))


@blueprint.route("/predict", methods=["POST"])
@requires(Permission.PREDICTIONS_WRITE)
@idempotent
@blueprint.arguments(NothingSchema, required=False)
@blueprint.response(202, JobAnswerSchema)
def predict(_body: dict[str, object]) -> Response:
    """Score all customers anew, as a job. To score given features, POST them to /predictions/predict."""
    with unit_of_work() as session:
        job = predictions.generate(session, actor())
        return accepted(present(job))
