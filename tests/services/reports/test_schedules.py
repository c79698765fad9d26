"""When reports are due, across changes of clocks and short months, and queued once however long the box was off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.models import JobRun, Report
from retainstream.security.actor import Actor
from retainstream.services.reports import saved, schedules

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "America/Sao_Paulo", "Asia/Kolkata")


def due(schedule: dict[str, Any], zone: str, moment: str) -> str:
    found = schedules.next_after(schedule, zone, clock.to_us(datetime.fromisoformat(moment)))
    return clock.from_us(found).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def daily(hour: int) -> dict[str, Any]:
    return {"every": "day", "hour": hour}


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (daily(7), "2026-11-21T05:59:59+00:00", "2026-11-21 07:00 CET"),
        (daily(7), "2026-11-21T06:00:00+00:00", "2026-11-22 07:00 CET"),
        # 02:00 is skipped on 29 March 2026: it counts at the jump, which is 03:00 by the new time.
        (daily(2), "2026-03-28T12:00:00+00:00", "2026-03-29 03:00 CEST"),
        (daily(2), "2026-03-29T01:00:00+00:00", "2026-03-30 02:00 CEST"),
        # 02:00 comes twice on 25 October 2026: the first time counts, the second makes no second report.
        (daily(2), "2026-10-24T12:00:00+00:00", "2026-10-25 02:00 CEST"),
        (daily(2), "2026-10-25T00:00:00+00:00", "2026-10-26 02:00 CET"),
        ({"every": "week", "weekday": 0, "hour": 7}, "2026-11-21T12:00:00+00:00", "2026-11-23 07:00 CET"),
        ({"every": "week", "weekday": 5, "hour": 7}, "2026-11-21T12:00:00+00:00", "2026-11-28 07:00 CET"),
        ({"every": "month", "day": 31, "hour": 7}, "2026-02-01T12:00:00+00:00", "2026-02-28 07:00 CET"),
        ({"every": "month", "day": 30, "hour": 0}, "2028-02-01T12:00:00+00:00", "2028-02-29 00:00 CET"),
        ({"every": "month", "day": 1, "hour": 7}, "2026-12-15T12:00:00+00:00", "2027-01-01 07:00 CET"),
    ],
)
def test_the_next_time_is_that_of_the_boxs_clocks(schedule: dict[str, Any], moment: str, expected: str) -> None:
    assert due(schedule, "Europe/Berlin", moment) == expected


@given(
    schedule=st.one_of(
        st.builds(lambda hour: {"every": "day", "hour": hour}, st.integers(0, 23)),
        st.builds(
            lambda hour, at: {"every": "week", "hour": hour, "weekday": at}, st.integers(0, 23), st.integers(0, 6)
        ),
        st.builds(lambda hour, at: {"every": "month", "hour": hour, "day": at}, st.integers(0, 23), st.integers(1, 31)),
    ),
    zone=st.sampled_from(ZONES),
    start=st.integers(clock.to_us(datetime(2020, 1, 1, tzinfo=UTC)), clock.to_us(datetime(2030, 1, 1, tzinfo=UTC))),
)
def test_each_time_lies_ahead_and_no_day_comes_twice(schedule: dict[str, Any], zone: str, start: int) -> None:
    moment, days = start, []
    for _ in range(15):
        following = schedules.next_after(schedule, zone, moment)
        assert following > moment
        assert following - moment <= {"day": 2, "week": 8, "month": 32}[schedule["every"]] * clock.DAY_US
        days.append(clock.from_us(following).astimezone(ZoneInfo(zone)).date())
        moment = following
    assert len(set(days)) == 15


@pytest.mark.parametrize(
    "wrong",
    [{}, {"every": "hour"}, {"every": "day"}, {"every": "day", "hour": 24}, {"every": "week", "hour": 7}, {"every": "month", "hour": True, "day": 1}, {"every": "month", "hour": 7, "day": 0}],
)  # fmt: skip
def test_a_schedule_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        schedules.checked(wrong)


def test_schedules_are_said_in_words() -> None:
    said = [schedules.words(schedules.checked(one)) for one in (None, daily(7) | {"weekday": 9}, {"every": "week", "hour": 0, "weekday": 6}, {"every": "month", "hour": 18, "day": 22}, {"every": "month", "hour": 1, "day": 31})]  # fmt: skip
    assert said == ["By hand", "Every day at 07:00", "Every Sunday at 00:00", "On the 22nd of the month at 18:00", "On the last day of the month at 01:00"]  # fmt: skip


def test_what_fell_due_while_the_box_was_off_is_queued_once(
    settings: Settings, person: Actor, keep: Callable[..., int]
) -> None:
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        often, rare, rests, _hand = (
            keep(schedule=one) for one in (daily(7), {"every": "month", "day": 28, "hour": 7}, daily(7), None)
        )
        with unit_of_work() as session:
            saved.change(session, person, settings, rests, {"paused": True})
            assert schedules.queue_due(session, "UTC") == []
    with time_machine.travel(start + timedelta(days=9), tick=False):
        with unit_of_work() as session:
            assert len(schedules.queue_due(session, "UTC")) == 1
        with unit_of_work() as session:
            assert schedules.queue_due(session, "UTC") == []
    with read_unit() as session:
        job = session.scalars(select(JobRun)).one()
        assert job.payload == {"report_id": often}
        times = {one.id: clock.iso(one.next_at) for one in session.scalars(select(Report))}
    assert times[often] == "2026-06-11T07:00:00Z" and times[rare] == "2026-06-28T07:00:00Z" and times[rests] is None
    with time_machine.travel(start + timedelta(days=12), tick=False), unit_of_work() as session:
        assert schedules.queue_due(session, "UTC") == [], "the job of last time is still queued"
