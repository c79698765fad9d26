"""One attempt of a job at one batch, whatever the file holds: how it begins, is taken up again after a kill, ends, and keeps the rows it refused.

A second attempt after a kill removes what the first one left and starts over; a cancelled or refused load leaves no row. What is read and
written is up to the kinds of attempt: `apply` for customers, and those of events, subscriptions and orders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.errors import Busy, Conflict, InvalidInput, NotReady, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.lib.identifiers import keyed_hash
from retainstream.lib.tabular import Table, TableError, open_table
from retainstream.models import ErasureEntry, ImportBatch, ImportRowError
from retainstream.services import audit, quality
from retainstream.services.imports import batches, files, turns
from retainstream.services.imports.badrows import BadRow
from retainstream.services.jobs import JobCancelled, JobContext, JobLost

KEPT_BAD_ROWS = 10_000
WRITTEN = 0.97
"""Share of a job that is behind once all rows are written."""
_KEPT_COUNTS = ("rows", "good", "bad", "duplicates", "no_customer")
_NOT_UNICODE = "The file holds escapes (\\ud800 to \\udfff) that stand for no character: mend them and send it again."
_INTERNAL = "Something went wrong while the file was being taken in; nothing of it was kept."


@dataclass
class RefusedRows:
    """Rows that were not taken: all are counted, the first 10,000 are kept to be offered back."""

    count: int = 0
    kept: list[tuple[BadRow, str | None]] = field(default_factory=list)

    def add(self, rows: list[BadRow], user_id: Callable[[BadRow], str | None]) -> None:
        """Note bad rows with the identifiers in them, so that erasing a person finds them."""
        self.count += len(rows)
        self.kept.extend((row, user_id(row)) for row in rows[: KEPT_BAD_ROWS - len(self.kept)])


class Rejected(InvalidInput):
    """The file holds rows that cannot be taken, and the person asked for all or nothing."""

    code = "rows_rejected"


@dataclass
class Attempt(ABC):
    """One attempt at one batch; what it needs of the batch's row was read at its start."""

    context: JobContext
    batch_id: int
    upload_name: str
    sketch: dict[str, Any]
    on_error: str
    warnings: list[dict[str, object]]
    source: str
    now: int = field(default_factory=clock.now_us)
    bad: RefusedRows = field(default_factory=RefusedRows)
    counts: dict[str, int] = field(default_factory=dict)
    shown: float = 0.0

    @classmethod
    def begin(cls, context: JobContext, batch_id: int) -> Self:
        """Mark the batch as being applied."""
        with context.holding_unit() as session:
            batch = batches.get(session, batch_id)
            batch.state, batch.counts, batch.error = "applying", {}, None
            session.execute(delete(ImportRowError).where(ImportRowError.batch_id == batch_id))
            files.sweep(session, context.settings)
            return cls(
                context,
                batch_id,
                str(batch.upload_name),
                batch.mapping,
                batch.on_error,
                list(batch.warnings),
                batch.source,
            )

    @abstractmethod
    def take_in(self) -> dict[str, object]:
        """Read, write and show the file; returns the job's result."""

    def open(self) -> Table:
        """Return the uploaded file as a table; raises NotReady when it is gone."""
        path = files.path_of(self.context.settings, self.upload_name)
        if not path.exists():
            raise NotReady("The uploaded file is no longer there; load it again.")
        return open_table(path, files.limits(files.allowed(self.context.settings, self.source)))

    @property
    def refuses(self) -> bool:
        """Whether nothing is to be taken because of the bad rows met so far."""
        return bool(self.bad.count) and self.on_error == "reject"

    def require_good_rows(self) -> None:
        """Raise Rejected when bad rows mean that none is taken."""
        if self.refuses:
            bad, rows = self.bad.count, self.counts["rows"]
            raise Rejected(
                f"{bad:,} of {counted(rows, 'row')} cannot be taken, so none was (import {self.batch_id}). "
                "Mend them, or load the file with on_error=skip.",
                detail={"import_id": self.batch_id, "bad": bad},
            )

    def require_turn(self, session: Session) -> None:
        """Raise JobLost when the batch was settled by somebody else, so that this attempt must write no more."""
        if session.scalar(select(ImportBatch.state).where(ImportBatch.id == self.batch_id)) != "applying":
            raise JobLost(f"import {self.batch_id} is no longer being applied")

    def report(self, share: float) -> None:
        """Say which share (0 to 1) of the file is written."""
        self.shown = max(self.shown, WRITTEN * share)
        self.context.progress("writing rows", self.shown)

    def mark_applied(self, session: Session) -> ImportBatch:
        """Make the batch's rows count, in the caller's unit, and return its row."""
        row = batches.get(session, self.batch_id)
        row.state, row.applied_at, row.counts, row.error = "applied", clock.now_us(), dict(self.counts), None
        row.warnings, row.upload_name = self.warnings, None
        self._keep_errors(session)
        audit.record(session, self.context.actor, "import.apply", "import", self.batch_id, fields=["state", "counts"])
        session.flush()
        quality.watch(session)
        return row

    def end(self, state: str, error: str | None) -> None:
        """Take every row of the batch away and say how it ended."""
        turns.purge(self.context.holding_unit, self.batch_id)
        kept: dict[str, int] = {name: self.counts[name] for name in _KEPT_COUNTS if name in self.counts}
        with self.context.holding_unit() as session:
            row = batches.get(session, self.batch_id)
            row.state, row.error, row.upload_name, row.warnings = state, error, None, self.warnings
            row.counts = kept
            self._keep_errors(session)
            verb = "cancel" if state == "cancelled" else "fail"
            audit.record(session, self.context.actor, f"import.{verb}", "import", self.batch_id, fields=["state"])
        files.discard(self.context.settings, self.upload_name)

    def _keep_errors(self, session: Session) -> None:
        """Store the bad rows; the cells stand on a row's first error, and nothing that an erased person's row said is kept."""
        key = self.context.settings.resolved_secret_key().encode()
        ledger = set(session.scalars(select(ErasureEntry.keyed_hash))) if self.bad.kept else set()
        for row, user_id in self.bad.kept:
            erased = bool(ledger) and user_id is not None and keyed_hash(key, user_id) in ledger
            for number, error in enumerate(row.errors):
                session.add(
                    ImportRowError(
                        batch_id=self.batch_id,
                        line=error.line,
                        column=None if error.column is None else error.column[:300],
                        value=None if erased else error.value,
                        expected=error.expected[:300],
                        code=error.code,
                        user_id=None if erased else user_id,
                        cells=None if erased or number else row.cells,
                    )
                )
        session.flush()


def carry_out(context: JobContext, kind: type[Attempt]) -> dict[str, object]:
    """Apply the batch named in the job's payload; returns its id and counts.

    Raises
    ------
    InvalidInput
        When the file is no table after all, or has bad rows and `on_error` is `reject`; the batch is then failed and holds none of its rows.
    Conflict
        When the batch is in no state to be applied, or what it holds cannot live beside what is on record.
    JobCancelled, JobLost
        As the context says; a cancelled import leaves no row.
    """
    batch_id = int(str(context.payload["batch_id"]))
    turns.settle_others(context.holding_unit, batch_id)
    with context.holding_unit() as session:
        batch = batches.get(session, batch_id)
        if batch.state == "applied":  # an earlier attempt ended between its last unit and the job's own
            return {"batch_id": batch_id, "counts": dict(batch.counts)}
        if batch.state not in ("queued", "applying"):
            raise Conflict(f"Import {batch_id} is {batch.state} and cannot be applied.")
        left_over = batch.state == "applying"
    if left_over:
        turns.purge(context.holding_unit, batch_id)
    attempt = kind.begin(context, batch_id)
    try:
        return attempt.take_in()
    except (JobLost, Busy):
        raise
    except JobCancelled:
        attempt.bad = RefusedRows()
        attempt.end("cancelled", None)
        raise
    except TableError as error:
        attempt.end("failed", str(error))
        raise InvalidInput(str(error)) from error
    except UnicodeEncodeError as error:
        attempt.bad = RefusedRows()
        attempt.end("failed", _NOT_UNICODE)
        raise InvalidInput(_NOT_UNICODE) from error
    except RetainStreamError as error:
        attempt.end("failed", error.message)
        raise
    except Exception:
        attempt.end("failed", _INTERNAL)
        raise
