"""Tokens for scripts: made by a person, shown once, holding no more than the person's own permissions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.identifiers import hash_token, new_token
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import ApiToken
from retainstream.security.actor import Actor
from retainstream.services import audit
from retainstream.services.paging import page_by_id

PREFIX = "rs_"
SHOWN = len(PREFIX) + 6
MOST = 50


def present(row: ApiToken) -> dict[str, object]:
    """Return a token without its secret."""
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "created_at": clock.iso(row.created_at),
        "expires_at": clock.iso(row.expires_at),
        "last_used_at": clock.iso(row.last_used_at),
        "revoked_at": clock.iso(row.revoked_at),
    }


def create(
    session: Session, actor: Actor, *, name: str, scopes: Sequence[str] | None = None, days: int | None = None
) -> tuple[ApiToken, str]:
    """Return a fresh token's row and its secret, which is not kept.

    Parameters
    ----------
    scopes : sequence of str, optional
        Names of permissions; all of the actor's own when absent.
    days : int, optional
        Life in days; without an end when absent.

    Raises
    ------
    InvalidInput
        For a scope that the actor does not hold: a token never widens its maker.
    Forbidden
        When an API token asks: one that leaked could otherwise outlive its end and its revocation in tokens of its own making.
    Conflict
        When the person has 50 live tokens already.
    """
    if actor.kind == "api_token":
        raise Forbidden("An API token cannot make another one; log in with e-mail and password for that.")
    own = {permission.value for permission in actor.permissions}
    wanted = own if scopes is None else set(scopes)
    if not wanted or wanted - own:
        expected = "one or more of your own permissions: " + ", ".join(sorted(own))
        raise InvalidInput("A token cannot hold more than you do, nor nothing.", fields={"scopes": [expected]})
    now = clock.now_us()
    live = (
        select(func.count())
        .select_from(ApiToken)
        .where(
            ApiToken.user_id == actor.user_id,
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
        )
    )
    if (session.scalar(live) or 0) >= MOST:
        raise Conflict(f"You have {MOST} tokens; revoke one first.")
    secret = new_token(PREFIX)
    row = ApiToken(
        user_id=actor.user_id,
        name=name.strip(),
        prefix=secret[:SHOWN],
        token_hash=hash_token(secret),
        scopes=sorted(wanted),
        created_at=now,
        expires_at=None if days is None else now + days * clock.DAY_US,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "token.create", "api_token", row.id, fields=["name", "scopes", "expires_at"])
    session.flush()
    return row, secret


def tokens(session: Session, actor: Actor, request: PageRequest = FIRST_PAGE) -> Page:
    """Return the actor's own tokens, revoked ones too, the newest first; raises InvalidInput for a cursor of another list."""
    mine = ApiToken.user_id == actor.user_id
    total = session.scalar(select(func.count()).select_from(ApiToken).where(mine)) or 0
    rows, following = page_by_id(session, select(ApiToken).where(mine), ApiToken.id, "tokens", request)
    return Page([present(row[0]) for row in rows], following, total)


def revoke(session: Session, actor: Actor, token_id: int) -> None:
    """End one of the actor's own tokens; raises NotFound for one that is not theirs."""
    row = session.get(ApiToken, token_id)
    if row is None or row.user_id != actor.user_id:
        raise NotFound("There is no such token.")
    if row.revoked_at is None:
        row.revoked_at = clock.now_us()
    audit.record(session, actor, "token.revoke", "api_token", token_id)
    session.flush()


def touch(session: Session, token_id: int) -> None:
    """Note that the token was used just now."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=clock.now_us()))
