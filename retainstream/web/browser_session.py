"""The signed-in browser: from the cookie to the person behind it, and the start and end of a session.

The cookie holds a random token for a row in `user_sessions`, so every session can be ended from the server.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from flask import Flask, Request, Response, current_app, g, redirect, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import UserMixin, current_user, login_user, logout_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy
from retainstream.extensions import login_manager
from retainstream.models import User
from retainstream.security.actor import Actor
from retainstream.services.access import resolve, sessions

DOCS_PATH = "/api/v1/docs"
"""The one page whose address is among those of the API."""


class BrowserUser(UserMixin):  # type: ignore[misc]
    """What Flask-Login carries through a request: the actor, and the token of the cookie."""

    def __init__(self, actor: Actor, token: str) -> None:
        self.actor = actor
        self._token = token

    def get_id(self) -> str:
        """Return what the cookie keeps: the session's token, never the user's number."""
        return self._token


class PageSessions(SecureCookieSessionInterface):
    """The cookie's session, for pages: a call of the API neither reads it, whatever cookie it brings, nor answers one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of the request's cookie; an empty one in the API."""
        return self.session_class() if _is_call(request) else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the cookie when the session changed; nothing in the API."""
        if not _is_call(request):
            super().save_session(app, session, response)


def _is_call(request: Request) -> bool:
    return request.path.startswith("/api/") and request.path != DOCS_PATH


def register(app: Flask) -> None:
    """Keep the session out of the API, and teach Flask-Login to find the person of a cookie in one read."""
    app.session_interface = PageSessions()
    # Phones change their address all day; the row on the server is what ends a session.
    login_manager.session_protection = None
    login_manager.user_loader(_load)


def _load(token: str) -> BrowserUser | None:
    with read_unit() as unit:
        found = sessions.find(unit, token)
    if found is None:
        return None
    person, due = found
    if due and person.session_id is not None:
        # Only the list of sessions reads this, so a busy database may skip it.
        with contextlib.suppress(Busy), unit_of_work() as unit:
            sessions.touch(unit, person.session_id)
    return BrowserUser(replace(person, request_id=g.get("request_id"), address=request.remote_addr), token)


def current_actor() -> Actor | None:
    """Return the signed-in person, or None. Resolved once a request; call it outside of units of work."""
    return current_user.actor if current_user.is_authenticated else None


def was_ended() -> bool:
    """Tell whether the browser was signed in, by a session that holds no longer: it ran out, or was ended from elsewhere."""
    return "_user_id" in session and current_actor() is None


def visitor() -> Actor:
    """Return the actor of a request before anybody is known: an address and a request id, and no permissions."""
    return Actor(kind="anonymous", permissions=frozenset(), request_id=g.get("request_id"), address=request.remote_addr)


def open_session(unit: Session, user: User) -> str:
    """Return the token of a fresh server-side session; `begin` gives it to the browser once the unit is committed."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    return sessions.create(
        unit, settings, user, user_agent=request.headers.get("User-Agent", ""), address=request.remote_addr or ""
    )


def begin(token: str) -> None:
    """Sign the browser in. Whatever the cookie held before is dropped, so that a cookie planted earlier is worth nothing."""
    with read_unit() as unit:
        found = resolve.by_session(unit, token)
    if found is None:
        raise RuntimeError("a session that was committed a moment ago does not hold")
    session.clear()
    session.permanent = True
    login_user(BrowserUser(found[0], token))


def end() -> None:
    """Sign the browser out, here and on the server."""
    person = current_actor()
    if person is not None and person.session_id is not None:
        with unit_of_work() as unit:
            sessions.revoke(unit, person, person.session_id)
    logout_user()
    session.clear()


def local_target(target: str | None) -> str:
    """Return a path on this site to go to after signing in; anything else becomes the home page.

    Browsers read a backslash as a slash and drop control characters, so only a plain path may pass.
    """
    text = target or ""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text
    if not plain or len(text) > 500 or any(ord(character) <= 32 or ord(character) == 127 for character in text):
        return "/"
    return text


def go(target: str) -> BaseResponse:
    """Answer a finished form: a redirect, which HTMX follows as a whole page."""
    if request.headers.get("HX-Request"):
        return Response(status=204, headers={"HX-Redirect": target})
    return redirect(target, 303)
