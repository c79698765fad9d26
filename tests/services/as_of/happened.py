"""Customers, events and statements written straight into the tables, as the writers leave them: for tests of reading them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from retainstream.models import (
    Customer,
    Event,
    EventKind,
    Feed,
    Identity,
    ImportBatch,
    Subscription,
)
from retainstream.services import revisions

DAY = 86_400_000_000
START = 1_700_006_400_000_000
"""Midnight of 15 November 2023 UTC."""


def customer(session: Session, user_id: str, *, batch_id: int | None = None) -> int:
    """Store a customer and return its id."""
    made = Customer(batch_id=batch_id, tags=[], created_at=START, updated_at=START)
    session.add(made)
    session.flush()
    session.add(Identity(customer_id=made.id, user_id=user_id))
    revisions.bump(session, "customers")
    session.flush()
    return made.id


def batch(session: Session, state: str = "applying") -> int:
    """Store a load of events and return its id."""
    made = ImportBatch(
        state=state, target="events", source="api", filename="e.csv", file_sha256="0" * 64, size_bytes=1, created_at=1
    )
    session.add(made)
    session.flush()
    return made.id


def turn(session: Session, batch_id: int, state: str) -> None:
    """Move a load to another state, as its job does: what is taken back is gone from the tables, and the counters tell."""
    session.get_one(ImportBatch, batch_id).state = state
    if state == "undone":
        session.execute(delete(Event).where(Event.batch_id == batch_id))
    revisions.bump(session, "removals" if state in ("undoing", "undone") else "events")
    session.flush()


def event(
    session: Session,
    customer_id: int,
    kind: str = "login",
    day: float = 0.0,
    *,
    late: float = 0.0,
    value: float | None = None,
    batch_id: int | None = None,
    **properties: Any,
) -> int:
    """Store an event `day` days after START, received `late` days later, and return its id."""
    occurred = START + int(day * DAY)
    row = Event(
        customer_id=customer_id,
        kind_id=_kind(session, kind),
        feed_id=_feed(session),
        batch_id=batch_id,
        occurred_at=occurred,
        received_at=occurred + int(late * DAY),
        value=value,
        properties=json.dumps(properties) if properties else None,
        key=b"",
    )
    row.key = (session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1)) or 0).to_bytes(8, "big") + id(
        row
    ).to_bytes(8, "big")
    session.add(row)
    session.flush()
    if batch_id is not None:
        held = session.get_one(ImportBatch, batch_id)
        held.first_event_id, held.last_event_id = held.first_event_id or row.id, row.id
    revisions.bump(session, "events")
    session.flush()
    return row.id


def statement(
    session: Session,
    customer_id: int,
    key: str,
    started: float,
    ended: float | None = None,
    *,
    received: float | None = None,
    batch_id: int | None = None,
    **terms: Any,
) -> int:
    """Store a statement about a subscription, times in days after START, and return its id."""
    row = Subscription(
        key=key.encode().ljust(16, b"\0"),
        customer_id=customer_id,
        feed_id=_feed(session),
        batch_id=batch_id,
        started_at=START + int(started * DAY),
        ended_at=None if ended is None else START + int(ended * DAY),
        received_at=START + int((started if received is None else received) * DAY),
        **terms,
    )
    session.add(row)
    revisions.bump(session, "events")
    session.flush()
    return row.id


def _kind(session: Session, name: str) -> int:
    found = session.scalar(select(EventKind.id).where(EventKind.name == name))
    if found is None:
        made = EventKind(name=name, created_at=1)
        session.add(made)
        session.flush()
        found = made.id
    return found


def _feed(session: Session) -> int:
    found = session.scalar(select(Feed.id).where(Feed.name == "app"))
    if found is None:
        made = Feed(name="app", created_at=1, n_rows=0, muted=False, arrivals=[])
        session.add(made)
        session.flush()
        found = made.id
    return found


def people_who_go_quiet(session: Session) -> None:
    """Store eighty customers who log in every few days for up to 300 days, and each stop at some time."""
    rng = np.random.default_rng(1)
    ids = [customer(session, f"c{number}") for number in range(80)]
    event(session, ids[0], "login", 0)
    first = session.get_one(Event, 1)
    rows: list[dict[str, object]] = []
    for one in ids:
        at = rng.uniform(0, 100) + np.cumsum(rng.exponential(4, 100))
        for moment in at[at < min(300.0, rng.exponential(250))]:
            occurred = START + int(moment * DAY)
            rows.append(
                {
                    "customer_id": one, "kind_id": first.kind_id, "feed_id": first.feed_id, "occurred_at": occurred,
                    "received_at": occurred, "key": (len(rows) + 100).to_bytes(16, "big"),
                }
            )  # fmt: skip
    session.execute(insert(Event), rows)
    event(session, ids[0], "login", 299.9)
