"""Writing and reading the audit trail. Entries hold surrogate ids and field names, never values."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import Page, decode_last_id, encode_cursor
from retainstream.models import AuditEntry, User
from retainstream.security.actor import Actor


def record(
    session: Session,
    actor: Actor,
    action: str,
    target_kind: str | None = None,
    target_id: int | str | None = None,
    *,
    fields: Iterable[str] = (),
    outcome: str = "done",
) -> None:
    """Append one entry in the caller's unit of work.

    Parameters
    ----------
    action : str
        Noun and verb with a dot, such as `customer.erase`.
    fields : iterable of str
        Names of the fields that were written; their values never come here.
    outcome : str
        `done` or `refused`.
    """
    session.add(
        AuditEntry(
            at=clock.now_us(),
            actor_kind=actor.kind,
            actor_user_id=actor.user_id,
            api_token_id=actor.api_token_id,
            action=action,
            target_kind=target_kind,
            target_id=None if target_id is None else str(target_id),
            outcome=outcome,
            fields=sorted(fields),
            request_id=actor.request_id,
            address=actor.address,
        )
    )


def entries(
    session: Session,
    *,
    action: str | None = None,
    user_id: int | None = None,
    target_kind: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
    offset: int = 0,
) -> Page:
    """Return entries, newest first; raises InvalidInput for a cursor of another list."""
    conditions = []
    if action:
        conditions.append(AuditEntry.action == action)
    if user_id is not None:
        conditions.append(AuditEntry.actor_user_id == user_id)
    if target_kind:
        conditions.append(AuditEntry.target_kind == target_kind)
    total = session.scalar(select(func.count()).select_from(AuditEntry).where(*conditions)) or 0
    query = select(AuditEntry, User.email).outerjoin(User, User.id == AuditEntry.actor_user_id).where(*conditions)
    if cursor:
        try:
            last = decode_last_id(cursor, "audit")
        except ValueError as bad:
            raise InvalidInput("The cursor does not belong to this list.", fields={"cursor": [str(bad)]}) from bad
        query = query.where(AuditEntry.id < last)
    rows = session.execute(query.order_by(AuditEntry.id.desc()).offset(offset).limit(limit + 1)).all()
    more = rows[limit - 1][0].id if len(rows) > limit else None
    items: list[dict[str, object]] = [
        {
            "id": entry.id,
            "at": clock.iso(entry.at),
            "actor": {
                "kind": entry.actor_kind,
                "user_id": entry.actor_user_id,
                "email": email,
                "api_token_id": entry.api_token_id,
            },
            "action": entry.action,
            "target": None if entry.target_kind is None else {"kind": entry.target_kind, "id": entry.target_id},
            "outcome": entry.outcome,
            "fields": entry.fields,
            "request_id": entry.request_id,
            "address": entry.address,
        }
        for entry, email in rows[:limit]
    ]
    return Page(items, encode_cursor("audit", [more]) if more is not None else None, total)
