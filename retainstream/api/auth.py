"""Registering, logging in and out, and the caller's own API tokens."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request

from retainstream.api.authentication import nobody
from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, path_id, public, requires
from retainstream.api.idempotency import idempotent
from retainstream.api.limits import GATE
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Forbidden, Unauthenticated
from retainstream.schemas.auth import (
    ApiTokenListSchema,
    FreshApiTokenSchema,
    LoginSchema,
    LogoutSchema,
    MeSchema,
    NewApiTokenSchema,
    RefreshSchema,
    RegisterSchema,
    SignedInSchema,
    TokenPairSchema,
)
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.security.permissions import Permission
from retainstream.services.access import accounts, api_tokens, login, setup

blueprint = ApiBlueprint("auth", "/auth", "Registering, logging in, API tokens")


def _secret(payload: dict[str, object], status: int = 200) -> Response:
    """Answer what no cache may keep."""
    return json_response(payload, status, {"Cache-Control": "no-store"})


@blueprint.route("/register", methods=["POST"])
@public
@blueprint.arguments(RegisterSchema)
@blueprint.response(201, SignedInSchema)
def register(data: dict[str, Any]) -> Response:
    """Register. The first account needs the set-up code and becomes administrator; later ones need an invitation unless registration is open."""
    settings, newcomer = box_settings(), nobody(request)
    hashed = accounts.checked_hash(settings, data["email"], data["password"])
    with unit_of_work() as session:
        user = accounts.register(
            session,
            settings,
            newcomer,
            email=data["email"],
            name=data["name"],
            password_hash=hashed,
            setup_code=data["setup_code"],
            invitation=data["invitation"],
        )
        verified = login.Verified(user.id, hashed)
        user = login.admitted(session, newcomer, verified, means="register")
        pair = login.issue_tokens(session, settings, user)
        answer = pair.to_dict() | {"user": accounts.present(user)}
    setup.finish(settings)
    return _secret(answer, 201)


@blueprint.route("/login", methods=["POST"])
@public
@blueprint.arguments(LoginSchema)
@blueprint.response(200, SignedInSchema)
def log_in(data: dict[str, Any]) -> Response:
    """Log in with e-mail and password. Too many tries lock the account and the address for a while (429 with Retry-After)."""
    settings, newcomer = box_settings(), nobody(request)
    verified = login.check_password(settings, current_app.extensions[GATE], newcomer, data["email"], data["password"])
    with unit_of_work() as session:
        user = login.admitted(session, newcomer, verified, means="api")
        pair = login.issue_tokens(session, settings, user)
        answer = pair.to_dict() | {"user": accounts.present(user)}
    return _secret(answer)


@blueprint.route("/refresh", methods=["POST"])
@public
@blueprint.arguments(RefreshSchema)
@blueprint.response(200, TokenPairSchema)
def refresh(data: dict[str, Any]) -> Response:
    """Change a refresh token for a fresh pair. It holds for one use: showing it again ends the whole log-in."""
    with unit_of_work() as session:
        pair = login.refresh_tokens(session, box_settings(), nobody(request), data["refresh_token"])
    if pair is None:
        raise Unauthenticated("The refresh token is unknown, expired, revoked or was used before; log in again.")
    return _secret(pair.to_dict())


@blueprint.route("/logout", methods=["POST"])
@requires(Permission.DASHBOARD_READ)
@blueprint.arguments(LogoutSchema, required=False)
@blueprint.response(204)
def log_out(data: dict[str, Any]) -> None:
    """End this log-in: its access and refresh tokens stop holding at once. With `everywhere` all log-ins and browser sessions end."""
    if actor().kind == "api_token":
        raise Forbidden("An API token is revoked at /api/v1/auth/tokens, not logged out.")
    with unit_of_work() as session:
        login.log_out(session, actor(), everywhere=data.get("everywhere", False))


@blueprint.route("/me", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, MeSchema)
def me() -> Response:
    """Tell who the caller is and what the token shown may do."""
    caller = actor()
    with read_unit() as session:
        user = accounts.present(accounts.get(session, caller.user_id or 0))
    permissions = sorted(permission.value for permission in caller.permissions)
    return json_response({"user": user, "permissions": permissions, "means": caller.kind})


@blueprint.route("/tokens", methods=["GET"])
@requires(Permission.TOKENS_OWN)
@blueprint.arguments(PageQuerySchema, location="query")
@blueprint.response(200, ApiTokenListSchema)
def list_tokens(query: dict[str, Any]) -> Response:
    """List the caller's own API tokens, newest first."""
    with read_unit() as session:
        return json_response(api_tokens.tokens(session, actor(), page_request(query)).to_dict())


@blueprint.route("/tokens", methods=["POST"])
@requires(Permission.TOKENS_OWN)
@idempotent(secret=True)
@blueprint.arguments(NewApiTokenSchema)
@blueprint.response(201, FreshApiTokenSchema)
def create_token(data: dict[str, Any]) -> Response:
    """Make an API token. Its secret is in this answer and nowhere else."""
    with unit_of_work() as session:
        row, secret = api_tokens.create(session, actor(), name=data["name"], scopes=data["scopes"], days=data["days"])
        answer = api_tokens.present(row) | {"token": secret}
    return _secret(answer, 201)


@blueprint.route("/tokens/<token_id>", methods=["DELETE"])
@requires(Permission.TOKENS_OWN)
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorSchema, description="The caller has no such token.")
def revoke_token(token_id: str) -> None:
    """Revoke one of the caller's own API tokens."""
    with unit_of_work() as session:
        api_tokens.revoke(session, actor(), path_id(token_id, "token"))
