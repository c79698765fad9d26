"""The browsable page of the API. It works without the internet: everything it shows comes from this server."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template

from retainstream.web.browser_session import DOCS_PATH
from retainstream.web.guards import public

blueprint = Blueprint("web_api_docs", __name__)


@blueprint.get(DOCS_PATH)
@public
def show() -> Response:
    """Show the page; the specification itself is public too."""
    response = current_app.make_response(render_template("api_docs.html"))
    # On a machine that people share the page may stay open for days; its parts are cached by their own addresses.
    response.headers["Cache-Control"] = "no-cache"
    return response
