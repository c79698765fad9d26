"""Routes of reports: kept, scheduled, made, and their files fetched."""

from __future__ import annotations

from typing import Any

from flask import Response, send_file

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    accepted,
    actor,
    json_response,
    path_id,
    requires,
    with_etag,
)
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.schemas.reports import (
    ReportChangeSchema,
    ReportDeletedSchema,
    ReportFileListSchema,
    ReportInputSchema,
    ReportListSchema,
    ReportSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.services.reports import files, saved

blueprint = ApiBlueprint("reports", "/reports", "Reports: lists and pages as files, by hand or by the clock")
_NO_REPORT = "There is no such report that you may read."
_UNCHANGED = "Nothing changed since the ETag that was sent."


@blueprint.route("", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, ReportListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_reports() -> Response:
    """List the reports whose subjects you may read, by name."""
    with read_unit() as session:
        return with_etag({"items": [view.to_dict() for view in saved.every(session, actor())]})


@blueprint.route("", methods=["POST"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.arguments(ReportInputSchema)
@blueprint.response(201, ReportSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="There are as many reports as may be.")
def create(sent: dict[str, Any]) -> Response:
    """Keep a report. Your rights count when it is made: what you may not see is not in it."""
    with unit_of_work() as session:
        report = saved.create(session, actor(), box_settings(), sent)
        body = saved.one(session, actor(), report.id).to_dict()
    return json_response(body, 201, {"Location": f"{API_PREFIX}/reports/{report.id}"})


@blueprint.route("/<string:report_id>", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, ReportSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_REPORT)
def read(report_id: str) -> Response:
    """Return one report."""
    with read_unit() as session:
        return with_etag(saved.one(session, actor(), path_id(report_id, "report")).to_dict())


@blueprint.route("/<string:report_id>", methods=["PATCH"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.arguments(ReportChangeSchema)
@blueprint.response(200, ReportSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_REPORT)
def change(sent: dict[str, Any], report_id: str) -> Response:
    """Change a report of your own, or let it rest; an administrator may change those of others."""
    with unit_of_work() as session:
        report = saved.change(session, actor(), box_settings(), path_id(report_id, "report"), sent)
        return json_response(saved.one(session, actor(), report.id).to_dict())


@blueprint.route("/<string:report_id>", methods=["DELETE"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.response(200, ReportDeletedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_REPORT)
def delete(report_id: str) -> Response:
    """Delete a report with its files."""
    with unit_of_work() as session:
        name = saved.delete(session, actor(), path_id(report_id, "report"))
    with unit_of_work() as session:
        files.sweep(session, box_settings())
    return json_response({"deleted": True, "name": name})


@blueprint.route("/<string:report_id>/make", methods=["POST"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_REPORT)
@blueprint.alt_response(409, schema=ErrorSchema, description="It is being made already.")
def make(report_id: str) -> Response:
    """Make a report now."""
    with unit_of_work() as session:
        return accepted(jobs.present(saved.request(session, actor(), path_id(report_id, "report"))))


@blueprint.route("/<string:report_id>/files", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, ReportFileListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_REPORT)
def list_files(query: dict[str, Any], report_id: str) -> Response:
    """List what was made of a report, newest first; the newest 30 are kept."""
    with read_unit() as session:
        found = files.listed(session, actor(), path_id(report_id, "report"), page_request(query))
    return with_etag(found.to_dict())


@blueprint.route("/<string:report_id>/files/<string:file_id>", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/octet-stream")
@blueprint.alt_response(
    404, schema=ErrorSchema, description="There is no such file that you may read, or it was removed."
)
def download(report_id: str, file_id: str) -> Response:
    """Fetch a file. One with customers takes `customers:export`, one with personal details `customers:personal`, too."""
    number = path_id(file_id, "file")
    with read_unit() as session:
        found = files.find(session, actor(), box_settings(), path_id(report_id, "report"), number)
    if found.people:
        with unit_of_work() as session:
            files.record(session, actor(), number)
    return send_file(found.path, mimetype=found.mimetype, as_attachment=True, download_name=found.name)
