"""Counters that tell caches and ETags that something changed; raised in the very commit that changes it."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from retainstream.db import db

NAMES = ("customers", "scores", "model", "settings", "events", "removals")
"""`events` stands for new events and subscription statements, `removals` for events that were taken away again (undone, erased)."""
APART = ("desk", "analyses")
"""Counters that `read` and `glance` leave out: figures of the data do not change with a task, and must not be computed anew for each call made."""


def bump(session: Session, *names: str) -> None:
    """Raise the named counters by one."""
    for name in names:
        if name not in (*NAMES, *APART):
            raise ValueError(f"no revision is called {name}")
        session.execute(
            text(
                "INSERT INTO revisions (name, value) VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            ),
            {"name": name},
        )


def read(session: Session) -> dict[str, int]:
    """Return all counters; one that was never raised is 0."""
    found = {name: int(value) for name, value in session.execute(text("SELECT name, value FROM revisions"))}
    return {name: found.get(name, 0) for name in NAMES}


def one(session: Session, name: str) -> int:
    """Return one counter, also of those that stand apart."""
    found = session.execute(text("SELECT value FROM revisions WHERE name = :name"), {"name": name}).scalar()
    return int(found or 0)


def glance(names: tuple[str, ...] = NAMES) -> tuple[int, ...]:
    """Return some counters, in their order, without a unit of work, for callers that only ask whether what they keep still holds.

    One autocommitted SELECT is a consistent snapshot in itself, and on a pooled connection it takes a tenth of the time of a session around it.
    """
    connection = db.engine.raw_connection()
    try:
        found = dict(connection.cursor().execute("SELECT name, value FROM revisions").fetchall())
    finally:
        connection.close()
    return tuple(found.get(name, 0) for name in names)
