"""The job that takes an upload in: learn the file, cast and write it in short units while nobody sees it, and show all of it in one last unit.

A second attempt after a kill removes what the first one left and starts over; a cancelled or refused import leaves no row. Undoing is `undo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.db import read_unit
from retainstream.errors import Busy, Conflict, InvalidInput, NotReady, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.identifiers import keyed_hash
from retainstream.lib.tabular import Table, TableError, open_table
from retainstream.models import ErasureEntry, ImportBatch, ImportRowError
from retainstream.services import attributes, audit, revisions
from retainstream.services.imports import batches, files, pointers, turns
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.casting import Caster
from retainstream.services.imports.learning import learn_from, refined, same_reading
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.preview import without_erased
from retainstream.services.imports.profile import Profiler
from retainstream.services.imports.reading import RowReader, mapping_from, wanted_attributes
from retainstream.services.imports.rows import Rows
from retainstream.services.imports.writing import Writer
from retainstream.services.jobs import JobCancelled, JobContext, JobLost

# As many rows as are written in well below half a second: that long nobody else can write.
CHUNK_ROWS = 10_000
KEPT_BAD_ROWS = 10_000
_WRITTEN = 0.97
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
    shown: float = 0.0

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
        mapping = mapping_from(self.sketch, table.columns)
        writer = None
        if self.context.payload.get("refine"):
            mapping, writer = self._try(table, mapping)
        if writer is None:
            writer = self._writer(mapping)
            self._write_all(table, mapping, writer)
        if self._refuses:
            bad, rows = self.bad.count, self.counts["rows"]
            raise Rejected(
                f"{bad:,} of {rows:,} rows cannot be taken, so none was (import {self.batch_id}). "
                "Mend them, or load the file with on_error=skip.",
                detail={"import_id": self.batch_id, "bad": bad},
            )
        self._show(mapping, writer)
        return {"batch_id": self.batch_id, "counts": dict(self.counts)}

    def _try(self, table: Table, sketch: Mapping) -> tuple[Mapping, Writer | None]:
        """Write a large file as its head suggests and learn all of it on the way; return what its mapping is after all.

        The writer is None when the rows have to be written once more, because the head was misleading: what it led to is gone again.
        """
        with read_unit() as session:
            before = {item.id for item in attributes.definitions(session)}
        writer, profiler = self._writer(sketch), Profiler(table)
        self._write_all(table, sketch, writer, profiler)
        mapping, self.warnings = refined(sketch, learn_from(profiler.finish(), self.now))
        if not self.bad.count and same_reading(mapping, sketch):
            return mapping, writer
        turns.purge(self.context.holding_unit, self.batch_id)
        with self.context.holding_unit() as session:
            attributes.forget(session, {item.id for item in attributes.definitions(session)} - before)
        self.bad = _Bad()
        return mapping, None

    @property
    def _refuses(self) -> bool:
        return bool(self.bad.count) and self.on_error == "reject"

    def _writer(self, mapping: Mapping) -> Writer:
        """Make or find the definitions that the rows need, and note the mapping on the batch."""
        with self.context.holding_unit() as session:
            definition = None if mapping.label is None else batches.definition_for(session, mapping.label.name)
            found = attributes.allocate(session, wanted_attributes(mapping))
            row = batches.get(session, self.batch_id)
            self._note(row, mapping)
            row.definition_id = definition.id if definition is not None else None
            session.flush()
            session.expunge_all()
        return Writer(self.batch_id, found, definition.id if definition is not None else None, self.now)

    @staticmethod
    def _note(batch: ImportBatch, mapping: Mapping) -> None:
        batch.mapping, batch.mapping_sha256 = mapping.to_dict(), batches.mapping_sha256(mapping.to_dict())
        batch.known_at_time = mapping.known_at_time

    def _write_all(self, table: Table, mapping: Mapping, writer: Writer, profiler: Profiler | None = None) -> None:
        """Cast the whole file and write its good rows; once a row is bad and the person wants all or nothing, the rest is only checked.

        With a profiler this is a trial: it ends at the first bad row, from where on the file is only read and learnt.
        """
        reader = RowReader(mapping, self.context.settings.currency, self.now)
        key = self.context.settings.resolved_secret_key().encode()
        counts = self.counts
        counts |= dict.fromkeys(("rows", "good", "bad", "new", "changed", "unchanged", "erased", "duplicates"), 0)
        for rows, refused, duplicates, share in _cast(table, Caster(mapping, table.columns), reader, profiler):
            self.bad.add(refused, reader)
            counts["rows"] += len(rows) + len(refused) + duplicates
            counts["duplicates"] += duplicates
            if not self._refuses and not (profiler is not None and self.bad.count):
                counts["erased"] += self._write(rows, writer, key)
            self.shown = max(self.shown, _WRITTEN * share)
            self.context.progress("writing rows", self.shown)
        tally = writer.tally
        counts |= {"good": counts["rows"] - self.bad.count, "bad": self.bad.count}
        counts |= {"new": tally.new, "changed": tally.changed, "unchanged": tally.unchanged}
        writer.written |= reader.profile_columns

    def _write(self, rows: Rows, writer: Writer, key: bytes) -> int:
        """Write one chunk in a unit of its own; return how many rows were left out because their people were erased."""
        with self.context.holding_unit() as session:
            if session.scalar(select(ImportBatch.state).where(ImportBatch.id == self.batch_id)) != "applying":
                raise JobLost(f"import {self.batch_id} is no longer being applied")
            dialect.prepare_bulk_load(session)
            allowed = without_erased(session, rows, key)
            writer.write(session, allowed)
        return len(rows) - len(allowed)

    def _show(self, mapping: Mapping, writer: Writer) -> None:
        """Make everything visible in one unit."""
        self.context.progress("making the rows visible", _WRITTEN)
        with self.context.holding_unit() as session:
            row = batches.get(session, self.batch_id)
            self._note(row, mapping)
            pointers.activate(session, self.batch_id, writer.tally, writer.written)
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


def _cast(
    table: Table, caster: Caster, reader: RowReader, profiler: Profiler | None
) -> Iterator[tuple[Rows, list[BadRow], int, float]]:
    """Yield for each chunk: its rows, its bad rows, how many exact repeats were left out, and a rising share (0 to 1) of the file."""
    characters, size, bad = 0, max(table.unpacked_size, 1), False
    for chunk in table.chunks(CHUNK_ROWS):
        looked_at = range(0, len(chunk), max(1, len(chunk) // 50))
        width = sum(len(column[at] or "") + 1 for column in chunk.columns for at in looked_at) / max(len(looked_at), 1)
        characters += int(width * len(chunk))
        share = min(1.0, characters / size)
        if profiler is not None:
            profiler.add(chunk)
            if bad:
                yield Rows([], []), [], 0, share
                continue
        cast = caster.cast(chunk)
        rows, refused = reader.rows(cast)
        bad = bool(cast.bad_rows or refused)
        yield rows, [*cast.bad_rows, *refused], cast.exact_duplicates, share
