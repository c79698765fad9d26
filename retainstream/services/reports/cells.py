"""How a value of a report is said to a person: in the form of its column, with a dash for nothing."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from zoneinfo import ZoneInfo

from retainstream.lib import clock

NOTHING = "–"
RIGHT = frozenset({"whole", "number", "share", "money"})
"""Kinds that stand at the right of their column."""
_BANDS = {"low": "Low", "medium": "Medium", "high": "High", "very_high": "Very high"}


def shown(value: object, kind: str, zone: ZoneInfo, name: str = "") -> str:
    """Return a value in words; `name` is that of its column, since bands have words of their own."""
    if value is None or value == "":
        return NOTHING
    if name == "risk_band":
        return _BANDS.get(str(value), str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        local = value.astimezone(zone)
        return f"{local.day} {local:%b %Y, %H:%M}" if kind == "moment" else f"{local.day} {local:%b %Y}"
    if isinstance(value, date):
        return f"{value.day} {value:%b %Y}"
    if isinstance(value, int | float | Decimal) and kind != "id":
        return _figure(value, kind)
    return str(value)


def _figure(value: float | Decimal, kind: str) -> str:
    if not isfinite(value):
        return NOTHING
    sign = "−" if value < 0 else ""
    size = -value if value < 0 else value
    if kind == "share":
        return f"{sign}{100 * float(size):.1f}%"
    if kind == "money":
        return f"{sign}{size:,}" if isinstance(size, Decimal) else f"{sign}{size:,.2f}"
    if isinstance(size, int):
        return f"{sign}{size:,}"
    return f"{sign}{size:,.4g}" if float(size) < 1000 else f"{sign}{size:,.0f}"


def stamp(as_of: int | None, zone: ZoneInfo) -> str:
    """Return the line at the end of a report: when it was made, and as of when (microseconds UTC) its figures are."""
    known = "" if as_of is None else f" Figures as of {shown(clock.from_us(as_of), 'moment', zone)}."
    return f"Made by RetainStream on {shown(clock.now(), 'moment', zone)} ({zone.key}).{known}"


def cut(rows: int, total: int, form: str) -> str:
    """Return the sentence beneath a table that is longer than its form shows; empty for one that is whole."""
    if rows >= total:
        return ""
    return f"The first {rows:,} of {total:,}: a report as {form} shows no more. CSV and Excel hold them all."
