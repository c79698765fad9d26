"""Signed-in browsers. The cookie holds a random token, the row its hash, so that every session can be listed and ended from here."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotFound
from retainstream.lib import clock
from retainstream.lib.identifiers import hash_token, new_token
from retainstream.models import User, UserSession
from retainstream.security.actor import Actor
from retainstream.services import audit
from retainstream.services.access import resolve


def create(session: Session, settings: Settings, user: User, *, user_agent: str = "", address: str = "") -> str:
    """Return the token for the cookie of a fresh session; it is not kept anywhere."""
    now = clock.now_us()
    token = new_token()
    session.add(
        UserSession(
            user_id=user.id,
            token_hash=hash_token(token),
            epoch=user.epoch,
            created_at=now,
            last_seen_at=now,
            expires_at=now + settings.session_days * clock.DAY_US,
            user_agent=user_agent[:300],
            address=address[:64],
        )
    )
    session.flush()
    return token


def find(session: Session, token: str) -> tuple[Actor, bool] | None:
    """Return the person of a cookie's token, and whether `touch` is due (at most once an hour); None when the session does not hold."""
    return resolve.by_session(session, token)


def touch(session: Session, session_id: int) -> None:
    """Note that the session was used just now."""
    session.execute(update(UserSession).where(UserSession.id == session_id).values(last_seen_at=clock.now_us()))


def open_sessions(session: Session, user_id: int) -> list[dict[str, object]]:
    """Return a person's sessions that still hold, the last used first."""
    query = select(UserSession).where(
        UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.expires_at > clock.now_us()
    )
    return [
        {
            "id": row.id,
            "created_at": clock.iso(row.created_at),
            "last_seen_at": clock.iso(row.last_seen_at),
            "expires_at": clock.iso(row.expires_at),
            "user_agent": row.user_agent,
            "address": row.address,
        }
        for row in session.scalars(query.order_by(UserSession.last_seen_at.desc(), UserSession.id.desc()))
    ]


def revoke(session: Session, actor: Actor, session_id: int) -> None:
    """End one of the actor's own sessions; raises NotFound for one that is not theirs."""
    row = session.get(UserSession, session_id)
    if row is None or row.user_id != actor.user_id:
        raise NotFound("There is no such session.")
    if row.revoked_at is None:
        row.revoked_at = clock.now_us()
    audit.record(session, actor, "logout.session", "session", session_id)
    session.flush()


def revoke_others(session: Session, actor: Actor) -> int:
    """End all of the actor's sessions but the one that asks, and return how many; log-ins of scripts and API tokens stay."""
    others = session.scalars(
        select(UserSession).where(
            UserSession.user_id == actor.user_id,
            UserSession.id != (actor.session_id or 0),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > clock.now_us(),
        )
    ).all()
    for row in others:
        row.revoked_at = clock.now_us()
    if others:
        audit.record(session, actor, "logout.others", "user", actor.user_id)
    session.flush()
    return len(others)
