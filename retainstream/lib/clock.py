"""The only reader of the time. Instants are integer microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // MICROSECOND
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


def now_us() -> int:
    """Return the present instant in microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def now() -> datetime:
    """Return the present instant as an aware UTC datetime."""
    return from_us(now_us())


def monotonic() -> float:
    """Return seconds of a clock that never steps back; for durations only."""
    return time.monotonic()


def to_us(moment: datetime) -> int:
    """Return an aware datetime as integer microseconds; raises ValueError for a naive one, and for one that lies outside the years 1 to 9999 in UTC."""
    if moment.tzinfo is None:
        raise ValueError("a datetime needs a time zone")
    instant = (moment - _EPOCH) // MICROSECOND
    if not _FIRST_US <= instant <= _LAST_US:
        raise ValueError("a datetime lies in the years 1 to 9999 in UTC")
    return instant


def from_us(instant: int) -> datetime:
    """Return the aware UTC datetime of integer microseconds."""
    return _EPOCH + timedelta(microseconds=instant)


def iso(instant: int | None) -> str | None:
    """Return ISO 8601 in UTC with a Z, to the second unless there is a fraction; None stays None."""
    if instant is None:
        return None
    return from_us(instant).isoformat().replace("+00:00", "Z")
