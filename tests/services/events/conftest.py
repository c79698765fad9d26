"""Short ways to rows, and to what is on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import ImportBatch
from retainstream.services.events.rows import EventRows, SubscriptionRows
from retainstream.services.events.writing import EventWriter, SubscriptionWriter

DAY = clock.DAY_US
NOW = 1_790_000_000_000_000
"""A moment in September 2026 that the tests of this folder call now."""

Event = tuple[str, str, int, float | None, str | None, str | None]


def event_rows(events: Sequence[Event], received: int | None = None) -> EventRows:
    """Return events (user_id, kind, occurred, value, properties, key) as columns; received when they occurred unless said."""
    columns: list[list[Any]] = [list(column) for column in zip(*events, strict=True)] or [[] for _ in range(6)]
    users, kinds, occurred, values, properties, keys = columns
    known = list(occurred) if received is None else [received] * len(occurred)
    return EventRows(users, kinds, occurred, known, values, properties, keys)


def statement(**told: Any) -> SubscriptionRows:
    """Return one statement as columns."""
    row: dict[str, Any] = {
        "user_id": "u",
        "key": None,
        "plan": "basic",
        "revenue_minor": 900,
        "currency": "EUR",
        "started": NOW - 90 * DAY,
        "ended": None,
        "reason": None,
        "received": None,
    } | {name: value for name, value in told.items() if name != "known_at_time"}
    return SubscriptionRows(*([value] for value in row.values()), known_at_time=told.get("known_at_time", False))


def nobody(_: str) -> bool:
    return False


@pytest.fixture
def write(minimal_app: Flask) -> Callable[..., list[str]]:
    """Write each of some chunks in a unit of its own, by one writer, and return the fates of all rows."""

    def run(*chunks: EventRows | SubscriptionRows, feed: str = "test", **options: Any) -> list[str]:
        made = SubscriptionWriter if isinstance(chunks[0], SubscriptionRows) else EventWriter
        writer: Any = made(feed, **{"now": NOW, "erased": nobody, **options})
        fates: list[str] = []
        for rows in chunks:
            with unit_of_work() as session:
                fates += writer.write(session, rows).per_row
        return fates

    return run


def on_record(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with read_unit() as session:
        return [tuple(row) for row in session.execute(text(query))]


def batch(state: str = "applying", target: str = "events") -> int:
    """Make a load and return its id."""
    with unit_of_work() as session:
        row = ImportBatch(
            state=state, target=target, source="test", filename="", file_sha256="", size_bytes=0, created_at=NOW
        )
        session.add(row)
        session.flush()
        return row.id


def set_state(batch_id: int, state: str) -> None:
    with unit_of_work() as session:
        session.get_one(ImportBatch, batch_id).state = state
