"""The job that takes a file of events, orders or subscriptions in: read and write it in short units while nobody sees it, and show all in one last unit.

How an attempt begins and ends, and what a killed or refused one leaves, is `retainstream.services.imports.attempts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib.counting import counted
from retainstream.lib.tabular import Chunk, Table
from retainstream.services import feeds, revisions
from retainstream.services.events import standing
from retainstream.services.events.mapping import EMPTY, EventMapping, mapping_from
from retainstream.services.events.people import Erased, Unknown, erased_test
from retainstream.services.events.periods import PeriodReader
from retainstream.services.events.reading import EventReader, ReadChunk
from retainstream.services.events.rows import LONGEST_USER_ID, EventRows, SubscriptionRows
from retainstream.services.events.writing import EventWriter, SubscriptionWriter
from retainstream.services.imports import attempts, batches, files
from retainstream.services.imports.badrows import BadRow
from retainstream.services.imports.cells import row_hashes
from retainstream.services.imports.columns import count_different
from retainstream.services.imports.values import Blanks
from retainstream.services.imports.warnings import ImportWarning as Warned
from retainstream.services.imports.warnings import Severity
from retainstream.services.jobs import JobContext

# As many rows as are written in well below half a second: that long nobody else can write.
CHUNK_ROWS = 20_000
COUNTED_REPEATS = 10_000_000
"""Rows up to which exact repeats are counted, at eight bytes each; further on none is."""
DEFAULT_FEEDS = {"events": "events", "subscriptions": "subscriptions", "orders": "orders"}
"""Where rows of a file come from unless its sender names a source: one for each target, so that the same file twice meets itself."""


COUNTED = (
    "rows", "good", "bad", "accepted", "duplicate", "late", "out_of_order", "future", "no_customer", "unknown_customer", "erased",
    "other_customer", "too_many_kinds", "new_customers", "new_kinds", "statements", "repeated",
)  # fmt: skip
"""Counts that are always told, also when they are 0: every fate that a row can have, and what came of the rows."""
_SAID: tuple[tuple[str, Severity, str, str], ...] = (
    (
        "no_customer", "info", "names no customer and is left out, such as a visitor who is not logged in.",
        "name no customer and are left out, such as visitors who are not logged in.",
    ),
    (
        "future", "warning", "lies ahead of now; it counts once its time has come.",
        "lie ahead of now; each counts once its time has come.",
    ),
    (
        "other_customer", "warning", "speaks of a subscription that belongs to another customer, and is left out.",
        "speak of a subscription that belongs to another customer, and are left out.",
    ),
    (
        "too_many_kinds", "serious", "is left out, because there would be more than 1,000 kinds of event.",
        "are left out, because there would be more than 1,000 kinds of event.",
    ),
)  # fmt: skip
"""Of rows: code and severity of a warning, and its words for one row and for several."""
ROW_WARNINGS = ("no_customer", "future", "other_customer", "too_many_kinds", "repeated_rows")


class Reader(Protocol):
    """Reads the chunks of one file."""

    def read(self, chunk: Chunk) -> ReadChunk:
        """Return a chunk's rows, and what is wrong with the others."""
        ...


def run(context: JobContext) -> dict[str, object]:
    """Apply the batch of events, orders or subscriptions named in the job's payload; returns its id and counts.

    Raises as `attempts.carry_out` does.
    """
    return attempts.carry_out(context, EventAttempt)


def reader_for(mapping: EventMapping, table: Table, settings: Settings, now: int) -> Reader:
    """Return what reads the chunks of a file under a mapping."""
    if mapping.target == "subscriptions":
        return PeriodReader(mapping, table.columns, now, settings.currency)
    return EventReader(mapping, table.columns, now)


def user_id_in(mapping: EventMapping, row: BadRow) -> str | None:
    """Return the identifier in a row that was not taken; None when it has none."""
    names = [column.name for column in mapping.columns]
    customer = mapping.role("customer")
    at = names.index(customer.name) if customer is not None else len(row.cells)
    if customer is None or at >= len(row.cells):
        return None
    found = (row.cells[at] or "").strip()
    if customer.format == "drop_point_zero":
        found = found.removesuffix(".0")
    return found[:LONGEST_USER_ID] or None


def read_table(table: Table, reader: Reader, rows: int) -> Iterator[tuple[Chunk, ReadChunk, float]]:
    """Yield each chunk of a file as text and as read, with a rising share (0 to 1) of the file."""
    characters, size = 0.0, max(table.unpacked_size, 1)
    for chunk in table.chunks(rows):
        looked_at = range(0, len(chunk), max(1, len(chunk) // 50))
        width = sum(len(column[at] or "") + 1 for column in chunk.columns for at in looked_at)
        characters += width * len(chunk) / max(len(looked_at), 1)
        yield chunk, reader.read(chunk), min(1.0, characters / size)


@dataclass
class Unread:
    """Notices columns that are left out for being empty, as far as the preview saw, and are not."""

    mapping: EventMapping
    _filled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._blank = Blanks(self.mapping.blanks)

    def add(self, chunk: Chunk) -> None:
        """Look at the next chunk."""
        for at, column in enumerate(self.mapping.columns):
            if (
                column.reason == EMPTY
                and column.name not in self._filled
                and not all(map(self._blank, set(chunk.columns[at])))
            ):
                self._filled.add(column.name)

    def told(self) -> list[Warned]:
        """Return a warning for each such column."""
        message = "{} is empty at the head of the file and was left out, but has values further down: give it a role in the mapping and load again."
        return [Warned("filled_later", "serious", name, message.format(name)) for name in sorted(self._filled)]


@dataclass
class Repeats:
    """Counts rows that repeat an earlier row of the file in every cell: legitimate, but worth saying."""

    _hashes: list[np.ndarray] = field(default_factory=list)
    _rows: int = 0

    def add(self, chunk: Chunk) -> None:
        """Look at the next chunk."""
        if self._rows < COUNTED_REPEATS:
            self._hashes.append(row_hashes(chunk))
            self._rows += len(chunk)

    def count(self) -> int:
        """Return how many rows repeat an earlier one."""
        return self._rows - count_different(np.concatenate(self._hashes)) if self._hashes else 0


def about_rows(counts: dict[str, int], mapping: EventMapping) -> list[Warned]:
    """Return what a person should know of the rows themselves, once they are counted."""
    found: list[Warned] = []
    for code, severity, one, several in _SAID:
        if n := counts.get(code):
            message = f"{counted(n, 'row')} {one if n == 1 else several}"
            found.append(Warned(code, severity, None, message, {"rows": n}))
    repeated = counts.get("repeated", 0)
    if repeated and mapping.target != "subscriptions":
        keyed = mapping.role("key") is not None
        then = (
            "a key counts once"
            if keyed
            else "all are kept, since the same thing may happen twice; the same file again adds nothing"
        )
        repeat = "repeats" if repeated == 1 else "repeat"
        message = f"{counted(repeated, 'row')} {repeat} an earlier row in every cell: {then}."
        found.append(Warned("repeated_rows", "info", None, message, {"rows": repeated}))
    return found


class EventAttempt(attempts.Attempt):
    """One attempt at one file of events, orders or subscriptions."""

    def take_in(self) -> dict[str, object]:
        """Read, write and show the file; returns the job's result."""
        table = self.open()
        mapping = mapping_from(self.sketch, str(self.sketch.get("target")), table.columns)
        with self.context.holding_unit() as session:
            erased = erased_test(session, self.context.settings.resolved_secret_key().encode())
        writer = self._writer(mapping, erased)
        self._write_all(table, mapping, writer)
        self.require_good_rows()
        self.warnings = [*self.warnings, *(item.to_dict() for item in about_rows(self.counts, mapping))]
        self._show(mapping, writer)
        return {"batch_id": self.batch_id, "counts": dict(self.counts)}

    def _writer(self, mapping: EventMapping, erased: Erased) -> EventWriter | SubscriptionWriter:
        payload = self.context.payload
        feed = str(payload.get("feed") or DEFAULT_FEEDS[mapping.target])
        unknown = cast(Unknown, payload.get("unknown") or "create")
        if mapping.target == "subscriptions":
            return SubscriptionWriter(feed, batch_id=self.batch_id, now=self.now, unknown=unknown, erased=erased)
        return EventWriter(feed, batch_id=self.batch_id, now=self.now, unknown=unknown, erased=erased)

    def _write_all(self, table: Table, mapping: EventMapping, writer: EventWriter | SubscriptionWriter) -> None:
        """Read the whole file and write its good rows; once a row is bad and the person wants all or nothing, the rest is only checked."""
        reader, repeats = reader_for(mapping, table, self.context.settings, self.now), Repeats()
        unread = Unread(mapping)
        write = self._write_function(writer)
        counts = Counter(self.counts)
        for chunk, read, share in read_table(table, reader, CHUNK_ROWS):
            repeats.add(chunk)
            unread.add(chunk)
            self.bad.add(read.bad_rows, lambda row: user_id_in(mapping, row))
            counts["rows"] += len(chunk) + len(chunk.ragged)
            counts["no_customer"] += read.no_customer
            self.counts = dict(counts)
            if not self.refuses and len(read.rows):
                with self.context.holding_unit() as session:
                    self.require_turn(session)
                    write(session, read.rows)
            self.report(share)
        self.warnings = [*self.warnings, *(item.to_dict() for item in unread.told())]
        counts.update(writer.counts)
        told = {"bad": self.bad.count, "good": counts["rows"] - self.bad.count, "repeated": repeats.count()}
        self.counts = dict.fromkeys(COUNTED, 0) | {name: n for name, n in counts.items() if n} | told

    @staticmethod
    def _write_function(
        writer: EventWriter | SubscriptionWriter,
    ) -> Callable[[Session, EventRows | SubscriptionRows], object]:
        return cast("Callable[[Session, EventRows | SubscriptionRows], object]", writer.write)

    def _show(self, mapping: EventMapping, writer: EventWriter | SubscriptionWriter) -> None:
        """Make everything visible in one unit."""
        self.context.progress("making the rows visible", attempts.WRITTEN)
        with self.context.holding_unit() as session:
            row = batches.get(session, self.batch_id)
            row.mapping, row.mapping_sha256 = mapping.to_dict(), batches.mapping_sha256(mapping.to_dict())
            row.known_at_time = mapping.known_at_time
            self.mark_applied(session)
            feeds.arrived(session, writer.feed_name, now=self.now, live=False, **writer.arrival())
            if mapping.target == "subscriptions":
                standing.follow_batch(session, self.batch_id, self.now)
            changed = ["events"] if self.counts["accepted"] else []
            revisions.bump(session, *changed, *(["customers"] if self.counts.get("new_customers") else []))
        files.discard(self.context.settings, self.upload_name)
