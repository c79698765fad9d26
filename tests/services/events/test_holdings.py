"""What is on record besides customers, counted as the lists count it."""

from __future__ import annotations

from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import Customer, Event, EventKind, Feed, Identity, ImportBatch
from retainstream.services import revisions
from retainstream.services.events import holdings


def test_an_empty_box_holds_nothing(app: Flask) -> None:
    with app.app_context(), read_unit() as session:
        held = holdings.read(session)
    assert (held.events, held.kinds, held.subscriptions, held.data_end) == (0, (), 0, None)


def test_events_are_counted_by_kind_without_those_of_an_unfinished_load(app: Flask) -> None:
    now = clock.now_us()
    with app.app_context():
        with unit_of_work() as session:
            session.add(Customer(id=1, tags=[], created_at=now, updated_at=now))
            session.add(Feed(id=1, name="app", created_at=now, last_occurred_at=now - 5, last_received_at=now - 5))
            session.add_all(
                [EventKind(id=1, name="login", created_at=now), EventKind(id=2, name="watch", created_at=now)]
            )
            session.add(
                ImportBatch(
                    id=1, state="applying", source="api", filename="x", file_sha256="x", size_bytes=1, created_at=now
                )
            )
            session.flush()
            session.add(Identity(customer_id=1, user_id="u1"))
            for at in range(7):
                session.add(
                    Event(
                        customer_id=1,
                        kind_id=1 + (at > 1),
                        feed_id=1,
                        batch_id=1 if at == 6 else None,
                        occurred_at=now - 9 - at,
                        received_at=now - 9 - at,
                        key=bytes([at]) * 16,
                    )
                )
            revisions.bump(session, "events")
        with read_unit() as session:
            held = holdings.read(session)
    assert [(kind.name, kind.events, kind.customers) for kind in held.kinds] == [("watch", 4, 1), ("login", 2, 1)]
    assert held.events == 6 and held.data_end is not None
