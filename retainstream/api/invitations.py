"""Invitations that wait for an answer: listing, making and taking them back. Accepting one is registering, in `api.auth`."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, requires
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.schemas.users import InvitationListSchema, InviteSchema, LeaveSchema
from retainstream.security.permissions import Permission
from retainstream.services.access import accounts, invitations

blueprint = ApiBlueprint("invitations", "/invitations", "Who was invited and has not come yet")


@blueprint.route("", methods=["GET"])
@requires(Permission.USERS_MANAGE)
@blueprint.response(200, InvitationListSchema)
def list_invitations() -> Response:
    """List invitations that still hold, the newest first, all on one page. Their tokens are not kept."""
    with read_unit() as session:
        items = invitations.waiting(session)
    return json_response({"items": items, "next_cursor": None, "total": len(items)})


@blueprint.route("", methods=["POST"])
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(InviteSchema)
@blueprint.response(201, LeaveSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="The address has an account already.")
def invite(data: dict[str, Any]) -> Response:
    """Invite somebody, as POST /users does. The token is in this answer and nowhere else; an earlier invitation of the address ends."""
    with unit_of_work() as session:
        leave = accounts.invite(session, actor(), email=data["email"], role=data["role"])
    payload = {"token": leave.token, "email": leave.email, "expires_at": clock.iso(leave.expires_at)}
    return json_response(payload, 201, {"Cache-Control": "no-store"})


@blueprint.route("/<invitation_id>", methods=["DELETE"])
@requires(Permission.USERS_MANAGE)
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorSchema, description="No such invitation waits.")
def withdraw(invitation_id: str) -> None:
    """Take an invitation back; its token holds no longer."""
    with unit_of_work() as session:
        invitations.withdraw(session, actor(), path_id(invitation_id, "invitation"))
