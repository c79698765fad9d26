"""Logging in and out: the password check with its lock-out, and refresh tokens that change at every use."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import TooManyRequests, Unauthenticated
from retainstream.lib import clock
from retainstream.lib.identifiers import hash_token, new_id, new_token
from retainstream.models import RefreshToken, TokenFamily, User
from retainstream.security import access_tokens
from retainstream.security.actor import Actor
from retainstream.security.lockout import LoginGate
from retainstream.security.passwords import LONGEST, verify_password
from retainstream.services import audit
from retainstream.services.access.accounts import end_everything

WRONG = "The e-mail address or the password is not right."


@dataclass(frozen=True)
class TokenPair:
    """An access token with the seconds it holds, and the refresh token that gets the next pair once."""

    access: str
    refresh: str
    expires_in: int

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
        }


@dataclass(frozen=True)
class Verified:
    """A person whose password was right a moment ago; the hash tells whether that still counts when the writing unit begins."""

    user_id: int
    password_hash: str


def check_password(settings: Settings, gate: LoginGate, actor: Actor, email: str, password: str) -> Verified:
    """Return whose password it was. Opens its own units, a read before the slow comparison and a write for a refusal, so call it outside of any.

    A try is counted before the comparison, so that tries at the same moment in several workers cannot exceed the limit. A right password gives the
    account its tries back, and the address the one it used.

    Parameters
    ----------
    actor : Actor
        Nobody yet; carries the request's id and the address that tries are counted for.

    Raises
    ------
    TooManyRequests
        When the account or the address has used up its tries; then even the right password is not looked at.
    Unauthenticated
        For an unknown address, a wrong password and a deactivated account alike, after the same work.
    """
    account = email.strip().lower()
    try:
        gate.admit(account, actor.address or "")
    except TooManyRequests:
        _refuse(actor, None, "login.locked")
        raise
    with read_unit() as session:
        found = session.execute(select(User.id, User.password_hash, User.active).where(User.email == account)).first()
    right = verify_password(password[: LONGEST + 1], found.password_hash if found else None, settings.bcrypt_cost)
    if found is None or not right or not found.active:
        _refuse(actor, found.id if found else None, "login.try")
        raise Unauthenticated(WRONG)
    gate.forgive(account, actor.address or "")
    return Verified(found.id, found.password_hash)


def _refuse(actor: Actor, user_id: int | None, action: str) -> None:
    with unit_of_work() as session:
        audit.record(session, actor, action, "user" if user_id else None, user_id, outcome="refused")


def admitted(session: Session, actor: Actor, verified: Verified, *, means: str) -> User:
    """Return the user of a checked password and note the log-in; raises Unauthenticated when account or password changed meanwhile."""
    user = session.get(User, verified.user_id)
    if user is None or not user.active or user.password_hash != verified.password_hash:
        raise Unauthenticated(WRONG)
    user.last_login_at = clock.now_us()
    audit.record(session, replace(actor, user_id=user.id), "login.succeed", "user", user.id, fields=[means])
    session.flush()
    return user


def issue_tokens(session: Session, settings: Settings, user: User) -> TokenPair:
    """Return the first pair of a new log-in (family)."""
    family = TokenFamily(id=new_id(), user_id=user.id, created_at=clock.now_us())
    session.add(family)
    session.flush()
    return _next_pair(session, settings, user, family.id)


def _next_pair(session: Session, settings: Settings, user: User, family_id: str) -> TokenPair:
    now = clock.now_us()
    refresh = new_token("rr_")
    expires_at = now + settings.refresh_days * clock.DAY_US
    session.add(RefreshToken(family_id=family_id, token_hash=hash_token(refresh), issued_at=now, expires_at=expires_at))
    session.flush()
    lifetime = settings.access_minutes * 60
    key = access_tokens.signing_key(settings.resolved_secret_key())
    access = access_tokens.issue(key, user_id=user.id, epoch=user.epoch, family_id=family_id, lifetime_seconds=lifetime)
    return TokenPair(access, refresh, lifetime)


def refresh_tokens(session: Session, settings: Settings, actor: Actor, token: str) -> TokenPair | None:
    """Return the next pair and use `token` up; None when it does not hold.

    A token that comes a second time has been stolen, by whoever came first or second: the whole family is revoked. That must be kept, so the edge
    commits and refuses afterwards instead of this raising.
    """
    found = session.execute(
        select(RefreshToken, TokenFamily, User)
        .join(TokenFamily, TokenFamily.id == RefreshToken.family_id)
        .join(User, User.id == TokenFamily.user_id)
        .where(RefreshToken.token_hash == hash_token(token))
    ).first()
    if found is None:
        audit.record(session, actor, "login.refresh", outcome="refused")
        return None
    row, family, user = found
    person = replace(actor, user_id=user.id)
    now = clock.now_us()
    if row.used_at is not None and family.revoked_at is None:
        family.revoked_at, family.revoked_reason = now, "reuse"
        audit.record(session, person, "login.reuse", "user", user.id, outcome="refused")
    elif row.used_at is not None or family.revoked_at is not None or row.expires_at <= now or not user.active:
        audit.record(session, person, "login.refresh", "user", user.id, outcome="refused")
    else:
        row.used_at = now
        audit.record(session, person, "login.refresh", "user", user.id)
        return _next_pair(session, settings, user, family.id)
    session.flush()
    return None


def log_out(session: Session, actor: Actor, *, everywhere: bool = False) -> None:
    """End the log-in that the caller's access token came from, or with `everywhere` all log-ins and browser sessions of the person."""
    if everywhere:
        end_everything(session, session.get_one(User, actor.user_id))
    elif actor.family_id is not None:
        families = update(TokenFamily).where(TokenFamily.id == actor.family_id, TokenFamily.revoked_at.is_(None))
        session.execute(families.values(revoked_at=clock.now_us(), revoked_reason="log-out"))
    audit.record(session, actor, "logout.everywhere" if everywhere else "logout.here", "user", actor.user_id)
    session.flush()
