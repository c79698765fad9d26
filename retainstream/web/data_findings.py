"""The data page about findings: what is wrong with the data, what somebody knows of, and what is over. Finding them is the services' affair."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlencode

from flask import Blueprint, flash, request
from flask import session as browser
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services import feeds, findings, muting
from retainstream.web import data_findings_view as views
from retainstream.web import frame
from retainstream.web.browser_session import go
from retainstream.web.data_findings_view import Undo
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_findings", __name__)
PAGE = 20
_UNDO = "undo_mute"


@blueprint.get("/data/findings")
@requires_page(Permission.EVENTS_READ)
def show() -> BaseResponse:
    """List the findings of one state, gravest and newest first."""
    state = _chosen("state", findings.STATES) or "open"
    severity = _chosen("severity", findings.SEVERITIES)
    cursor = request.args.get("cursor") or None
    with read_unit() as session:
        page = findings.listed(session, PageRequest(PAGE, cursor), state=state, severity=severity)
        view = views.page_view(
            page,
            findings.counts(session),
            state=state,
            severity=severity,
            later=cursor is not None,
            person=signed_in_actor(),
            feeds=[str(feed["name"]) for feed in feeds.listed(session)],
        )
        return frame.page(session, "data/findings.html", here="data", view=view, undo=_undo(session))


def _chosen(name: str, known: Collection[str]) -> str | None:
    value = request.args.get(name) or None
    if value is not None and value not in known:
        raise InvalidInput(f"There are no findings of the {name} {value[:40]!r}.", fields={name: ["one of the list"]})
    return value


def _undo(session: Session) -> Undo | None:
    """Take out, for this page alone, what was muted or unmuted last, unless it changed since."""
    kept = browser.pop(_UNDO, None)
    if kept is None:
        return None
    try:
        found = findings.present(muting.get(session, int(kept["id"])))
    except NotFound:
        return None
    return views.undo(found) if found["state"] == kept["state"] else None


@blueprint.post("/data/findings/<int:number>/mute")
@requires_page(Permission.EVENTS_WRITE)
def mute(number: int) -> BaseResponse:
    """Mute a finding or let it count again; the next page offers to take that back."""
    muted = request.form.get("muted") == "yes"
    try:
        with unit_of_work() as session:
            found = muting.mute(session, signed_in_actor(), number, muted)
    except (Conflict, NotFound) as refusal:
        flash(refusal.message, "bad")
    else:
        browser[_UNDO] = {"id": number, "state": found["state"]}
    state = request.form.get("state", "")
    return go(f"/data/findings?{urlencode({'state': state})}" if state in findings.STATES[1:] else "/data/findings")
