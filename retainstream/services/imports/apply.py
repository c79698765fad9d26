"""The job that takes a table of customers in: learn the file, cast and write it in short units while nobody sees it, and show all of it in one last unit.

How an attempt begins and ends, and what a killed or refused one leaves, is `attempts`. Undoing is `undo`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.db import read_unit
from retainstream.lib.tabular import Table
from retainstream.models import ImportBatch
from retainstream.services import attributes, revisions
from retainstream.services.imports import attempts, batches, files, pointers, turns
from retainstream.services.imports.attempts import RefusedRows
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.casting import Caster
from retainstream.services.imports.learning import learn_from, refined, same_reading
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.preview import without_erased
from retainstream.services.imports.profile import Profiler
from retainstream.services.imports.reading import RowReader, mapping_from, wanted_attributes
from retainstream.services.imports.rows import Rows
from retainstream.services.imports.writing import Writer
from retainstream.services.jobs import JobContext

# As many rows as are written in well below half a second: that long nobody else can write.
CHUNK_ROWS = 10_000


def run(context: JobContext) -> dict[str, object]:
    """Apply the batch of customers named in the job's payload; returns its id and counts, raises as `attempts.carry_out`."""
    return attempts.carry_out(context, CustomerAttempt)


class CustomerAttempt(attempts.Attempt):
    """One attempt at one table of customers."""

    def take_in(self) -> dict[str, object]:
        """Read, write and show the file; returns the job's result."""
        table = self.open()
        mapping = mapping_from(self.sketch, table.columns)
        writer = None
        if self.context.payload.get("refine"):
            mapping, writer = self._try(table, mapping)
        if writer is None:
            writer = self._writer(mapping)
            self._write_all(table, mapping, writer)
        self.require_good_rows()
        self._show(mapping, writer)
        return {"batch_id": self.batch_id, "counts": dict(self.counts)}

    def follow(self, session: Session) -> None:
        """Put right what depends on the customers, in the unit that shows them; nothing here."""

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
        self.bad = RefusedRows()
        return mapping, None

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
            self.bad.add(refused, reader.user_id)
            counts["rows"] += len(rows) + len(refused) + duplicates
            counts["duplicates"] += duplicates
            if not self.refuses and not (profiler is not None and self.bad.count):
                counts["erased"] += self._write(rows, writer, key)
            self.report(share)
        tally = writer.tally
        counts |= {"good": counts["rows"] - self.bad.count, "bad": self.bad.count}
        counts |= {"new": tally.new, "changed": tally.changed, "unchanged": tally.unchanged}
        writer.written |= reader.profile_columns

    def _write(self, rows: Rows, writer: Writer, key: bytes) -> int:
        """Write one chunk in a unit of its own; return how many rows were left out because their people were erased."""
        with self.context.holding_unit() as session:
            self.require_turn(session)
            dialect.prepare_bulk_load(session)
            allowed = without_erased(session, rows, key)
            writer.write(session, allowed)
        return len(rows) - len(allowed)

    def _show(self, mapping: Mapping, writer: Writer) -> None:
        """Make everything visible in one unit."""
        self.context.progress("making the rows visible", attempts.WRITTEN)
        with self.context.holding_unit() as session:
            self._note(batches.get(session, self.batch_id), mapping)
            pointers.activate(session, self.batch_id, writer.tally, writer.written)
            self.mark_applied(session)
            self.follow(session)
            revisions.bump(session, "customers")
        files.discard(self.context.settings, self.upload_name)


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
