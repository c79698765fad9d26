"""The jobs that load a table of customers and that undo any load, with what follows for rows that subscriptions speak of, too.

What the jobs do themselves is `retainstream.services.imports`; it knows nothing of events, and lies below this package.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import Feed, ImportBatch
from retainstream.services.events import standing
from retainstream.services.imports import apply, attempts, undo
from retainstream.services.jobs import JobContext

_FEED_OF = {
    "subscriptions": text("SELECT feed_id FROM subscriptions WHERE batch_id = :batch LIMIT 1"),
    "events": text("SELECT feed_id FROM events WHERE id = :first AND batch_id = :batch"),
}


class _CustomerAttempt(apply.CustomerAttempt):
    def follow(self, session: Session) -> None:
        standing.refresh_all(session, clock.now_us())


def run_import(context: JobContext) -> dict[str, object]:
    """Do what `apply.run` does; customers with subscriptions go on to show what these say."""
    return attempts.carry_out(context, _CustomerAttempt)


def run_undo(context: JobContext) -> dict[str, object]:
    """Do what `undo.run` does for a load of any kind; customers whose subscriptions are taken back show what was said before."""
    return undo.run(context, _withdraw)


def _withdraw(session: Session, batch: ImportBatch) -> None:
    """Put right what was derived from a batch that was just hidden and whose rows are still there."""
    now = clock.now_us()
    if batch.target == "customers":
        standing.refresh_all(session, now)
        return
    if batch.target == "subscriptions":
        standing.withdraw_batch(session, batch.id, now)
    _take_off_feed(session, batch)


def _take_off_feed(session: Session, batch: ImportBatch) -> None:
    """Let the feed forget rows that are taken away; one that holds nothing any more forgets its times, too."""
    query = _FEED_OF["subscriptions" if batch.target == "subscriptions" else "events"]
    feed_id = session.scalar(query, {"batch": batch.id, "first": batch.first_event_id})
    feed = session.get(Feed, feed_id) if feed_id is not None else None
    if feed is None:
        return
    written = "statements" if batch.target == "subscriptions" else "accepted"
    feed.n_rows = max(0, feed.n_rows - batch.counts.get(written, 0))
    if feed.n_rows == 0 and feed.heartbeat_at is None:
        feed.first_occurred_at = feed.last_occurred_at = feed.last_received_at = None
        feed.arrivals = []
    session.flush()
