"""Everything that a person is signed in with, as one list: browser sessions, and log-ins by the API that can still be refreshed.

API tokens are not among them: they are made and revoked by name, in `api_tokens`. Sessions alone are `sessions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from retainstream.errors import NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import Page, PageRequest, decode_cursor, encode_cursor
from retainstream.models import RefreshToken, TokenFamily
from retainstream.security.actor import Actor
from retainstream.services import audit
from retainstream.services.access import sessions
from retainstream.services.paging import reading_cursor

_NAME = "log-ins"
_LONGEST_NUMBER = 18
"""Digits: a session is named by its number, a log-in by an id of 32 hexadecimal digits."""


def listed(session: Session, actor: Actor, request: PageRequest) -> Page:
    """Return what the actor is signed in with, the last used first, each with whether it is what the call came by.

    Raises
    ------
    InvalidInput
        For a cursor of another list.
    """
    found = sorted([*_browsers(session, actor), *_by_api(session, actor)], key=_order, reverse=True)
    rest = found[request.offset :]
    if request.cursor:
        with reading_cursor():
            last = [str(part) for part in decode_cursor(request.cursor, _NAME, 2)]
        rest = [item for item in found if _order(item) < (last[0], last[1])]
    shown = rest[: request.limit]
    following = encode_cursor(_NAME, [*_order(shown[-1])]) if len(rest) > len(shown) else None
    return Page(shown, following, len(found))


def _order(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item["last_seen_at"]), str(item["id"])


def _browsers(session: Session, actor: Actor) -> list[dict[str, object]]:
    return [
        item | {"id": str(item["id"]), "kind": "browser", "current": item["id"] == actor.session_id}
        for item in sessions.open_sessions(session, actor.user_id or 0)
    ]


def _by_api(session: Session, actor: Actor) -> list[dict[str, object]]:
    used, ends = func.max(RefreshToken.issued_at), func.max(RefreshToken.expires_at)
    query = (
        select(TokenFamily.id, TokenFamily.created_at, used, ends)
        .join(RefreshToken, RefreshToken.family_id == TokenFamily.id)
        .where(TokenFamily.user_id == actor.user_id, TokenFamily.revoked_at.is_(None))
        .group_by(TokenFamily.id)
        .having(ends > clock.now_us())
    )
    return [
        {
            "id": family,
            "kind": "api",
            "created_at": clock.iso(created),
            "last_seen_at": clock.iso(last),
            "expires_at": clock.iso(end),
            "user_agent": "",
            "address": "",
            "current": family == actor.family_id,
        }
        for family, created, last, end in session.execute(query)
    ]


def end(session: Session, actor: Actor, name: str) -> None:
    """End one of the actor's own, also the one that the call came by; raises NotFound for one that is not theirs."""
    if name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER:
        sessions.revoke(session, actor, int(name))
        return
    family = session.get(TokenFamily, name)
    if family is None or family.user_id != actor.user_id:
        raise NotFound("There is no such session.")
    if family.revoked_at is None:
        family.revoked_at, family.revoked_reason = clock.now_us(), "log-out"
    audit.record(session, actor, "logout.session", "token_family", name)
    session.flush()


def end_others(session: Session, actor: Actor) -> int:
    """End all of the actor's but the one that the call came by, and return how many; API tokens stay."""
    ended = sessions.revoke_others(session, actor)
    others = [item["id"] for item in _by_api(session, actor) if not item["current"]]
    if others:
        families = update(TokenFamily).where(
            TokenFamily.user_id == actor.user_id,
            TokenFamily.id != (actor.family_id or ""),
            TokenFamily.revoked_at.is_(None),
        )
        session.execute(families.values(revoked_at=clock.now_us(), revoked_reason="log-out"))
        audit.record(session, actor, "logout.others", "user", actor.user_id)
    session.flush()
    return ended + len(others)
