"""Your account: name, password and open sessions. Tokens, people, preferences and the trail have pages of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, current_app, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, TooManyRequests, Unauthenticated
from retainstream.security.permissions import Permission, Role
from retainstream.services.access import accounts, login, sessions
from retainstream.web import browser_session, frame, settings_view
from retainstream.web.account import name_of
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for
from retainstream.web.sign_in import login_gate

blueprint = Blueprint("web_settings", __name__)
Problems = Mapping[str, Sequence[str]]


@blueprint.get("/settings")
@requires_page(Permission.TOKENS_OWN)
def show() -> BaseResponse:
    """Show the page."""
    return _page()


def _page(problems: Problems | None = None, message: str = "", status: int = 200) -> BaseResponse:
    person = signed_in_actor()
    with read_unit() as session:
        user = accounts.present(accounts.get(session, person.user_id or 0))
        found = sessions.open_sessions(session, person.user_id or 0)
        rows = [
            item | {"device": settings_view.device(str(item["user_agent"])), "here": item["id"] == person.session_id}
            for item in found
        ]
        rows.sort(key=lambda item: not item["here"])
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


@blueprint.post("/settings/sessions/<int:session_id>/end")
@requires_page(Permission.TOKENS_OWN)
def end_session(session_id: int) -> BaseResponse:
    """End one of your sessions; the one that you are in leads to the sign-in."""
    person = signed_in_actor()
    if session_id == person.session_id:
        browser_session.end()
        return go("/sign-in")
    try:
        with unit_of_work() as session:
            sessions.revoke(session, person, session_id)
    except NotFound as refusal:
        flash(refusal.message, "bad")
    else:
        flash("That session has ended.", "good")
    return go("/settings")


@blueprint.post("/settings/sessions/end-others")
@requires_page(Permission.TOKENS_OWN)
def end_other_sessions() -> BaseResponse:
    """End all of your sessions but this one."""
    person = signed_in_actor()
    with unit_of_work() as session:
        ended = sessions.revoke_others(session, person)
    flash(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.", "good")
    return go("/settings")
