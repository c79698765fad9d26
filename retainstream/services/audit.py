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
    target_id: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Page:
    """Return entries, newest first.

    Parameters
    ----------
    target_id : str, optional
        Only entries about this thing; means something together with `target_kind`.
    since, until : int, optional
        Only entries from this instant on and before that one, microseconds UTC.

    Raises
    ------
    InvalidInput
        For a cursor of another list.
    """
    conditions = []
    if action:
        conditions.append(AuditEntry.action == action)
    if user_id is not None:
        conditions.append(AuditEntry.actor_user_id == user_id)
    if target_kind:
        conditions.append(AuditEntry.target_kind == target_kind)
    if target_id is not None:
        conditions.append(AuditEntry.target_id == str(target_id))
    if since is not None:
        conditions.append(AuditEntry.at >= since)
    if until is not None:
        conditions.append(AuditEntry.at < until)
    total = session.scalar(select(func.count()).select_from(AuditEntry).where(*conditions)) or 0
    query = select(AuditEntry, User.email).outerjoin(User, User.id == AuditEntry.actor_user_id).where(*conditions)
    rows, following = page_by_id(session, query, AuditEntry.id, "audit", request)
    return Page([_present(entry, email) for entry, email in rows], following, total)


def actions(session: Session) -> list[str]:
    """Return every action that stands in the trail, sorted. Steps from one to the next in the index, so a long trail costs no more."""
    found: list[str] = []
    following = session.scalar(select(func.min(AuditEntry.action)))
    while following is not None:
        found.append(following)
        following = session.scalar(select(func.min(AuditEntry.action)).where(AuditEntry.action > following))
    return found


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
