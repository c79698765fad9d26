"""Findings about the data: opened once for a subject, refreshed while they hold, closed when they no longer do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import Finding
from retainstream.services.paging import page_by_id


def hold(
    session: Session,
    kind: str,
    subject: str,
    message: str,
    *,
    severity: str = "warning",
    detail: Mapping[str, Any] | None = None,
) -> Finding:
    """Open a finding, or refresh the words of the one that is open for this subject already.

    Parameters
    ----------
    kind, subject : str
        What is wrong and with what; together they name an open finding.
    severity : {"info", "warning", "error"}
    """
    now = clock.now_us()
    found = session.scalar(_open(kind).where(Finding.subject == subject))
    if found is None:
        found = Finding(kind=kind, subject=subject[:120], opened_at=now, closed_at=None)
        session.add(found)
    found.severity, found.message, found.detail, found.seen_at = severity, message, dict(detail or {}), now
    session.flush()
    return found


def close_others(session: Session, kind: str, holding: Collection[str]) -> int:
    """Close the open findings of a kind whose subjects are not among those that still hold; return how many."""
    closed = 0
    for found in session.scalars(_open(kind)):
        if found.subject not in holding:
            found.closed_at = clock.now_us()
            closed += 1
    session.flush()
    return closed


def _open(kind: str) -> Select[Finding]:
    return select(Finding).where(Finding.kind == kind, Finding.closed_at.is_(None))


def listed(session: Session, request: PageRequest = FIRST_PAGE, *, state: str = "open") -> Page:
    """Return findings, newest first; raises InvalidInput for a cursor of another list.

    Parameters
    ----------
    state : {"open", "closed", "all"}
    """
    conditions: list[ColumnElement[bool]] = []
    if state != "all":
        conditions.append(Finding.closed_at.is_(None) if state == "open" else Finding.closed_at.is_not(None))
    total = session.scalar(select(func.count()).select_from(Finding).where(*conditions)) or 0
    rows, following = page_by_id(session, select(Finding).where(*conditions), Finding.id, "findings", request)
    return Page([_present(row[0]) for row in rows], following, total)


def _present(found: Finding) -> dict[str, object]:
    return {
        "id": found.id,
        "kind": found.kind,
        "subject": found.subject,
        "severity": found.severity,
        "message": found.message,
        "detail": found.detail,
        "opened_at": clock.iso(found.opened_at),
        "seen_at": clock.iso(found.seen_at),
        "closed_at": clock.iso(found.closed_at),
    }
