"""One import or undo at a time: taking the rows of a batch away in short transactions, and tidying up what a killed job left behind.

The box runs one job at a time, so a batch that is half-way belongs to the running job or to a dead one.
"""

# ruff: noqa: S608 (the statements are put together from our own table names only)
from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

from sqlalchemy import CursorResult, select, text
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.lib import clock
from retainstream.models import ImportBatch, JobRun
from retainstream.services import revisions

CHUNK = 5_000
EVENTS_AT_ONCE = 20_000
Unit = Callable[[], AbstractContextManager[Session]]

_ABANDONED = "The import was interrupted too often and was given up; nothing of it was kept. Load the file again."
_EVENT_RANGE = text("SELECT first_event_id, last_event_id FROM import_batches WHERE id = :batch")
_DELETE_EVENTS = text("DELETE FROM events WHERE id BETWEEN :first AND :last AND batch_id = :batch")
# A load makes a kind before its first event of it, so that every event of a kind that it made has an id of the load or a later one.
_MADE_KINDS = (
    "FROM event_kinds WHERE created_at BETWEEN (SELECT created_at FROM import_batches WHERE id = :batch) "
    "AND (SELECT coalesce(applied_at, :now) FROM import_batches WHERE id = :batch)"
)
_FORGET_KINDS = text(f"DELETE {_MADE_KINDS} AND id NOT IN (SELECT kind_id FROM events WHERE id >= :first)")
_ANY_KINDS = text(f"SELECT 1 {_MADE_KINDS} LIMIT 1")
# Labels, versions and statements first: what a cascade would have to look for is gone when the customers follow.
_DELETIONS = tuple(
    text(
        f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE batch_id = :batch LIMIT :size) AND batch_id = :batch"
    )
    for table, key in (
        ("labels", "id"),
        ("attribute_versions", "id"),
        ("identity_changes", "customer_id"),
        ("subscriptions", "id"),
        ("customers", "id"),
    )
)


def purge(unit: Unit, batch_id: int, tick: Callable[[int], None] | None = None) -> int:
    """Delete every row that a batch made, at most 5,000 at a time, each time in a unit of its own; return how many.

    Its events are met by the range of ids that the batch notes while it is being applied. Scores, history and the search entry of its
    customers go with them. Row errors stay. May be cut off and called again.

    Parameters
    ----------
    tick : callable, optional
        Told after each unit how many rows are gone so far.
    """
    removed = _purge_events(unit, batch_id, tick)
    for statement in _DELETIONS:
        while True:
            with unit() as session:
                dialect.prepare_bulk_load(session)
                with dialect.unindexing_many(session):
                    result = cast("CursorResult[Any]", session.execute(statement, {"batch": batch_id, "size": CHUNK}))
            removed += result.rowcount
            if tick is not None and result.rowcount:
                tick(removed)
            if result.rowcount < CHUNK:
                break
    _tidy_search(unit)
    return removed


def _tidy_search(unit: Unit) -> None:
    """Let nothing of the removed customers stay in the search index; after every purge, because one that was cut off left some behind."""
    begin = more = True
    while more:
        with unit() as session:
            more = dialect.tidy_search(session, begin=begin)
        begin = False


def _purge_events(unit: Unit, batch_id: int, tick: Callable[[int], None] | None) -> int:
    """Delete a batch's events, id range after id range, because no index leads from a batch to its events; return how many."""
    with unit() as session:
        found = session.execute(_EVENT_RANGE, {"batch": batch_id}).one_or_none()
    if found is None or found[0] is None:
        return 0
    removed = 0
    for first in range(found[0], found[1] + 1, EVENTS_AT_ONCE):
        values = {"batch": batch_id, "first": first, "last": min(first + EVENTS_AT_ONCE - 1, found[1])}
        with unit() as session:
            dialect.prepare_bulk_load(session)
            removed += cast("CursorResult[Any]", session.execute(_DELETE_EVENTS, values)).rowcount
        if tick is not None:
            tick(removed)
    values = {"batch": batch_id, "first": found[0], "now": clock.now_us()}
    with unit() as session:
        # There is room for a thousand kinds: those of a file with identifiers in their place must not use it up for good.
        if session.execute(_ANY_KINDS, values).first() is not None:
            session.execute(_FORGET_KINDS, values)
    return removed


def settle_others(unit: Unit, batch_id: int | None = None) -> list[int]:
    """Bring every other half-way batch to an end: one that was being applied loses its rows, one that was being undone is finished.

    A batch whose job still waits for another attempt is queued afresh. Safe to call whenever no import or undo runs.

    Parameters
    ----------
    unit : callable
        Opens a writing unit: `context.holding_unit` in a job, `unit_of_work` elsewhere.
    batch_id : int, optional
        The caller's own batch, which is left alone.

    Returns
    -------
    list of int
        Ids of the batches that were settled.
    """
    settled: list[int] = []
    while True:
        with unit() as session:
            query = select(ImportBatch).where(
                ImportBatch.state.in_(("applying", "undoing")), ImportBatch.id.is_not(batch_id)
            )
            batch = session.scalar(query.order_by(ImportBatch.id).limit(1))
            if batch is None:
                _end_cancelled(session)
                return settled
            found, state = batch.id, batch.state
        purge(unit, found)
        with unit() as session:
            batch = session.get_one(ImportBatch, found)
            if state == "undoing":
                batch.state, batch.undone_at = "undone", clock.now_us()
            else:
                job_state = _job_state(session, batch)
                if job_state in ("queued", "running"):
                    batch.state = "queued"
                elif job_state == "cancelled":
                    batch.state, batch.error = "cancelled", None
                else:
                    batch.state, batch.error = "failed", _ABANDONED
            revisions.bump(session, "customers", "removals")
        settled.append(found)


def _end_cancelled(session: Session) -> None:
    """Mark batches whose job was cancelled, or given up, before it began."""
    waiting = session.scalars(select(ImportBatch).where(ImportBatch.state == "queued"))
    for batch in waiting:
        state = _job_state(session, batch)
        if state in ("cancelled", "failed"):
            batch.state, batch.error = state, _ABANDONED if state == "failed" else None


def _job_state(session: Session, batch: ImportBatch) -> str | None:
    return session.scalar(select(JobRun.state).where(JobRun.id == batch.job_id))
