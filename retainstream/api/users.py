"""People who may sign in: listing, inviting, changing, deactivating, and one-time password links."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request

from retainstream.api.authentication import nobody
from retainstream.api.base import (
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    path_id,
    public,
    requires,
    with_etag,
)
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.schemas.users import (
    InviteSchema,
    LeaveSchema,
    ResetSchema,
    UserChangeSchema,
    UserListSchema,
    UserSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.access import accounts

reset_blueprint = ApiBlueprint("reset", "/auth/reset", "A new password by one-time token")
blueprint = ApiBlueprint("users", "/users", "People who may sign in")
_NO_USER = "There is no such user."


def _shown_once(leave: accounts.Leave) -> Response:
    payload = {"token": leave.token, "email": leave.email, "expires_at": clock.iso(leave.expires_at)}
    return json_response(payload, 201, {"Cache-Control": "no-store"})


@blueprint.route("", methods=["GET"])
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, UserListSchema)
def list_users(query: dict[str, Any]) -> Response:
    """List users in the order in which they came."""
    with read_unit() as session:
        return with_etag(accounts.users(session, page_request(query)).to_dict())


@blueprint.route("", methods=["POST"])
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(InviteSchema)
@blueprint.response(201, LeaveSchema)
def invite(data: dict[str, Any]) -> Response:
    """Invite somebody. The token is in this answer and nowhere else; it holds for seven days and this address."""
    with unit_of_work() as session:
        leave = accounts.invite(session, actor(), email=data["email"], role=data["role"])
    return _shown_once(leave)


@blueprint.route("/<user_id>", methods=["PATCH"])
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(UserChangeSchema)
@blueprint.response(200, UserSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_USER)
def change(data: dict[str, Any], user_id: str) -> Response:
    """Change name, role or whether the account is active. The last active administrator stays one (409)."""
    with unit_of_work() as session:
        answer = accounts.present(accounts.change(session, actor(), path_id(user_id, "user"), **data))
    return json_response(answer)


@blueprint.route("/<user_id>", methods=["DELETE"])
@requires(Permission.USERS_MANAGE)
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_USER)
def deactivate(user_id: str) -> None:
    """Deactivate an account: its log-ins, sessions and API tokens end at once. The row stays, for the audit."""
    with unit_of_work() as session:
        accounts.change(session, actor(), path_id(user_id, "user"), active=False)


@blueprint.route("/<user_id>/reset", methods=["POST"])
@requires(Permission.USERS_MANAGE)
@blueprint.response(201, LeaveSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_USER)
def start_reset(user_id: str) -> Response:
    """Make a one-time token with which the person chooses a new password within a day."""
    with unit_of_work() as session:
        leave = accounts.start_reset(session, actor(), path_id(user_id, "user"))
    return _shown_once(leave)


@reset_blueprint.route("", methods=["POST"])
@public
@reset_blueprint.arguments(ResetSchema)
@reset_blueprint.response(204)
def finish_reset(data: dict[str, Any]) -> None:
    """Choose a new password by one-time token; everything that is open for the account ends."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        email = accounts.reset_email(session, data["token"])
    hashed = accounts.checked_hash(settings, email, data["password"])
    with unit_of_work() as session:
        accounts.finish_reset(session, nobody(request), data["token"], hashed)
