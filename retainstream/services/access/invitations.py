"""Invitations that wait for an answer: listing them and taking them back. Making and accepting one is `accounts`."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import NotFound
from retainstream.lib import clock
from retainstream.models import Invitation
from retainstream.security.actor import Actor
from retainstream.services import audit


def waiting(session: Session) -> list[dict[str, object]]:
    """Return invitations that still hold, the newest first; their secrets are not kept."""
    query = select(Invitation).where(Invitation.used_at.is_(None), Invitation.expires_at > clock.now_us())
    return [
        {
            "id": row.id,
            "email": row.email,
            "role": row.role,
            "created_at": clock.iso(row.created_at),
            "expires_at": clock.iso(row.expires_at),
        }
        for row in session.scalars(query.order_by(Invitation.id.desc()))
    ]


def withdraw(session: Session, actor: Actor, invitation_id: int) -> str:
    """Let an invitation hold no longer and return whose it was; raises NotFound when there is none that waits."""
    row = session.get(Invitation, invitation_id)
    if row is None or row.used_at is not None:
        raise NotFound("This invitation was used or taken back already.")
    row.used_at = clock.now_us()
    audit.record(session, actor, "user.uninvite", "invitation", row.id)
    session.flush()
    return row.email
