"""A day of the desk is the day of the box's time zone, however many hours it has."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from retainstream.lib import clock
from retainstream.services.desk import days

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
MOMENTS = st.integers(1_500_000_000, 2_000_000_000).map(lambda second: second * clock.SECOND_US)


@given(ZONES, MOMENTS, st.integers(0, 90))
def test_days_follow_one_another_without_gap(zone: str, now: int, ahead: int) -> None:
    assert days.start_of_day(zone, now) <= now <= days.end_of_day(zone, now)
    assert days.end_of_day(zone, now, ahead) + 1 == days.start_of_day(zone, now, ahead + 1)
    length = days.start_of_day(zone, now, ahead + 1) - days.start_of_day(zone, now, ahead)
    assert length in {hours * clock.HOUR_US for hours in (23, 24, 25)}


def test_the_night_of_the_long_day_belongs_to_one_day() -> None:
    night = clock.to_us(datetime(2026, 10, 24, 22, 30, tzinfo=UTC))  # half past midnight of the 25th in Berlin
    begins = clock.to_us(datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
    assert days.start_of_day("Europe/Berlin", night) == begins
    assert days.start_of_day("Europe/Berlin", night, 1) - begins == 25 * clock.HOUR_US
