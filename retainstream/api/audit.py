"""Reading the audit trail."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, requires, with_etag
from retainstream.db import read_unit
from retainstream.schemas.audit import AuditFilterSchema, AuditListSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services import audit

blueprint = ApiBlueprint("audit", "/audit", "Who did what")


class AuditQuerySchema(AuditFilterSchema, PageQuerySchema):
    """Filters and paging of the trail."""


@blueprint.route("", methods=["GET"])
@requires(Permission.AUDIT_READ)
@blueprint.arguments(AuditQuerySchema, location="query")
@blueprint.response(200, AuditListSchema)
def list_entries(query: dict[str, Any]) -> Response:
    """List every write and log-in, refused log-ins too, newest first."""
    filters = {name: query[name] for name in ("action", "user_id", "target_kind", "target_id", "since", "until")}
    with read_unit() as session:
        page = audit.entries(session, page_request(query), **filters)
    return with_etag(page.to_dict())
