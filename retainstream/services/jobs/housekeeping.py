"""Throwing away rows that nobody will ask for again: old answers, dead tokens and sessions, jobs of last season."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select
from sqlalchemy.orm import Session

from retainstream.db import Base
from retainstream.lib import clock
from retainstream.models import (
    IdempotencyKey,
    Invitation,
    JobRun,
    PasswordReset,
    RefreshToken,
    TokenFamily,
    UserSession,
)

IDEMPOTENCY_DAYS = 1
EXPIRED_DAYS = 7
"""Expired tokens and sessions stay this long, so that a late reuse is still told apart from an unknown token."""
JOB_DAYS = 90
HOUSEKEEPING_BATCH = 2000


def sweep_old_rows(session: Session) -> dict[str, int]:
    """Delete up to 2,000 old rows of each kind and return how many of each went; called again while any count is full."""
    now = clock.now_us()
    expired = now - EXPIRED_DAYS * clock.DAY_US
    return {
        "idempotency_keys": _delete(
            session, IdempotencyKey, IdempotencyKey.created_at < now - IDEMPOTENCY_DAYS * clock.DAY_US
        ),
        "refresh_tokens": _delete(session, RefreshToken, RefreshToken.expires_at < expired),
        "token_families": _delete(
            session,
            TokenFamily,
            (TokenFamily.created_at < expired)
            & ~select(RefreshToken.id).where(RefreshToken.family_id == TokenFamily.id).exists(),
        ),
        "user_sessions": _delete(session, UserSession, UserSession.expires_at < expired),
        "invitations": _delete(session, Invitation, Invitation.expires_at < expired),
        "password_resets": _delete(session, PasswordReset, PasswordReset.expires_at < expired),
        "job_runs": _delete(session, JobRun, JobRun.finished_at < now - JOB_DAYS * clock.DAY_US),
    }


def _delete(session: Session, model: type[Base], condition: ColumnElement[bool]) -> int:
    key = model.__mapper__.primary_key[0]
    doomed = select(key).where(condition).limit(HOUSEKEEPING_BATCH)
    result = session.execute(delete(model).where(key.in_(doomed)), execution_options={"synchronize_session": False})
    return int(cast("CursorResult[Any]", result).rowcount)
