"""Routes of what people write down about customers."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, requires, with_etag
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.schemas.tasks import NoteInputSchema, NoteListSchema, NoteSchema
from retainstream.security.permissions import Permission
from retainstream.services.desk import notes

blueprint = ApiBlueprint("notes", "/notes", "Notes about customers")
customer_blueprint = ApiBlueprint("customer_notes", "/customers", "Notes about customers")
_NO_CUSTOMER = "There is no such customer."


@customer_blueprint.route("/<path:user_id>/notes", methods=["GET"])
@requires(Permission.CUSTOMERS_PERSONAL)
@customer_blueprint.arguments(PageQuerySchema, location="query")
@customer_blueprint.response(200, NoteListSchema)
@customer_blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
@customer_blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def list_notes(query: dict[str, Any], user_id: str) -> Response:
    """List the notes about a customer, newest first."""
    with read_unit() as session:
        return with_etag(notes.of_customer(session, actor(), user_id, page_request(query)).to_dict())


@customer_blueprint.route("/<path:user_id>/notes", methods=["POST"])
@requires(Permission.CUSTOMERS_PERSONAL)
@customer_blueprint.arguments(NoteInputSchema)
@customer_blueprint.response(201, NoteSchema)
@customer_blueprint.alt_response(
    404, schema=ErrorSchema, description="There is no such customer, or no such task of theirs."
)
def write_note(sent: dict[str, Any], user_id: str) -> Response:
    """Write a note about a customer; needs `tasks:write`, too."""
    with unit_of_work() as session:
        found = notes.write(session, actor(), user_id, sent["text"], task_id=sent["task_id"], pinned=sent["pinned"])
    return json_response(found.to_dict(), 201)


@blueprint.route("/<string:note_id>", methods=["DELETE"])
@requires(Permission.CUSTOMERS_PERSONAL)
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such note.")
def delete_note(note_id: str) -> Response:
    """Delete a note that you wrote; needs `tasks:write`, too."""
    with unit_of_work() as session:
        notes.remove(session, actor(), path_id(note_id, "note"))
    return Response(status=204)
