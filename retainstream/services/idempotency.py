"""Idempotency keys: the first call with a key does the work, a repeated one gets its answer. Answers live for a day; secrets are never kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.models import IdempotencyKey
from retainstream.security.actor import Actor

LIFE_US = clock.DAY_US
ABANDONED_US = clock.HOUR_US
"""A first call that has not ended after this long died with its process; the next call with its key does the work."""


@dataclass(frozen=True)
class Answer:
    """What the first call was answered: status, JSON body, and the Location header where it had one."""

    status: int
    body: str
    location: str | None


@dataclass(frozen=True)
class Claim:
    """A key that this call holds until `keep` or `free`."""

    row_id: int


def begin(session: Session, actor: Actor, *, route: str, key: str, request_hash: str) -> Claim | Answer:
    """Return a claim when the work is to be done, or the answer when it was done before.

    Parameters
    ----------
    route : str
        Method and rule; the same key on another route is another key.
    request_hash : str
        Hash of everything that the caller sent.

    Raises
    ------
    InvalidInput
        When the key came before with another request.
    Conflict
        When the first call still runs, or its answer held a secret that was not kept.
    """
    now = clock.now_us()
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - LIFE_US))
    mine = (IdempotencyKey.user_id == actor.user_id, IdempotencyKey.route == route, IdempotencyKey.key == key)
    row = session.scalar(select(IdempotencyKey).where(*mine))
    if row is None:
        row = IdempotencyKey(user_id=actor.user_id, route=route, key=key, request_hash=request_hash, created_at=now)
        session.add(row)
        session.flush()
        return Claim(row.id)
    if row.request_hash != request_hash:
        raise InvalidInput(
            "This Idempotency-Key came before with another request; use a new key.",
            fields={"Idempotency-Key": ["a key of this very request"]},
        )
    if row.status is None and row.created_at < now - ABANDONED_US:
        row.created_at = now
        session.flush()
        return Claim(row.id)
    if row.status is None:
        raise Conflict("The first call with this Idempotency-Key still runs; ask again in a moment.", retry_after=2)
    if row.body is None:
        raise Conflict(
            "The first call with this Idempotency-Key was answered with a secret, which is shown once and not kept."
        )
    return Answer(row.status, row.body, row.location)


def keep(session: Session, claim: Claim, *, status: int, body: str | None, location: str | None) -> None:
    """Keep the answer of a claimed key; `body` is None for one that held a secret."""
    row = session.get(IdempotencyKey, claim.row_id)
    if row is not None:
        row.status, row.body, row.location = status, body, location
        session.flush()


def free(session: Session, claim: Claim) -> None:
    """Give a claimed key back: the call failed, so the next one with the key does the work."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.id == claim.row_id))
