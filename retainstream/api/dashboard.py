"""The overview: headline figures, distribution, drivers, and the request for new predictions."""

from __future__ import annotations

from flask import Response, current_app

from retainstream.api.base import ApiBlueprint, accepted, actor, ready, requires, with_etag
from retainstream.api.idempotency import idempotent
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.schemas.dashboard import (
    DistributionSchema,
    DriversSchema,
    GroupsSchema,
    MetricsSchema,
    NothingSchema,
    TrendsSchema,
)
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, predictions, trend
from retainstream.services.customers import groups, lists
from retainstream.services.jobs import present

blueprint = ApiBlueprint("dashboard", "/dashboard", "The overview's figures")
SHOWN_IN_GROUP = 5


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


@blueprint.route("/trends")
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, TrendsSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def trends() -> Response:
    """The last scorings under the definition in service, oldest first: what each expected, and what came of it once that was known."""
    with read_unit() as session:
        return with_etag({"items": [moment.to_dict() for moment in trend.moments(session)]})


@blueprint.route("/groups")
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, GroupsSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def who_needs_somebody() -> Response:
    """Named groups of active customers with their first members, as on the home page; all of a group are at /customers?group=<name>."""
    caller = actor()
    with read_unit() as session:
        found = groups.read(session)
        items = [
            {
                "name": name,
                "title": title,
                "total": len(found.members[name]),
                "customers": lists.present(session, caller, found.members[name][:SHOWN_IN_GROUP], analysed=True),
            }
            for name, title in groups.TITLES.items()
        ]
    return with_etag({"compared_with": clock.iso(found.compared_with), "items": items})


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
