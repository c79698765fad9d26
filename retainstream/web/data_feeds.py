"""The data page about feeds: which sources are alive, and for how long each may pause."""

from __future__ import annotations

from flask import Blueprint, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.security.permissions import Permission
from retainstream.services import feeds
from retainstream.web import data_feeds_view as views
from retainstream.web import frame
from retainstream.web.browser_session import go
from retainstream.web.data_feeds_view import Typed
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_feeds", __name__)


@blueprint.get("/data/feeds")
@requires_page(Permission.EVENTS_READ)
def show() -> BaseResponse:
    """Show feeds, silent ones first."""
    with read_unit() as session:
        return _page(session)


@blueprint.post("/data/feeds")
@requires_page(Permission.EVENTS_WRITE)
def change() -> BaseResponse:
    """Set how long a feed may pause, and whether its silence counts."""
    actor = signed_in_actor()
    name = request.form.get("feed", "")
    typed = Typed(
        name,
        request.form.get("pause", "").strip(),
        request.form.get("unit", views.HOURS),
        request.form.get("muted") == "yes",
    )
    seconds, problems = views.pause_of(typed)
    if problems:
        with read_unit() as session:
            feeds.required(session, name)
            return _page(session, typed, problems, status=422)
    with unit_of_work() as session:
        changed = feeds.change(session, actor, name, {"expected_seconds": seconds, "muted": typed.muted})
    flash(views.what_changed(changed), "good")
    return go("/data/feeds")


def _page(
    session: Session, typed: Typed | None = None, problems: tuple[str, ...] = (), status: int = 200
) -> BaseResponse:
    may_write = signed_in_actor().may(Permission.EVENTS_WRITE)
    view = views.page_view(feeds.listed(session), may_write=may_write, typed=typed, problems=problems)
    return frame.page(
        session,
        "data/feeds.html",
        here="data",
        status=status,
        view=view,
        origin=request.host_url.rstrip("/"),
    )
