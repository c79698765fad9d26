"""One list from many tables: every entry once, newest first, whatever the size of the pages, and nothing that the reader may not see."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import (
    Customer,
    Event,
    EventKind,
    Exposure,
    Feed,
    Identity,
    ImportBatch,
    Note,
    Subscription,
    Task,
)
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import ROLE_PERMISSIONS, Role
from retainstream.services import timeline
from retainstream.services.customers import portrait, record

pytestmark = pytest.mark.usefixtures("minimal_app")
DAY = clock.DAY_US
START = 1_700_000_000_000_000


def ground(session: Session) -> None:
    session.add(Customer(id=1, tags=[], created_at=START, updated_at=START))
    session.add(Feed(id=1, name="app", created_at=START))
    session.add(EventKind(id=1, name="login", created_at=START))
    session.flush()
    session.add(Identity(customer_id=1, user_id="ada"))
    session.flush()


def fill(
    session: Session, events: list[int], subscriptions: list[int], acts: list[int], noted: Sequence[int] = ()
) -> None:
    for number, at in enumerate(events):
        session.add(
            Event(
                customer_id=1,
                kind_id=1,
                feed_id=1,
                occurred_at=at,
                received_at=at,
                key=b"e" + number.to_bytes(15, "big"),
            )
        )
    for number, at in enumerate(subscriptions):
        session.add(
            Subscription(key=number.to_bytes(16, "big"), customer_id=1, feed_id=1, started_at=at, received_at=at)
        )
    for at in acts:
        session.add(
            Exposure(customer_id=1, at=at, kind="call", source="t", arm="treated", propensity=1.0, recorded_at=at)
        )
    for at in noted:
        task = Task(customer_id=1, state="dropped", source="desk", created_at=START - DAY, updated_at=at, ended_at=at)
        session.add_all([task, Note(customer_id=1, at=at, text="Was kind.")])
    session.flush()


moments = st.lists(st.integers(0, 6).map(lambda step: START + step * DAY), max_size=9)


@given(moments, moments, moments, moments, st.integers(1, 7))
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_pages_hold_every_entry_once_from_new_to_old(
    events: list[int], subscriptions: list[int], acts: list[int], noted: list[int], size: int
) -> None:
    with unit_of_work() as session:
        for model in (Event, Subscription, Exposure, Note, Task, Identity, Customer, Feed, EventKind):
            session.execute(delete(model))
        ground(session)
        fill(session, events, subscriptions, acts, noted)
    with read_unit() as session:
        found: list[timeline.Entry] = []
        cursor = None
        while True:
            page = timeline.read(session, SYSTEM, "ada", cursor=cursor, limit=size)
            found += page.entries
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.entries) == size
    assert (
        len({entry.moment for entry in found})
        == len(found)
        == sum(map(len, (events, subscriptions, acts, noted, noted)))
    )
    assert [entry.moment for entry in found] == sorted((entry.moment for entry in found), reverse=True)


def test_rows_of_a_load_that_is_not_applied_do_not_exist() -> None:
    with unit_of_work() as session:
        ground(session)
        session.add(
            ImportBatch(
                id=5,
                state="undone",
                source="api",
                filename="x.csv",
                file_sha256="0" * 64,
                size_bytes=1,
                created_at=START,
            )
        )
        fill(session, [START], [], [])
        session.flush()
        session.query(Event).update({"batch_id": 5})
    with read_unit() as session:
        assert timeline.read(session, SYSTEM, "ada").entries == ()


def test_a_reader_without_the_permission_sees_no_events() -> None:
    viewer = Actor(kind="user", permissions=ROLE_PERMISSIONS[Role.VIEWER])
    with unit_of_work() as session:
        ground(session)
        fill(session, [START], [START], [START])
    with read_unit() as session:
        assert [entry.source for entry in timeline.read(session, viewer, "ada").entries] == ["exposure"]
        with pytest.raises(NotFound):
            timeline.read(session, viewer, "eve")
        with pytest.raises(InvalidInput):
            timeline.read(session, viewer, "ada", cursor="elsewhere")


def test_portrait_counts_and_holds_all_pages_of_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portrait, "_PAGE", 2)
    with unit_of_work() as session:
        ground(session)
        fill(session, [START + step for step in range(5)], [START], [START, START])
    with unit_of_work() as session:
        extent = portrait.extent(session, "ada")
        assert (extent.events, extent.subscriptions, extent.exposures, extent.months) == (5, 1, 2, 0)
        found = portrait.export(session, SYSTEM, "ada")
        assert len({item["id"] for item in found["events"]}) == 5  # type: ignore[attr-defined]


def test_a_change_of_what_was_changed_meanwhile_is_refused() -> None:
    with unit_of_work() as session:
        ground(session)
        read = record.read(session, SYSTEM, "ada")
        record.change(
            session, SYSTEM, "ada", record.Change({"plan": "Gold"}, {}, {}), unchanged_since=str(read["updated_at"])
        )
        with pytest.raises(Conflict, match="meanwhile"):
            record.change(
                session, SYSTEM, "ada", record.Change({"plan": "Tin"}, {}, {}), unchanged_since=str(read["updated_at"])
            )
        assert record.read(session, SYSTEM, "ada")["plan"] == "Gold"
