"""The job that takes an applied import back: hidden at once, then removed in short units. What was touched since is kept and listed."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.orm import Session

from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import ImportBatch, ImportRowError
from retainstream.services import audit, quality, revisions
from retainstream.services.imports import batches, pointers, turns
from retainstream.services.jobs import JobContext

Follow = Callable[[Session, ImportBatch], None]


def run(context: JobContext, follow: Follow | None = None) -> dict[str, object]:
    """Undo the batch named in the job's payload.

    The first unit hides everything: customers whom the import changed have again what was in force before, those it made are gone from
    view, and so are its events and statements. A later version, by an edit or another import, keeps its customer, and so do events and
    statements that another load brought. A second attempt goes on where the first one was.

    Parameters
    ----------
    follow : callable, optional
        Called in the unit that hides the batch, once it is hidden: puts right what was derived from its rows.

    Returns
    -------
    dict
        `batch_id`, `counts` of the import with `kept`, and `kept`, the number of customers that were touched since.

    Raises
    ------
    Conflict
        When the import is not applied.
    ConfirmationNeeded
        When an import was applied since the undo was asked for, and found rows of this one on record.
    """
    batch_id = int(str(context.payload["batch_id"]))
    turns.settle_others(context.holding_unit, batch_id)
    total = _hide(context, batch_id, follow)
    if total:
        turns.purge(
            context.holding_unit,
            batch_id,
            lambda gone: context.progress("removing rows", 0.1 + 0.85 * min(1.0, gone / total)),
        )
    with context.holding_unit() as session:
        batch = batches.get(session, batch_id)
        if batch.state == "undoing":
            batch.state, batch.undone_at = "undone", clock.now_us()
            session.execute(delete(ImportRowError).where(ImportRowError.batch_id == batch_id))
            revisions.bump(session, "customers", "scores")
            audit.record(session, context.actor, "import.undo", "import", batch_id, fields=["state", "counts"])
        return {"batch_id": batch_id, "counts": dict(batch.counts), "kept": batch.counts.get("kept", 0)}


def _hide(context: JobContext, batch_id: int, follow: Follow | None) -> int:
    """Let nothing show or point at the batch any more; returns about how many rows there are to remove, 0 when that was done before."""
    with context.holding_unit() as session:
        batch = batches.get(session, batch_id)
        if batch.state not in ("applied", "undoing", "undone"):
            raise Conflict(f"Import {batch_id} is {batch.state}; only one that is applied can be undone.")
        total = 3 * batch.counts.get("new", 0) + 2 * batch.counts.get("changed", 0) + 1
        total += batch.counts.get("accepted", 0) + batch.counts.get("new_customers", 0)
        if batch.state == "undone":
            return 0
        if batch.state == "applied":
            if not context.payload.get("confirm"):
                batches.require_last_word(session, batch)
            kept = pointers.withdraw(session, batch_id)
            batch.state = "undoing"
            session.flush()
            quality.watch(session)
            batch.counts = {**batch.counts, "kept": len(kept)}
            if kept:
                warning: dict[str, object] = {"code": batches.KEPT_WARNING, "customer_ids": kept[: batches.SHOWN_KEPT]}
                batch.warnings = [*batch.warnings, warning]
            session.flush()
            if follow is not None:
                follow(session, batch)
            revisions.bump(session, "customers", "scores", "removals")
        return total
