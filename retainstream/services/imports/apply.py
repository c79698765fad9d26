"""The job that takes an upload in: learn the file, cast and write it in short units while nobody sees it, and show all of it in one last unit.

A second attempt after a kill removes what the first one left and starts over; a cancelled or refused import leaves no row. Undoing is `undo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.errors import Busy, Conflict, InvalidInput, NotReady, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.identifiers import keyed_hash
from retainstream.lib.tabular import Table, TableError, open_table
from retainstream.models import ErasureEntry, ImportBatch, ImportRowError
from retainstream.services import attributes, audit, revisions
from retainstream.services.imports import batches, files, pointers, turns
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.casting import Caster
from retainstream.services.imports.learning import learn, refined
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.preview import without_erased
from retainstream.services.imports.reading import RowReader, mapping_from, wanted_attributes
from retainstream.services.imports.rows import Rows
from retainstream.services.imports.writing import Writer
from retainstream.services.jobs import JobCancelled, JobContext, JobLost

# As many rows as are written in well below half a second: that long nobody else can write.
CHUNK_ROWS = 10_000
KEPT_BAD_ROWS = 10_000
_READ_SHARE, _WRITTEN = 0.3, 0.97
_USUAL_ROW = 60
_NOT_UNICODE = "The file holds escapes (\\ud800 to \\udfff) that stand for no character: mend them and send it again."
_INTERNAL = "Something went wrong while the file was being taken in; nothing of it was kept."


@dataclass
class _Bad:
    """Rows that were not taken: all are counted, the first 10,000 are kept to be offered back."""

    count: int = 0
    kept: list[tuple[BadRow, str | None]] = field(default_factory=list)

    def add(self, rows: list[BadRow], reader: RowReader) -> None:
        """Note bad rows with the identifiers in them, so that erasing a person finds them."""
        self.count += len(rows)
        self.kept.extend((row, reader.user_id(row)) for row in rows[: KEPT_BAD_ROWS - len(self.kept)])


class Rejected(InvalidInput):
    """The file holds rows that cannot be taken, and the person asked for all or nothing."""

    code = "rows_rejected"


def run(context: JobContext) -> dict[str, object]:
    """Apply the batch named in the job's payload; returns its id and counts.

    Raises
    ------
    InvalidInput
        When the file is no table after all, or has bad rows and `on_error` is `reject`; the batch is then failed and holds none of its rows.
    Conflict
        When an attribute of the file cannot live beside the one on record.
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
    attempt = _Attempt.begin(context, batch_id)
    try:
        return attempt.take_in()
    except (JobLost, Busy):
        raise
    except JobCancelled:
        attempt.bad = _Bad()
        attempt.end("cancelled", None)
        raise
    except TableError as error:
        attempt.end("failed", str(error))
        raise InvalidInput(str(error)) from error
    except UnicodeEncodeError as error:
        attempt.bad = _Bad()
        attempt.end("failed", _NOT_UNICODE)
        raise InvalidInput(_NOT_UNICODE) from error
    except RetainStreamError as error:
        attempt.end("failed", error.message)
        raise
    except Exception:
        attempt.end("failed", _INTERNAL)
        raise


@dataclass
class _Attempt:
    """One attempt at one batch; what it needs of the batch's row was read at its start."""

    context: JobContext
    batch_id: int
    upload_name: str
    sketch: dict[str, Any]
    on_error: str
    warnings: list[dict[str, object]]
    now: int = field(default_factory=clock.now_us)
    bad: _Bad = field(default_factory=_Bad)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, context: JobContext, batch_id: int) -> _Attempt:
        """Mark the batch as being applied."""
        with context.holding_unit() as session:
            batch = batches.get(session, batch_id)
            batch.state, batch.counts, batch.error = "applying", {}, None
            session.execute(delete(ImportRowError).where(ImportRowError.batch_id == batch_id))
            files.sweep(session, context.settings)
            return cls(context, batch_id, str(batch.upload_name), batch.mapping, batch.on_error, list(batch.warnings))

    def take_in(self) -> dict[str, object]:
        """Read, write and show the file; returns the job's result."""
        path = files.path_of(self.context.settings, self.upload_name)
        if not path.exists():
            raise NotReady("The uploaded file is no longer there; load it again.")
        table = open_table(path, files.limits(self.context.settings))
        mapping = self._mapping(table)
        reader = RowReader(mapping, self.context.settings.currency, self.now)
        writer = self._writer(mapping)
        self._write_all(table, Caster(mapping, table.columns), reader, writer)
        if self._refuses:
            bad, rows = self.bad.count, self.counts["rows"]
            raise Rejected(
                f"{bad:,} of {rows:,} rows cannot be taken, so none was (import {self.batch_id}). "
                "Mend them, or load the file with on_error=skip.",
                detail={"import_id": self.batch_id, "bad": bad},
            )
        self._show(writer, {*writer.written, *reader.profile_columns})
        return {"batch_id": self.batch_id, "counts": dict(self.counts)}

    @property
    def _refuses(self) -> bool:
        return bool(self.bad.count) and self.on_error == "reject"

    def _mapping(self, table: Table) -> Mapping:
        """Return the mapping to use; one that was proposed from the head of a large file is checked against all of it first."""
        mapping = mapping_from(self.sketch, table.columns)
        if not self.context.payload.get("refine"):
            return mapping
        size = max(table.unpacked_size, 1)

        def tick(rows: int) -> None:
            # How many rows there are is not known yet; the share only has to rise.
            self.context.progress("reading the file", min(_READ_SHARE, _READ_SHARE * rows * _USUAL_ROW / size))

        mapping, self.warnings = refined(mapping, learn(table, self.now, tick))
        return mapping

    def _writer(self, mapping: Mapping) -> Writer:
        """Make or find the definitions that the rows need, and note the mapping on the batch."""
        with self.context.holding_unit() as session:
            definition = None if mapping.label is None else batches.definition_for(session, mapping.label.name)
            found = attributes.allocate(session, wanted_attributes(mapping))
            row = batches.get(session, self.batch_id)
            row.mapping, row.mapping_sha256 = mapping.to_dict(), batches.mapping_sha256(mapping.to_dict())
            row.known_at_time, row.definition_id = (
                mapping.known_at_time,
                definition.id if definition is not None else None,
            )
            session.flush()
            session.expunge_all()
        return Writer(self.batch_id, found, definition.id if definition is not None else None, self.now)

    def _write_all(self, table: Table, caster: Caster, reader: RowReader, writer: Writer) -> None:
        """Cast the whole file and write its good rows; once a row is bad and the person wants all or nothing, the rest is only checked."""
        key = self.context.settings.resolved_secret_key().encode()
        counts = self.counts
        counts |= dict.fromkeys(("rows", "good", "bad", "new", "changed", "unchanged", "erased", "duplicates"), 0)
        begin = _READ_SHARE if self.context.payload.get("refine") else 0.0
        for rows, refused, duplicates, share in _cast(table, caster, reader):
            self.bad.add(refused, reader)
            counts["rows"] += len(rows) + len(refused) + duplicates
            counts["duplicates"] += duplicates
            if not self._refuses:
                with self.context.holding_unit() as session:
                    if session.scalar(select(ImportBatch.state).where(ImportBatch.id == self.batch_id)) != "applying":
                        raise JobLost(f"import {self.batch_id} is no longer being applied")
                    allowed = without_erased(session, rows, key)
                    writer.write(session, allowed)
                counts["erased"] += len(rows) - len(allowed)
            self.context.progress("writing rows", begin + (_WRITTEN - begin) * share)
        tally = writer.tally
        counts |= {"good": counts["rows"] - self.bad.count, "bad": self.bad.count}
        counts |= {"new": tally.new, "changed": tally.changed, "unchanged": tally.unchanged}

    def _show(self, writer: Writer, written: set[str]) -> None:
        """Make everything visible in one unit."""
        self.context.progress("making the rows visible", _WRITTEN)
        with self.context.holding_unit() as session:
            row = batches.get(session, self.batch_id)
            pointers.activate(session, self.batch_id, writer.tally, written)
            row.state, row.applied_at, row.counts, row.error = "applied", clock.now_us(), dict(self.counts), None
            row.warnings, row.upload_name = self.warnings, None
            self._keep_errors(session)
            revisions.bump(session, "customers")
            audit.record(
                session, self.context.actor, "import.apply", "import", self.batch_id, fields=["state", "counts"]
            )
        files.discard(self.context.settings, self.upload_name)

    def end(self, state: str, error: str | None) -> None:
        """Take every row of the batch away and say how it ended."""
        turns.purge(self.context.holding_unit, self.batch_id)
        kept: dict[str, int] = {
            name: self.counts[name] for name in ("rows", "good", "bad", "duplicates") if name in self.counts
        }
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


def _cast(table: Table, caster: Caster, reader: RowReader) -> Iterator[tuple[Rows, list[BadRow], int, float]]:
    """Yield for each chunk: its rows, its bad rows, how many exact repeats were left out, and a rising share (0 to 1) of the file."""
    characters, size = 0, max(table.unpacked_size, 1)
    for chunk in table.chunks(CHUNK_ROWS):
        cast = caster.cast(chunk)
        rows, refused = reader.rows(cast)
        looked_at = range(0, len(chunk), max(1, len(chunk) // 50))
        width = sum(len(column[at] or "") + 1 for column in chunk.columns for at in looked_at) / max(len(looked_at), 1)
        characters += int(width * len(chunk))
        yield rows, [*cast.bad_rows, *refused], cast.exact_duplicates, min(1.0, characters / size)
