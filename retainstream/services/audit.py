"""Writing and reading the audit trail. Entries hold surrogate ids and field names, never values."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import AuditEntry, User
from retainstream.security.actor import Actor
from retainstream.services.paging import page_by_id


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
    request: PageRequest = FIRST_PAGE,
    *,
    action: str | None = None,
    user_id: int | None = None,
    target_kind: str | None = None,
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
    rows, following = page_by_id(session, query, AuditEntry.id, "audit", request)
    return Page([_present(entry, email) for entry, email in rows], following, total)


def _present(entry: AuditEntry, email: str | None) -> dict[str, object]:
    return {
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
