"""Findings about the data: opened once for a subject, refreshed while they hold, closed when they no longer do.

A person may mute one that holds: it is known, and needs nobody. What muting does beyond that is `services.muting`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest, decode_cursor, encode_cursor, whole_id
from retainstream.models import Finding
from retainstream.services.paging import page_by_id, reading_cursor

STATES: Final = ("open", "muted", "closed")
SEVERITIES: Final = ("error", "warning", "info")
"""Gravest first."""
_BY_GRAVITY: Final = "findings-grave"
_gravity = case({name: rank for rank, name in enumerate(SEVERITIES)}, value=Finding.severity)


def hold(
    session: Session,
    kind: str,
    subject: str,
    message: str,
    *,
    severity: str = "warning",
    detail: Mapping[str, Any] | None = None,
    muted: bool | None = None,
) -> Finding:
    """Open a finding, or refresh the words of the one that holds for this subject already.

    Parameters
    ----------
    kind, subject : str
        What is wrong and with what; together they name a finding that holds.
    severity : {"info", "warning", "error"}
    muted : bool, optional
        For a kind whose muting follows its subject; None leaves it to the person who muted the finding.
    """
    now = clock.now_us()
    found = session.scalar(_holding(kind).where(Finding.subject == subject[:120]))
    if found is None:
        found = Finding(kind=kind, subject=subject[:120], opened_at=now, closed_at=None, muted_at=None)
        session.add(found)
    found.severity, found.message, found.detail, found.seen_at = severity, message, dict(detail or {}), now
    if muted is not None:
        set_muted(found, muted)
    session.flush()
    return found


def set_muted(found: Finding, muted: bool) -> None:
    """Mute a finding or let it count again; since when stays as it was for one that is muted already."""
    found.muted_at = (found.muted_at or clock.now_us()) if muted else None


def close_others(session: Session, kind: str, holding: Collection[str]) -> int:
    """Close the findings of a kind whose subjects are not among those that still hold; return how many."""
    subjects = {subject[:120] for subject in holding}
    closed = 0
    for found in session.scalars(_holding(kind)):
        if found.subject not in subjects:
            found.closed_at = clock.now_us()
            closed += 1
    session.flush()
    return closed


def _holding(kind: str) -> Select[Finding]:
    return select(Finding).where(Finding.kind == kind, Finding.closed_at.is_(None))


def listed(
    session: Session, request: PageRequest = FIRST_PAGE, *, state: str = "open", severity: str | None = None
) -> Page:
    """Return findings: those that hold gravest first and then newest, others newest first.

    Parameters
    ----------
    state : {"open", "muted", "closed", "all"}
        Open ones hold and are not muted.
    severity : {"info", "warning", "error"}, optional

    Raises
    ------
    InvalidInput
        For a cursor of another list.
    """
    conditions: list[ColumnElement[bool]] = [] if state == "all" else _of_state(state)
    if severity is not None:
        conditions.append(Finding.severity == severity)
    total = session.scalar(select(func.count()).select_from(Finding).where(*conditions)) or 0
    query = select(Finding).where(*conditions)
    if state in ("open", "muted"):
        return _by_gravity(session, query, request, total)
    rows, following = page_by_id(session, query, Finding.id, "findings", request)
    return Page([present(row[0]) for row in rows], following, total)


def _of_state(state: str) -> list[ColumnElement[bool]]:
    if state == "closed":
        return [Finding.closed_at.is_not(None)]
    muted = Finding.muted_at.is_not(None) if state == "muted" else Finding.muted_at.is_(None)
    return [Finding.closed_at.is_(None), muted]


def _by_gravity(session: Session, query: Select[Finding], request: PageRequest, total: int) -> Page:
    if request.cursor:
        with reading_cursor():
            rank, last = map(whole_id, decode_cursor(request.cursor, _BY_GRAVITY, 2))
        query = query.where(or_(_gravity > rank, and_(_gravity == rank, Finding.id < last)))
    ordered = query.order_by(_gravity, Finding.id.desc()).offset(request.offset).limit(request.limit + 1)
    rows = session.scalars(ordered).all()
    shown = rows[: request.limit]
    following = None
    if len(rows) > len(shown):
        following = encode_cursor(_BY_GRAVITY, [SEVERITIES.index(shown[-1].severity), shown[-1].id])
    return Page([present(row) for row in shown], following, total)


def counts(session: Session) -> dict[str, dict[str, int]]:
    """Return how many findings there are by state and severity, zeros included."""
    found = {state: dict.fromkeys(SEVERITIES, 0) for state in STATES}
    gone, muted = Finding.closed_at.is_not(None), Finding.muted_at.is_not(None)
    state = case((gone, "closed"), (muted, "muted"), else_="open")
    rows = session.execute(select(state, Finding.severity, func.count()).group_by(state, Finding.severity))
    for name, severity, number in rows:
        found[name][severity] = number
    return found


def state_of(found: Finding) -> str:
    """Return the state of a finding, one of `STATES`."""
    if found.closed_at is not None:
        return "closed"
    return "open" if found.muted_at is None else "muted"


def present(found: Finding) -> dict[str, object]:
    """Return a finding as the API shows it."""
    return {
        "id": found.id,
        "kind": found.kind,
        "subject": found.subject,
        "state": state_of(found),
        "severity": found.severity,
        "message": found.message,
        "detail": found.detail,
        "opened_at": clock.iso(found.opened_at),
        "seen_at": clock.iso(found.seen_at),
        "muted_at": clock.iso(found.muted_at),
        "closed_at": clock.iso(found.closed_at),
    }
