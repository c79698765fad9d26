"""Reading the audit trail."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, requires, with_etag
from retainstream.db import read_unit
from retainstream.schemas.audit import AuditListSchema, AuditQuerySchema
from retainstream.security.permissions import Permission
from retainstream.services import audit

blueprint = ApiBlueprint("audit", "/audit", "Who did what")


@blueprint.route("", methods=["GET"])
@requires(Permission.AUDIT_READ)
@blueprint.arguments(AuditQuerySchema, location="query")
@blueprint.response(200, AuditListSchema)
def list_entries(query: dict[str, Any]) -> Response:
    """List every write and log-in, refused log-ins too, newest first."""
    with read_unit() as session:
        page = audit.entries(session, **query)
    return with_etag(page.to_dict())
