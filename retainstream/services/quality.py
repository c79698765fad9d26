"""What the newest loads say about the data: rows that were left out. Feeds that stop are `services.feeds`; keeping what is found is `services.findings`.

Everything is told anew from the loads that count, so that a mended file, or an undo, ends a finding by itself.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import ImportBatch
from retainstream.services import findings

FINDING: Final = "rows_left_out"
WORTH_A_LOOK: Final = 0.05
"""Share of a load's rows that may be left out before it is told."""
SERIOUS: Final = 0.25
_PARTS: Final = {
    "bad": "could not be read",
    "no_customer": "named no customer",
    "unknown_customer": "were of unknown customers",
}


def watch(session: Session) -> None:
    """Open a finding for each kind of data whose newest load left many rows out, and close those of kinds that were mended."""
    newest = select(func.max(ImportBatch.id)).where(ImportBatch.state == "applied").group_by(ImportBatch.target)
    holding = set()
    for batch in session.scalars(select(ImportBatch).where(ImportBatch.id.in_(newest))):
        rows = batch.counts.get("rows", 0)
        parts = {words: batch.counts.get(name, 0) for name, words in _PARTS.items() if batch.counts.get(name, 0)}
        left_out = sum(parts.values())
        if not rows or left_out < WORTH_A_LOOK * rows:
            continue
        holding.add(batch.target)
        told = ", ".join(f"{count:,} {words}" for words, count in parts.items())
        findings.hold(
            session,
            FINDING,
            batch.target,
            f"{left_out:,} of {rows:,} rows of “{batch.filename}” were left out: {told}.",
            severity="error" if left_out >= SERIOUS * rows else "warning",
            detail={
                "batch_id": batch.id, "rows": rows, "left_out": left_out, "since": clock.iso(batch.applied_at),
            },
        )  # fmt: skip
    findings.close_others(session, FINDING, holding)
