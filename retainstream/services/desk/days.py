"""Days of the desk: where today begins and ends in the box's time zone. Microseconds UTC in and out."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from retainstream.errors import InvalidInput
from retainstream.lib import clock

FURTHEST_DAYS: Final = 366
"""How far ahead a task can be planned."""


def start_of_day(time_zone: str, now: int, days: int = 0) -> int:
    """Return the first instant of the day that lies so many days after that of `now`; a day may have 23 or 25 hours."""
    zone = ZoneInfo(time_zone)
    day = clock.from_us(now).astimezone(zone).date() + timedelta(days=days)
    return clock.to_us(datetime.combine(day, time.min, tzinfo=zone))


def insist_on_near(time_zone: str, now: int, what: str, field: str, instant: int | None) -> None:
    """Raise InvalidInput naming `field` when an instant lies before today or more than a year ahead: a slip of the pen would hide a task for good.

    Today is that of the box or of UTC, whichever began earlier, because scripts write days in UTC.
    """
    first = min(start_of_day(time_zone, now), start_of_day("UTC", now))
    last = max(end_of_day(time_zone, now, FURTHEST_DAYS), end_of_day("UTC", now, FURTHEST_DAYS))
    if instant is None or first <= instant <= last:
        return
    zone = ZoneInfo(time_zone)
    today = clock.from_us(now).astimezone(zone).date()
    raise InvalidInput(
        f"{what} lies between today and a year from now.",
        fields={field: [f"a day from {today} to {today + timedelta(days=FURTHEST_DAYS)}"]},
    )


def end_of_day(time_zone: str, now: int, days: int = 0) -> int:
    """Return the last microsecond of the day that lies so many days after that of `now`."""
    return start_of_day(time_zone, now, days + 1) - 1
