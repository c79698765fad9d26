"""Pages behind one-time links: accepting an invitation, and choosing a new password after an administrator started a reset."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, RetainStreamError
from retainstream.services.access import accounts, login
from retainstream.web import browser_session, error_pages
from retainstream.web.guards import public
from retainstream.web.sign_in import login_gate

blueprint = Blueprint("web_account", __name__)
LONGEST_NAME = 200


def name_of(form: Mapping[str, str]) -> str:
    """Return the name of a form; raises InvalidInput when it is blank or too long."""
    name = form.get("name", "").strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            "The name is not as expected.", fields={"name": [f"a name of 1 to {LONGEST_NAME} characters"]}
        )
    return name


@blueprint.errorhandler(Forbidden)
def dead_link(refusal: Forbidden) -> Response:
    """Say that a link does not hold: whoever has it may have no account, so it is no matter of roles."""
    return error_pages.page("This link does not hold", refusal)


@blueprint.get("/invitation/<token>")
@public
def show_invitation(token: str) -> Response:  # noqa: ARG001 - only sending the form looks at it, so that a mail scanner's visit is harmless
    """Show the form to an invited person."""
    return _invitation_page()


@blueprint.post("/invitation/<token>")
@public
def accept_invitation(token: str) -> BaseResponse:
    """Make the invited person's account and sign them in."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    visitor = browser_session.visitor()
    address = visitor.address or ""
    # The slow hash below must not be had for the asking.
    login_gate().admit(f"invitation:{token}", address)
    try:
        name, email = name_of(request.form), accounts.clean_email(request.form.get("email", ""))
        hashed = accounts.checked_hash(settings, email, request.form.get("password", ""))
        with unit_of_work() as unit:
            user = accounts.register(
                unit, settings, visitor, email=email, name=name, password_hash=hashed, invitation=token
            )
            user = login.admitted(unit, visitor, login.Verified(user.id, hashed), means="register")
            fresh = browser_session.open_session(unit, user)
    except (Forbidden, InvalidInput, Conflict) as refusal:
        return _invitation_page(refusal)
    login_gate().forgive(f"invitation:{token}", address)
    browser_session.begin(fresh)
    return browser_session.go("/")


@blueprint.get("/new-password/<token>")
@public
def show_new_password(token: str) -> Response:
    """Show the form for a new password; a link that does not hold gets the error page that says so."""
    return _new_password_page(token)


@blueprint.post("/new-password/<token>")
@public
def set_new_password(token: str) -> BaseResponse:
    """Set the new password and end everything that was open; the person signs in with it."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as unit:
        email = accounts.reset_email(unit, token)
    try:
        hashed = accounts.checked_hash(settings, email, request.form.get("password", ""))
    except InvalidInput as refusal:
        return _new_password_page(token, refusal)
    with unit_of_work() as unit:
        accounts.finish_reset(unit, browser_session.visitor(), token, hashed)
    return browser_session.go("/sign-in")


def _invitation_page(refusal: RetainStreamError | None = None) -> Response:
    given = {name: request.form.get(name, "")[:254] for name in ("email", "name")}
    problems = dict(refusal.fields) if refusal else {}
    html = render_template(
        "invitation.html", given=given, problems=problems, message=refusal.message if refusal and not problems else ""
    )
    return current_app.make_response((html, 200 if refusal is None else 422))


def _new_password_page(token: str, refusal: RetainStreamError | None = None) -> Response:
    with read_unit() as unit:
        email = accounts.reset_email(unit, token)
    html = render_template(
        "new_password.html", email=email, problems=dict(refusal.fields) if refusal else {}, message=""
    )
    return current_app.make_response((html, 200 if refusal is None else 422))
