"""Signing in and out with e-mail and password. The same gate and the same check stand before the API's log-in."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import RetainStreamError, TooManyRequests, Unauthenticated
from retainstream.security.lockout import LoginGate
from retainstream.services.access import login
from retainstream.services.access.setup import setup_needed
from retainstream.web import browser_session
from retainstream.web.guards import public

blueprint = Blueprint("web_sign_in", __name__)


def login_gate() -> LoginGate:
    """Return the counter of log-in tries that both faces share."""
    gate: LoginGate = current_app.extensions["login_gate"]
    return gate


def nobody_registered() -> bool:
    """Tell whether the box still waits for its first administrator."""
    with read_unit() as unit:
        return setup_needed(unit)


@blueprint.get("/sign-in")
@public
def show() -> BaseResponse:
    """Show the form; a person who is signed in goes on."""
    target = browser_session.local_target(request.args.get("next"))
    if browser_session.current_actor() is not None:
        return redirect(target, 303)
    if nobody_registered():
        return redirect("/set-up", 303)
    return _page(target=target, ended=browser_session.was_ended())


@blueprint.post("/sign-in")
@public
def submit() -> BaseResponse:
    """Check the password and begin a session."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    target = browser_session.local_target(request.form.get("next"))
    email, password = request.form.get("email", ""), request.form.get("password", "")
    newcomer = browser_session.visitor()
    try:
        verified = login.check_password(settings, login_gate(), newcomer, email, password)
        with unit_of_work() as unit:
            user = login.admitted(unit, newcomer, verified, means="browser")
            token = browser_session.open_session(unit, user)
    except (Unauthenticated, TooManyRequests) as refusal:
        return _page(target=target, email=email, refusal=refusal)
    browser_session.begin(token)
    return browser_session.go(target)


@blueprint.post("/sign-out")
@public
def sign_out() -> BaseResponse:
    """End the session; harmless for somebody who has none."""
    browser_session.end()
    return browser_session.go("/sign-in")


def _page(*, target: str, email: str = "", refusal: RetainStreamError | None = None, ended: bool = False) -> Response:
    message = refusal.message if refusal else ""
    html = render_template("sign_in.html", target=target, email=email[:254], message=message, ended=ended)
    # 422 rather than 401: a browser would answer 401 with a window of its own where a proxy adds a challenge.
    status = 200 if refusal is None else 429 if isinstance(refusal, TooManyRequests) else 422
    response = current_app.make_response((html, status))
    if refusal is not None and refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
