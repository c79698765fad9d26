"""Erasing one person: everything about them goes, counts and the audit's surrogate ids stay, and a keyed hash stops a re-import.

The edge calls `db.empty_log` after its commit, because old pages in the write-ahead log still hold the person, and `reports.files.sweep`, because
files of reports may hold them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.lib import clock
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import (
    AttributeVersion,
    Customer,
    ErasureEntry,
    Event,
    Exposure,
    IdempotencyKey,
    Identity,
    ImportBatch,
    ImportRowError,
    Label,
    LatestScore,
    Note,
    ReportFile,
    ScoreHistory,
    ScoreOutcome,
    Subscription,
    Task,
)
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.customers import views
from retainstream.services.customers.record import require

# Notes and tasks before what they point at, and the identity last: its deletion takes the search entry along.
REMOVED = (
    "Removed because a customer was erased, who may have been in it. Make the report again for a list without them."
)
_THEIRS = (
    LatestScore,
    ScoreHistory,
    ScoreOutcome,
    Note,
    Task,
    Exposure,
    Event,
    Subscription,
    Label,
    AttributeVersion,
    Identity,
)


def erase(session: Session, actor: Actor, user_id: str, *, key: bytes) -> dict[str, int]:
    """Remove a person's identity, attributes, labels, events, subscriptions, exposures, tasks, notes, scores, reasons, row errors and search entry.

    Parameters
    ----------
    key : bytes
        Key of the ledger's hash; the identifier itself is not kept.

    Returns
    -------
    dict
        How many rows of each table were removed.

    Raises
    ------
    NotFound
        For an unknown identifier.
    """
    actor.require(Permission.CUSTOMERS_ERASE)
    customer, identity = require(session, user_id)
    customer_id, exact = customer.id, identity.user_id
    signs = {sign for sign in (identity.name, identity.email, identity.phone) if sign}
    session.expunge_all()
    with dialect.overwriting(session):
        removed = _delete_rows(session, customer_id)
        removed[ImportRowError.__tablename__] = _blank_row_errors(session, exact, signs)
        _forget_previews(session, signs | {exact})
    views.forget(session, signs | {exact})
    _take_back_reports(session)
    session.merge(ErasureEntry(keyed_hash=keyed_hash(key, exact), erased_at=clock.now_us()))
    audit.record(session, actor, "customer.erase", "customer", customer_id)
    revisions.bump(session, "customers", "scores", "removals", "desk")
    session.flush()
    return removed


def _delete_rows(session: Session, customer_id: int) -> dict[str, int]:
    removed: dict[str, int] = {}
    for model in _THEIRS:
        result: CursorResult[Any] = session.execute(delete(model).where(model.customer_id == customer_id))  # type: ignore[assignment]
        removed[model.__tablename__] = result.rowcount
    session.execute(delete(Customer).where(Customer.id == customer_id))
    removed[Customer.__tablename__] = 1
    return removed


def _blank_row_errors(session: Session, user_id: str, signs: set[str]) -> int:
    """Empty the person's bad rows, which stay as counts of what was wrong; a row without an identifier is known by name, e-mail or phone."""
    cell = func.json_each(ImportRowError.cells).table_valued("value")
    theirs = or_(ImportRowError.user_id == user_id, select(1).select_from(cell).where(cell.c.value.in_(signs)).exists())
    rows = select(ImportRowError.batch_id, ImportRowError.line).where(theirs)
    blanked: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(ImportRowError)
        .where(tuple_(ImportRowError.batch_id, ImportRowError.line).in_(rows))
        .values(user_id=None, value=None, cells=None)
    )
    return blanked.rowcount


def _forget_previews(session: Session, signs: set[str]) -> None:
    """Drop what previews of files showed: kept answers (a repeated call previews anew), and the cells of lines that were taken for no customer."""
    previews = (IdempotencyKey.status == 200, IdempotencyKey.route.endswith("/import"))
    session.execute(delete(IdempotencyKey).where(*previews))
    # Kept answers about tasks name the customer; a repeated call finds the task taken, or ended.
    answers = (IdempotencyKey.status.is_not(None), IdempotencyKey.route.startswith("POST /api/v1/tasks"))
    session.execute(delete(IdempotencyKey).where(*answers))
    for batch in session.scalars(select(ImportBatch)):
        if any(signs & _cells(warning) for warning in batch.warnings):
            batch.warnings = [_without_cells(item) if signs & _cells(item) else item for item in batch.warnings]
    session.flush()


def _take_back_reports(session: Session) -> None:
    """Take every file with customers in it off the record: who is in which is not known."""
    session.execute(
        update(ReportFile)
        .where(ReportFile.holds != "figures", ReportFile.state == "made")
        .values(state="removed", path=None, error=REMOVED)
    )


def _cells(warning: dict[str, Any]) -> set[str]:
    return set((warning.get("detail") or {}).get("cells") or ())


def _without_cells(warning: dict[str, Any]) -> dict[str, Any]:
    return {**warning, "detail": {name: fact for name, fact in warning["detail"].items() if name != "cells"}}
