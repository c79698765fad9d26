"""Find anything: a page with what fits in groups by kind, and the same as options for the palette that Ctrl-K opens over any page."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, current_app, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit
from retainstream.security.permissions import Permission
from retainstream.services.search import finding
from retainstream.services.search.finding import Group
from retainstream.web import appearance, frame
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_search", __name__)


@blueprint.get("/search")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show what fits; for HTMX, which asks for the palette, its options alone."""
    asked = finding.clean(request.args.get("q", ""))
    with read_unit() as session:
        groups = _without_theme(finding.find(session, signed_in_actor(), asked), appearance.theme())
        if frame.wants_fragment():
            return current_app.make_response(render_template("search/_options.html", groups=groups, asked=asked))
        return frame.page(session, "search/search.html", here="", groups=groups, asked=asked)


def _without_theme(groups: tuple[Group, ...], theme: str) -> tuple[Group, ...]:
    """Leave out the act that would change nothing: to turn to the theme that this browser shows."""
    kept = (
        replace(group, hits=tuple(hit for hit in group.hits if hit.fields.get("theme") != theme)) for group in groups
    )
    return tuple(group for group in kept if group.hits)
