"""The keys that the pages listen to, as a page: the question mark opens the same list over any other page."""

from __future__ import annotations

from flask import Blueprint, Response

from retainstream.db import read_unit
from retainstream.security.permissions import Permission
from retainstream.web import frame
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_keys", __name__)


@blueprint.get("/keys")
@requires_page(Permission.DASHBOARD_READ)
def show() -> Response:
    """Show the list."""
    with read_unit() as session:
        return frame.page(session, "keys.html", here="")
