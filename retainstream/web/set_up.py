"""The first visit: whoever can read the set-up code on the machine becomes the administrator, and chooses how to begin. Gone as soon as one exists."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, RetainStreamError, TooManyRequests
from retainstream.security.permissions import Permission
from retainstream.services import demo, demo_job
from retainstream.services.access import accounts, login, setup
from retainstream.web import browser_session
from retainstream.web.account import name_of
from retainstream.web.guards import public, requires_page, signed_in_actor
from retainstream.web.sign_in import login_gate, nobody_registered

blueprint = Blueprint("web_set_up", __name__)


@blueprint.get("/set-up")
@public
def show() -> BaseResponse:
    """Show the form while nobody has registered."""
    if not nobody_registered():
        return redirect("/sign-in", 303)
    return _page()


@blueprint.post("/set-up")
@public
def submit() -> BaseResponse:
    """Make the first administrator and sign them in."""
    if not nobody_registered():
        return redirect("/sign-in", 303)
    settings: Settings = current_app.config["RETAINSTREAM"]
    visitor = browser_session.visitor()
    address = visitor.address or ""
    try:
        # The code is looked at before the slow hash, and tries are counted, so that guessing costs the guesser and not the box.
        # Each address has a count of its own: a stranger who guesses must not shut the owner out.
        login_gate().admit(f"set-up:{address}", address)
        setup.check_code(settings, request.form.get("code", ""))
        login_gate().forgive(f"set-up:{address}", address)
        name, email = name_of(request.form), accounts.clean_email(request.form.get("email", ""))
        hashed = accounts.checked_hash(settings, email, request.form.get("password", ""))
        with unit_of_work() as unit:
            user = accounts.register(
                unit,
                settings,
                visitor,
                email=email,
                name=name,
                password_hash=hashed,
                setup_code=request.form.get("code", ""),
            )
            user = login.admitted(unit, visitor, login.Verified(user.id, hashed), means="register")
            token = browser_session.open_session(unit, user)
    except (Forbidden, InvalidInput, Conflict, TooManyRequests) as refusal:
        return _page(refusal)
    setup.finish(settings)
    browser_session.begin(token)
    return browser_session.go("/set-up/begin")


@blueprint.get("/set-up/begin")
@requires_page(Permission.SETTINGS_WRITE)
def begin() -> BaseResponse:
    """Offer a file, the demo, or an empty box; a box that has data goes to its home page."""
    with read_unit() as session:
        step = demo.next_step(session)
    if step is None or step.name != "begin":
        return redirect("/", 303)
    person = signed_in_actor()
    html = render_template("begin.html", name=person.name or person.email, import_address="/data/import")
    return current_app.make_response(html)


@blueprint.post("/set-up/demo")
@requires_page(Permission.SETTINGS_WRITE)
def load_demo() -> BaseResponse:
    """Queue the demo, and go to the home page, which follows it."""
    try:
        with unit_of_work() as session:
            demo_job.request(session, signed_in_actor())
    except Conflict as refusal:
        flash(refusal.message, "bad")
        return browser_session.go("/")
    flash("The demo is complete in some minutes.", "good")
    return browser_session.go("/")


def _page(refusal: RetainStreamError | None = None) -> Response:
    given = {name: request.form.get(name, "")[:254] for name in ("code", "email", "name")}
    problems = dict(refusal.fields) if refusal else {}
    if isinstance(refusal, Forbidden):
        problems["code"] = [refusal.message]
    message = refusal.message if refusal and not problems else ""
    html = render_template("set_up.html", given=given, problems=problems, message=message)
    response = current_app.make_response(
        (html, 200 if refusal is None else 429 if isinstance(refusal, TooManyRequests) else 422)
    )
    if refusal is not None and refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
