"""One list from many tables: every entry once, newest first, whatever the size of the pages, and nothing that the reader may not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

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
from retainstream.services import timeline, timeline_days
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


def emptied(session: Session) -> None:
    for model in (Event, Subscription, Exposure, Note, Task, Identity, Customer, Feed, EventKind):
        session.execute(delete(model))
    ground(session)


@given(moments, moments, moments, st.sets(st.sampled_from(["event", "subscription", "exposure"])), st.integers(1, 7))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_chosen_sources_are_those_of_the_whole_list(
    events: list[int], subscriptions: list[int], acts: list[int], sources: set[str], size: int
) -> None:
    with unit_of_work() as session:
        emptied(session)
        fill(session, events, subscriptions, acts)
    with read_unit() as session:
        whole = timeline.read(session, SYSTEM, "ada", limit=100).entries
        found: list[timeline.Entry] = []
        cursor: str | None = ""
        while cursor is not None:
            page = timeline.read(session, SYSTEM, "ada", cursor=cursor or None, limit=size, sources=sources)
            found += page.entries
            cursor = page.next_cursor
        assert found == [entry for entry in whole if not sources or entry.source in sources]
        part = timeline.read(session, SYSTEM, "ada", limit=100, within=(START + DAY, START + 3 * DAY)).entries
        assert list(part) == [entry for entry in whole if START + DAY <= entry.moment[0] < START + 3 * DAY]


hours = st.lists(st.integers(0, 72).map(lambda hour: START + hour * clock.HOUR_US), max_size=14)


@given(
    hours,
    hours,
    hours,
    st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati"]),
    st.integers(2, 6),
    st.integers(1, 5),
)
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_pages_of_days_hold_every_day_whole_and_once(
    events: list[int], acts: list[int], noted: list[int], zone: str, most: int, lines: int
) -> None:
    with unit_of_work() as session:
        emptied(session)
        fill(session, events, [], acts, noted)
    with pytest.MonkeyPatch.context() as patch, read_unit() as session:
        patch.setattr(timeline_days, "_READ", {"event": most})
        patch.setattr(timeline_days, "_READ_OF_OTHERS", most)
        patch.setattr(timeline_days, "LINES", lines)
        found: list[timeline_days.Day] = []
        cursor: str | None = ""
        while cursor is not None:
            page = timeline_days.read(session, SYSTEM, "ada", zone, cursor=cursor or None)
            assert page.days or not found, "an empty page follows nothing"
            found += page.days
            cursor = page.next_cursor
        whole = timeline.read(session, SYSTEM, "ada", limit=200).entries

    def day_of(entry: timeline.Entry) -> object:
        return clock.from_us(entry.moment[0]).astimezone(ZoneInfo(zone)).date()

    assert [one.start for one in found] == sorted({one.start for one in found}, reverse=True)
    assert [entry for one in found for entry in one.entries] == [one for one in whole if one.source != "event"]
    counted = {clock.from_us(one.start).astimezone(ZoneInfo(zone)).date(): one.event_count for one in found}
    assert {day: n for day, n in counted.items() if n} == Counter(day_of(e) for e in whole if e.source == "event")
    for one in found:
        assert one.entries or one.events, "a day without anything is not there"
        assert all(one.start <= entry.moment[0] < one.end for entry in (*one.entries, *one.events))


def test_a_crowded_day_is_counted_whole_and_told_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_days, "_READ", {"event": 5})
    with unit_of_work() as session:
        ground(session)
        fill(session, [START + minute * clock.MINUTE_US for minute in range(12)] + [START - 2 * DAY], [], [START])
    with read_unit() as session:
        page = timeline_days.read(session, SYSTEM, "ada", "UTC")
        (one,) = page.days
        assert (one.counts, len(one.events), len(one.entries)) == ((("login", 12),), 5, 1)
        (older,) = timeline_days.read(session, SYSTEM, "ada", "UTC", cursor=page.next_cursor).days
        assert older.event_count == 1


def test_days_begin_in_the_time_zone_of_the_box_and_may_have_23_hours() -> None:
    start, end = timeline_days.bounds_of("2026-03-29", "Europe/Berlin")
    assert clock.from_us(start) == datetime(2026, 3, 28, 23, tzinfo=ZoneInfo("UTC"))
    assert end - start == 23 * clock.HOUR_US
    with pytest.raises(ValueError, match="does not match"):
        timeline_days.bounds_of("soon", "UTC")


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
        with pytest.raises(InvalidInput):
            timeline_days.read(session, viewer, "ada", "UTC", cursor="elsewhere")
        with pytest.raises(InvalidInput, match="no source"):
            timeline.read(session, viewer, "ada", sources=["rumour"])
        assert timeline.read(session, viewer, "ada", sources=["event"]).entries == ()
        (only,) = timeline_days.read(session, viewer, "ada", "UTC").days
        assert (only.events, len(only.entries)) == ((), 1)


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
