"""From a request's headers to the Actor. Cookies are refused here, which is why the API needs no CSRF token."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from flask import Request, current_app, g

from retainstream.db import unit_of_work
from retainstream.errors import Busy, Unauthenticated
from retainstream.security import access_tokens
from retainstream.security.actor import Actor
from retainstream.services.access import api_tokens, resolve


def nobody(request: Request) -> Actor:
    """Return the actor of a request before anybody is known: no permissions, but an address and a request id for the audit."""
    return Actor(kind="anonymous", permissions=frozenset(), request_id=g.get("request_id"), address=request.remote_addr)


def authenticate(request: Request) -> Actor:
    """Return the caller; looked up once a request.

    Raises
    ------
    Unauthenticated
        When there is neither a bearer token nor an API key, or what came does not hold.
    """
    if "caller" not in g:
        try:
            g.caller = _look_up(request)
        except Unauthenticated as refusal:
            g.caller = refusal
    if isinstance(g.caller, Unauthenticated):
        raise g.caller
    caller: Actor = g.caller
    return caller


def signed_in(request: Request) -> Actor | None:
    """Return the caller, or None when nobody is or what they showed does not hold."""
    try:
        return authenticate(request)
    except Unauthenticated:
        return None


def _look_up(request: Request) -> Actor:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme and scheme.lower() != "bearer":
        raise Unauthenticated("Send 'Authorization: Bearer <token>'; no other scheme is understood.")
    token = token or request.headers.get("X-API-Key", "").strip()
    if not token:
        raise Unauthenticated("Log in first: send an access token or an API token as 'Authorization: Bearer <token>'.")
    if token.startswith(api_tokens.PREFIX):
        found = _by_api_token(token)
    else:
        found = resolve.by_claims(
            access_tokens.read(access_tokens.signing_key(current_app.config["SECRET_KEY"]), token)
        )
    return replace(found, request_id=g.get("request_id"), address=request.remote_addr)


def _by_api_token(token: str) -> Actor:
    found, touch_due = resolve.by_api_token(token)
    if touch_due and found.api_token_id is not None:
        # A busy database must not refuse a reader for the sake of this note; the next request writes it.
        with contextlib.suppress(Busy), unit_of_work() as session:
            api_tokens.touch(session, found.api_token_id)
    return found
