"""Loads files of events, subscriptions and orders through the services as a request and its job do, and reads back what is on record."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.security.actor import SYSTEM
from retainstream.services.events.preview import Asked, EventPreview, preview
from retainstream.services.imports import batches, files

TABLES = ("customers", "identities", "events", "subscriptions")
_SEEN = "(x.batch_id IS NULL OR x.batch_id IN (SELECT id FROM import_batches WHERE state = 'applied'))"
_EVENTS = f"""SELECT i.user_id, k.name, x.occurred_at, x.received_at, x.value, x.properties FROM events AS x
JOIN identities AS i ON i.customer_id = x.customer_id JOIN event_kinds AS k ON k.id = x.kind_id WHERE {_SEEN}"""
_STATEMENTS = f"""SELECT i.user_id, x.plan, x.revenue_minor, x.currency, x.started_at, x.ended_at, x.end_reason, x.received_at
FROM subscriptions AS x JOIN identities AS i ON i.customer_id = x.customer_id WHERE {_SEEN} ORDER BY i.user_id, x.received_at, x.id"""
_PEOPLE = f"""SELECT i.user_id, x.plan, x.revenue_minor, x.churned, x.churned_at FROM customers AS x
JOIN identities AS i ON i.customer_id = x.id WHERE {_SEEN} ORDER BY i.user_id"""


@dataclass
class Filer:
    """One box and what a person does with files on it."""

    settings: Settings

    def receive(self, content: str | bytes | Path) -> files.Upload:
        """Store an upload."""
        if isinstance(content, Path):
            with content.open("rb") as stream:
                return files.receive(stream, content.name, self.settings)
        raw = content.encode() if isinstance(content, str) else content
        return files.receive(io.BytesIO(raw), "log.csv", self.settings)

    def preview(
        self, target: Any, content: str | bytes | Path, asked: Asked | None = None, mapping: Any = None
    ) -> EventPreview:
        """Return what a load would do."""
        upload = self.receive(content)
        with read_unit() as session:
            found = preview(
                upload.path, upload.filename, self.settings, target, asked or Asked(), mapping, session=session
            )
        files.discard(self.settings, upload.name)
        return found

    def queue(
        self,
        target: Any,
        content: str | bytes | Path,
        asked: Asked | None = None,
        mapping: Any = None,
        *,
        on_error: str = "reject",
    ) -> int:
        """Queue a load and return its id."""
        upload, asked = self.receive(content), asked or Asked()
        found = preview(upload.path, upload.filename, self.settings, target, asked, mapping)
        found.require_answers()
        with unit_of_work() as session:
            batch, _ = batches.queue(
                session,
                SYSTEM,
                upload,
                found.mapping.to_dict(),
                on_error=on_error,
                known_at_time=found.mapping.known_at_time,
                warnings=found.lasting_warnings,
                target=target,
                options={"feed": asked.feed, "unknown": asked.unknown},
            )
            return batch.id

    def load(self, target: Any, content: str | bytes | Path, *args: Any, **options: Any) -> tuple[int, dict[str, Any]]:
        """Load a file to its end; returns the batch's id and the job."""
        number = self.queue(target, content, *args, **options)
        return number, self.run()

    def counts(self, target: Any, content: str | bytes | Path, *args: Any, **options: Any) -> dict[str, int]:
        """Load a file that can be taken; returns the batch's counts."""
        _, job = self.load(target, content, *args, **options)
        assert job["state"] == "succeeded", job
        return dict(job["result"]["counts"])

    def run(self) -> dict[str, Any]:
        """Run what is queued and return the last job."""
        return run_queued(self.settings)[-1]

    def undo(self, number: int, *, confirm: bool = False) -> dict[str, Any]:
        """Undo a load to its end; returns the job."""
        with unit_of_work() as session:
            batches.queue_undo(session, SYSTEM, number, confirm=confirm)
        return self.run()


def events_seen() -> Counter[Any]:
    """Return every event that a reader sees, with how often it is there."""
    with read_unit() as session:
        return Counter(tuple(row) for row in session.execute(text(_EVENTS)))


def statements_seen() -> list[tuple[Any, ...]]:
    """Return every statement that a reader sees."""
    with read_unit() as session:
        return [tuple(row) for row in session.execute(text(_STATEMENTS))]


def people_seen() -> list[tuple[Any, ...]]:
    """Return every customer that a reader sees: identifier, plan, revenue, whether and when they left."""
    with read_unit() as session:
        return [tuple(row) for row in session.execute(text(_PEOPLE))]


def rows_in(*tables: str) -> dict[str, int]:
    """Return how many rows tables have, seen or not."""
    with read_unit() as session:
        return {name: session.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one() for name in tables or TABLES}
