"""The caller's own sessions and log-ins, and the caller's own password. Logging in and out, and API tokens, are `api.auth`."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request

from retainstream.api.authentication import nobody
from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires
from retainstream.api.limits import GATE
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, Unauthenticated
from retainstream.schemas.auth import EndedSchema, PasswordChangeSchema, SessionListSchema, TokenPairSchema
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services.access import accounts, log_ins, login

blueprint = ApiBlueprint("sessions", "/auth/sessions", "What you are signed in with")
password_blueprint = ApiBlueprint("password", "/auth/password", "Your own password")


@blueprint.route("", methods=["GET"])
@requires(Permission.TOKENS_OWN)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, SessionListSchema)
def list_sessions(query: dict[str, Any]) -> Response:
    """List your browser sessions and log-ins, the last used first; `current` is what this call came by. API tokens are at /auth/tokens."""
    with read_unit() as session:
        return json_response(log_ins.listed(session, actor(), page_request(query)).to_dict())


@blueprint.route("", methods=["DELETE"])
@requires(Permission.TOKENS_OWN)
@blueprint.response(200, EndedSchema)
def end_others() -> Response:
    """End all of your sessions and log-ins but the one that this call comes by; API tokens stay."""
    with unit_of_work() as session:
        return json_response({"ended": log_ins.end_others(session, actor())})


@blueprint.route("/<session_id>", methods=["DELETE"])
@requires(Permission.TOKENS_OWN)
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorSchema, description="The caller has no such session.")
def end_session(session_id: str) -> None:
    """End one of your sessions or log-ins; the one that this call comes by, too."""
    with unit_of_work() as session:
        log_ins.end(session, actor(), session_id)


@password_blueprint.route("", methods=["POST"])
@requires(Permission.TOKENS_OWN)
@password_blueprint.arguments(PasswordChangeSchema)
@password_blueprint.response(200, TokenPairSchema)
@password_blueprint.alt_response(409, schema=ErrorSchema, description="The password was changed a moment ago.")
def change_password(data: dict[str, Any]) -> Response:
    """Change your password. Every session and log-in ends, this one too: the answer holds a fresh pair. API tokens stay."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    caller, gate = actor(), current_app.extensions[GATE]
    try:
        # Through the gate of the log-in, so that a token that leaked is no way to guess without end.
        verified = login.check_password(settings, gate, nobody(request), caller.email, data["current_password"])
    except Unauthenticated:
        # 401 would say that the token does not hold.
        raise InvalidInput(
            "The current password is not right.", fields={"current_password": ["your current password"]}
        ) from None
    hashed = accounts.checked_hash(settings, caller.email, data["password"])
    with unit_of_work() as session:
        user = accounts.change_password(session, caller, verified.password_hash, hashed)
        pair = login.issue_tokens(session, settings, user)
    return json_response(pair.to_dict(), 200, {"Cache-Control": "no-store"})
