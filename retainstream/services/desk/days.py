"""Days of the desk: where today begins and ends in the box's time zone. Microseconds UTC in and out."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from retainstream.lib import clock


def start_of_day(time_zone: str, now: int, days: int = 0) -> int:
    """Return the first instant of the day that lies so many days after that of `now`; a day may have 23 or 25 hours."""
    zone = ZoneInfo(time_zone)
    day = clock.from_us(now).astimezone(zone).date() + timedelta(days=days)
    return clock.to_us(datetime.combine(day, time.min, tzinfo=zone))


def end_of_day(time_zone: str, now: int, days: int = 0) -> int:
    """Return the last microsecond of the day that lies so many days after that of `now`."""
    return start_of_day(time_zone, now, days + 1) - 1
