"""Routes that follow and stop long work."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import (
    ApiBlueprint,
    ErrorSchema,
    accepted,
    actor,
    path_id,
    requires,
    with_etag,
)
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.jobs import JobAnswerSchema, JobListSchema, JobQuerySchema, JobSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import jobs, retrying

blueprint = ApiBlueprint(
    "jobs", "/jobs", "Long work: train, score, import, undo. Follow a job by polling with If-None-Match."
)


class JobListQuerySchema(JobQuerySchema, PageQuerySchema):
    """Filters and paging of the list of jobs."""


@blueprint.route("", methods=["GET"])
@requires(Permission.JOBS_READ)
@blueprint.arguments(JobListQuerySchema, location="query")
@blueprint.response(200, JobListSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_jobs(query: dict[str, Any]) -> Response:
    """List jobs, newest first."""
    # A page number wins over a cursor here.
    request = page_request(query if query["page"] is None else {**query, "cursor": None})
    with read_unit() as session:
        page = jobs.list_jobs(session, request, kind=query["kind"], state=query["state"])
    return with_etag(page.to_dict())


@blueprint.route("/<string:job_id>", methods=["GET"])
@requires(Permission.JOBS_READ)
@blueprint.response(200, JobSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such job.")
def get_job(job_id: str) -> Response:
    """Return one job with its progress, result or error."""
    with read_unit() as session:
        job = jobs.present(jobs.get(session, path_id(job_id, "job")))
    return with_etag(job)


@blueprint.route("/<string:job_id>", methods=["DELETE"])
@requires(Permission.JOBS_CANCEL)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such job.")
@blueprint.alt_response(409, schema=ErrorSchema, description="The job has ended already.")
def cancel_job(job_id: str) -> Response:
    """Cancel a job: a queued one ends at once, a running one is asked to stop."""
    caller = actor()
    with unit_of_work() as session:
        job = jobs.present(jobs.cancel(session, caller, path_id(job_id, "job")))
    return accepted(job)


@blueprint.route("/<string:job_id>/retry", methods=["POST"])
@requires(Permission.JOBS_READ)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(403, schema=ErrorSchema, description="The caller may not ask for this kind of work.")
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such job.")
@blueprint.alt_response(409, schema=ErrorSchema, description="The job did not fail, or the same work is open already.")
def retry_job(job_id: str) -> Response:
    """Ask again for work that failed or was cancelled. Needs, too, what the first request of this kind needed."""
    caller = actor()
    with unit_of_work() as session:
        job = jobs.present(retrying.retry(session, caller, path_id(job_id, "job")))
    return accepted(job)
