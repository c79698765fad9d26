"""Calendar months as whole numbers, 12 x year + month - 1, with their names and their instants in a time zone."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from retainstream.errors import InvalidInput
from retainstream.lib import clock

_WRITTEN = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")
_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
MONTHS = (*_NAMES, "December")


def code(period: int) -> str:
    """Return a month as addresses have it, such as 2026-10."""
    return f"{period // 12:04d}-{period % 12 + 1:02d}"


def name(period: int) -> str:
    """Return a month as people say it, such as October 2026."""
    return f"{MONTHS[period % 12]} {period // 12}"


def short(period: int) -> str:
    """Return a month as an axis has it, such as Oct 26."""
    return f"{MONTHS[period % 12][:3]} {period // 12 % 100:02d}"


def period(written: str) -> int:
    """Return the number of a month; raises InvalidInput for what is none."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise InvalidInput(f"{written[:40]!r} is no month.", fields={"month": ["a month such as 2026-10"]})
    return 12 * int(match[1]) + int(match[2]) - 1


def begin(month: int, zone: str) -> int:
    """Return the first instant of a month in a time zone, microseconds UTC."""
    return clock.to_us(datetime(month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(zone)))


def of(instant: int, zone: str) -> int:
    """Return the month of an instant in a time zone."""
    local = clock.from_us(instant).astimezone(ZoneInfo(zone))
    return 12 * local.year + local.month - 1
