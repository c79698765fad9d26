"""Routes of imports: send a table (or try it), list, look, fetch the bad rows, take back. Under /customers, where the data ends up."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

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
from retainstream.api.idempotency import idempotent
from retainstream.api.uploads import form_fields, mapping_of
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.imports import (
    ImportAcceptedSchema,
    ImportFormSchema,
    ImportListSchema,
    ImportRecordSchema,
    ImportUploadSchema,
    PreviewSchema,
    UndoQuerySchema,
)
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.services.imports import batches, files

blueprint = ApiBlueprint("imports", "/customers", "Loading a table of customers, and taking a load back")
_NO_IMPORT = "There is no such import."


@blueprint.route("/import", methods=["POST"])
@requires(Permission.IMPORTS_WRITE)
@idempotent
@blueprint.arguments(ImportUploadSchema, location="files")
@blueprint.response(202, ImportAcceptedSchema)
@blueprint.alt_response(200, schema=PreviewSchema, description="The preview of a dry run; nothing was loaded.")
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="A person must confirm the label first, or an attribute has another kind on record.",
)
@blueprint.alt_response(413, schema=ErrorSchema, description="The file is too large.")
@blueprint.alt_response(415, schema=ErrorSchema, description="The file is not a table; the message says what it is.")
def load(sent: dict[str, Any]) -> Response:
    """Load a table of customers in a job, or preview it with `dry_run`. Readers see all of it at its end, or nothing."""
    from retainstream.services.imports.preview import preview  # brings numpy, which a worker needs for this route only

    caller, settings, form = actor(), box_settings(), form_fields(ImportFormSchema())
    mapping = mapping_of(form["mapping"])
    upload = files.receive(sent["file"].stream, sent["file"].filename or "", settings)
    queued = False
    try:
        with read_unit() as session:
            found = preview(
                upload.path,
                upload.filename,
                settings,
                mapping,
                label=form["label"],
                known_at_time=form["known_at_time"],
                session=session,
            )
        if form["dry_run"]:
            return json_response(found.to_dict())
        found.require_answers()
        with unit_of_work() as session:
            batch, job = batches.queue(
                session,
                caller,
                upload,
                found.mapping.to_dict(),
                on_error=form["on_error"],
                known_at_time=found.mapping.known_at_time,
                warnings=found.learnt.warnings,
                refine=mapping is None and not found.complete,
            )
            answer = {"job": jobs.present(job), "import_id": batch.id}
        queued = True
    finally:
        if not queued:
            files.discard(settings, upload.name)
    return json_response(answer, 202, {"Location": f"{API_PREFIX}/jobs/{job.id}"})


@blueprint.route("/imports", methods=["GET"])
@requires(Permission.IMPORTS_READ)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, ImportListSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def list_imports(query: dict[str, Any]) -> Response:
    """List imports, newest first."""
    with read_unit() as session:
        page = batches.list_batches(session, page_request(query))
    return with_etag(page.to_dict())


@blueprint.route("/imports/<string:import_id>", methods=["GET"])
@requires(Permission.IMPORTS_READ)
@blueprint.response(200, ImportRecordSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_IMPORT)
def get_import(import_id: str) -> Response:
    """Return one import with its counts, warnings, and the first errors of rows."""
    with read_unit() as session:
        return with_etag(batches.present(session, actor(), path_id(import_id, "import")))


@blueprint.route("/imports/<string:import_id>/errors.csv", methods=["GET"])
@requires(Permission.IMPORTS_READ)
@blueprint.response(
    200,
    content_type="text/csv",
    description="The bad rows as in the file, then retainstream_line, retainstream_reason and retainstream_surplus (cells beyond the header).",
)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_IMPORT)
def bad_rows(import_id: str) -> Response:
    """Return the rows that were not taken (the first 10,000) as a CSV to mend and load again as it is. Needs `customers:personal`, too."""
    from retainstream.services.imports.offered import bad_rows_text

    actor().require(Permission.CUSTOMERS_PERSONAL)
    number = path_id(import_id, "import")
    with read_unit() as session:
        text = bad_rows_text(session, number)
    response = current_app.response_class(text.encode("utf-8", "replace"), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{number}-bad-rows.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@blueprint.route("/imports/<string:import_id>/undo", methods=["POST"])
@requires(Permission.IMPORTS_WRITE)
@idempotent
@blueprint.arguments(UndoQuerySchema, location="query")
@blueprint.response(202, JobAnswerSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_IMPORT)
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="The import is not applied, is being undone already, or (confirmation_needed) later imports rest on its customers.",
)
def undo(query: dict[str, Any], import_id: str) -> Response:
    """Take an import back in a job. Customers who were touched since are kept and listed."""
    caller = actor()
    with unit_of_work() as session:
        number = path_id(import_id, "import")
        job = jobs.present(batches.queue_undo(session, caller, number, confirm=query["confirm"]))
    return accepted(job)
