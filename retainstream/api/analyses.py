"""The runs behind derived figures: which are in force, and making them anew. What each analysis says has routes of its own."""

from __future__ import annotations

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, accepted, actor, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.analyses import AnalysesSchema
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.services.analyses import job, runs

blueprint = ApiBlueprint("analyses", "/analyses", "Derived figures of the whole customer base, and when they were made")


@blueprint.route("", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, AnalysesSchema)
def list_runs() -> Response:
    """The run in force of each analysis, with its as-of."""
    with read_unit() as session:
        found = runs.all_in_force(session)
    return with_etag({"items": found})


@blueprint.route("", methods=["POST"])
@requires(Permission.PREDICTIONS_WRITE)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="They are being made already.")
def make() -> Response:
    """Make every analysis anew; follow the job that is answered. It follows each scoring of everybody by itself, too."""
    with unit_of_work() as session:
        queued = jobs.present(job.request(session, actor()))
    return accepted(queued)
