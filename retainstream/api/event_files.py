"""Routes that take files of events, subscriptions and orders; looking at a load and taking it back is under /customers/imports, as for customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from flask import Response

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    requires,
)
from retainstream.api.idempotency import idempotent
from retainstream.api.uploads import form_fields, mapping_of
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.event_files import (
    EventFileFormSchema,
    EventFileSchema,
    EventPreviewSchema,
    KindFileSchema,
    KindFormSchema,
)
from retainstream.schemas.imports import ImportAcceptedSchema
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.services.imports import batches, files

if TYPE_CHECKING:
    from retainstream.services.events.mapping import Target

blueprint = ApiBlueprint("event_files", "", "Loading files of events, subscriptions and orders")


def _register(target: Target, body: type[ma.Schema], form: type[ma.Schema], says: str) -> None:
    """Add the route that takes files of a target."""

    def load(sent: dict[str, Any]) -> Response:
        return _load(target, sent, form())

    load.__name__ = f"load_{target}"
    load.__doc__ = says
    view: Callable[..., Any] = load
    for status, schema, text in (
        (200, EventPreviewSchema, "The preview of a dry run; nothing was loaded."),
        (409, ErrorSchema, "No column is known for the customer or the time: name it in a mapping."),
        (413, ErrorSchema, "The file is too large."),
        (415, ErrorSchema, "The file is not a table; the message says what it is."),
    ):
        view = blueprint.alt_response(status, schema=schema, description=text)(view)
    view = blueprint.arguments(body, location="files")(blueprint.response(202, ImportAcceptedSchema)(view))
    blueprint.route(f"/{target}/import", methods=["POST"])(requires(Permission.EVENTS_WRITE)(idempotent(view)))


_register(
    "events",
    KindFileSchema,
    KindFormSchema,
    "Load a file of events in a job, or preview it with `dry_run`. Readers see all of it at its end, or nothing.",
)
_register(
    "subscriptions",
    EventFileSchema,
    EventFileFormSchema,
    "Load a file of subscriptions, one row for each, in a job, or preview it with `dry_run`.",
)
_register(
    "orders",
    EventFileSchema,
    EventFileFormSchema,
    "Load a file of orders, or of their lines, as events of the kinds purchase and refund, in a job; or preview it with `dry_run`.",
)


def _load(target: Target, sent: dict[str, Any], schema: ma.Schema) -> Response:
    # They bring numpy, which a worker needs for these routes only.
    from retainstream.services.events.preview import Asked, preview

    caller, settings, form = actor(), box_settings(), form_fields(schema)
    mapping = mapping_of(form["mapping"])
    asked = Asked(form.get("kind") or None, form["source"] or None, form["unknown_customers"], form["known_at_time"])
    upload = files.receive(sent["file"].stream, sent["file"].filename or "", settings)
    queued = False
    try:
        with read_unit() as session:
            found = preview(upload.path, upload.filename, settings, target, asked, mapping, session=session)
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
                warnings=found.lasting_warnings,
                target=target,
                options={"feed": asked.feed, "unknown": asked.unknown},
            )
            answer = {"job": jobs.present(job), "import_id": batch.id}
        queued = True
    finally:
        if not queued:
            files.discard(settings, upload.name)
    return json_response(answer, 202, {"Location": f"{API_PREFIX}/jobs/{job.id}"})
