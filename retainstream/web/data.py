"""The data pages about imports: what is on record, and what was loaded when."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit
from retainstream.security.permissions import Permission
from retainstream.web import data_tabs, frame
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_data", __name__)
data_tabs.register(blueprint)


@blueprint.get("/data")
@requires_page(Permission.IMPORTS_READ)
def show() -> BaseResponse:
    """Show what is on record and the imports behind it."""
    with read_unit() as session:
        return frame.page(session, "data/data.html", here="data")
