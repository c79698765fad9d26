"""API tokens of the signed-in person: made with a name, scopes and an end, shown once, listed, revoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services.access import api_tokens
from retainstream.web import frame, settings_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for

blueprint = Blueprint("web_settings_tokens", __name__)
LONGEST_NAME = 100
PAGE = 50
LIVES = (("90", "90 days"), ("30", "30 days"), ("365", "a year"), ("", "no end"))
"""Days and words of the choice of an end."""


@blueprint.get("/settings/tokens")
@requires_page(Permission.TOKENS_OWN)
def show() -> BaseResponse:
    """List the tokens, with the form for a new one."""
    return _page()


def _page(
    problems: Mapping[str, Sequence[str]] | None = None, fresh: dict[str, Any] | None = None, status: int = 200
) -> BaseResponse:
    person = signed_in_actor()
    form = request.form
    chosen = form.getlist("scopes") if request.method == "POST" and fresh is None else None
    with read_unit() as session:
        page = api_tokens.tokens(session, person, PageRequest(PAGE, request.args.get("cursor") or None))
        return frame.page(
            session,
            "settings/tokens.html",
            here="settings",
            status=status,
            tabs_items=tabs_for(person),
            tokens=[_line(item) for item in page.items],
            following=f"/settings/tokens?cursor={page.next_cursor}" if page.next_cursor else "",
            total=page.total,
            scopes=settings_view.scope_choices(person.permissions, chosen),
            lives=LIVES,
            name="" if fresh else form.get("name", ""),
            days=form.get("days", LIVES[0][0]),
            fresh=fresh,
            problems=problems or {},
        )


def _line(token: dict[str, object]) -> dict[str, object]:
    expires = token["expires_at"]
    if token["revoked_at"]:
        state = "revoked"
    elif expires and str(expires) <= str(clock.iso(clock.now_us())):
        state = "expired"
    else:
        state = "live"
    return token | {"state": state, "may": settings_view.scope_words(token["scopes"])}  # type: ignore[arg-type]


@blueprint.post("/settings/tokens")
@requires_page(Permission.TOKENS_OWN)
def create() -> BaseResponse:
    """Make a token and show its secret, this once: nothing is redirected to, because nothing keeps it."""
    person = signed_in_actor()
    name, scopes, days = request.form.get("name", "").strip(), request.form.getlist("scopes"), request.form.get("days")
    problems: dict[str, list[str]] = {}
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        problems["name"] = [f"a name of 1 to {LONGEST_NAME} characters"]
    if days not in [value for value, _ in LIVES]:
        problems["days"] = ["one of the list"]
    if not scopes:
        problems["scopes"] = ["at least one; a token that may do nothing is of no use"]
    if problems:
        return _page(problems, status=422)
    try:
        with unit_of_work() as session:
            row, secret = api_tokens.create(session, person, name=name, scopes=scopes, days=int(days) if days else None)
            fresh = api_tokens.present(row)
    except InvalidInput as refusal:
        return _page(refusal.fields, status=422)
    except Conflict as refusal:
        return _page({"name": [refusal.message]}, status=409)
    address = request.host_url.rstrip("/") + settings_view.first_call(scopes)
    return _page(fresh=fresh | {"secret": secret, "call": f"curl -H 'X-API-Key: {secret}' '{address}'"}, status=201)


@blueprint.post("/settings/tokens/<int:token_id>/revoke")
@requires_page(Permission.TOKENS_OWN)
def revoke(token_id: int) -> BaseResponse:
    """End one of your tokens."""
    try:
        with unit_of_work() as session:
            api_tokens.revoke(session, signed_in_actor(), token_id)
    except NotFound as refusal:
        flash(refusal.message, "bad")
    else:
        flash("The token is revoked; scripts that use it are refused from now on.", "good")
    return go("/settings/tokens")
