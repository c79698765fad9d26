"""The home page: what the scores say, who needs attention first, and the two buttons that start work."""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_home", __name__)


@blueprint.get("/")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    return current_app.make_response("home")
