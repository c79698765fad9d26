"""Your account: name, password, and what you are signed in with. Tokens, people, preferences and the trail have pages of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, current_app, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, TooManyRequests, Unauthenticated
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission, Role
from retainstream.services.access import accounts, log_ins, login
from retainstream.web import browser_session, frame, settings_view
from retainstream.web.account import name_of
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for
from retainstream.web.sign_in import login_gate

blueprint = Blueprint("web_settings", __name__)
Problems = Mapping[str, Sequence[str]]
SHOWN = 50


@blueprint.get("/settings")
@requires_page(Permission.TOKENS_OWN)
def show() -> BaseResponse:
    """Show the page."""
    return _page()


def _page(problems: Problems | None = None, message: str = "", status: int = 200) -> BaseResponse:
    person = signed_in_actor()
    with read_unit() as session:
        user = accounts.present(accounts.get(session, person.user_id or 0))
        cursor = request.args.get("cursor") or None
        found = log_ins.listed(session, person, PageRequest(limit=SHOWN, cursor=cursor))
        rows = [item | {"device": settings_view.signed_in_by(item)} for item in found.items]
        rows.sort(key=lambda item: not item["current"])
        return frame.page(
            session,
            "settings/account.html",
            here="settings",
            status=status,
            tabs_items=tabs_for(person),
            user=user,
            role=settings_view.ROLES[Role(str(user["role"]))],
            name=request.form.get("name", user["name"]),
            sessions=rows,
            total=found.total,
            following=f"/settings?cursor={found.next_cursor}#sessions" if found.next_cursor else "",
            first="/settings#sessions" if cursor else "",
            problems=problems or {},
            message=message,
        )


@blueprint.post("/settings/name")
@requires_page(Permission.TOKENS_OWN)
def rename() -> BaseResponse:
    """Change how others see you."""
    person = signed_in_actor()
    try:
        name = name_of(request.form)
    except InvalidInput as refusal:
        return _page(refusal.fields, status=422)
    with unit_of_work() as session:
        accounts.change(session, person, person.user_id or 0, name=name)
    flash("Your name is saved.", "good")
    return go("/settings")


@blueprint.post("/settings/password")
@requires_page(Permission.TOKENS_OWN)
def change_password() -> BaseResponse:
    """Check the current password, set the new one, and end every other session."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    current, fresh = request.form.get("current", ""), request.form.get("password", "")
    if fresh != request.form.get("again", ""):
        return _page({"again": ["the same as the new password"]}, status=422)
    try:
        # Through the gate of the log-in, so that an unlocked screen is no way to guess without end.
        verified = login.check_password(settings, login_gate(), browser_session.visitor(), person.email, current)
    except Unauthenticated:
        return _page({"current": ["your current password"]}, status=422)
    except TooManyRequests as refusal:
        return _page(message=refusal.message, status=429)
    try:
        hashed = accounts.checked_hash(settings, person.email, fresh)
        with unit_of_work() as session:
            user = accounts.change_password(session, person, verified.password_hash, hashed)
            token = browser_session.open_session(session, user)
    except InvalidInput as refusal:
        return _page(refusal.fields, status=422)
    except Conflict as refusal:
        return _page(message=refusal.message, status=409)
    browser_session.begin(token)
    flash("Your password is changed, and every other session has ended.", "good")
    return go("/settings")


@blueprint.post("/settings/sessions/<string:name>/end")
@requires_page(Permission.TOKENS_OWN)
def end_session(name: str) -> BaseResponse:
    """End one of your sessions or log-ins by the API; the session that you are in leads to the sign-in."""
    person = signed_in_actor()
    if name == str(person.session_id):
        browser_session.end()
        return go("/sign-in")
    try:
        with unit_of_work() as session:
            log_ins.end(session, person, name)
    except NotFound as refusal:
        flash(refusal.message, "bad")
    else:
        flash("That session has ended.", "good")
    return go("/settings")


@blueprint.post("/settings/sessions/end-others")
@requires_page(Permission.TOKENS_OWN)
def end_other_sessions() -> BaseResponse:
    """End all of your sessions but this one, and your log-ins by the API."""
    person = signed_in_actor()
    with unit_of_work() as session:
        ended = log_ins.end_others(session, person)
    flash(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.", "good")
    return go("/settings")
