"""The drawings of the revenue page: the bridge of one month, and what came and went month by month. Geometry and words, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.services.revenue import bridge, calendar, cells
from retainstream.web.charts import Axes, Tick, round_ticks
from retainstream.web.revenue_words import WORDS, amount, customers, listed, tick, tone

Figures = Mapping[str, Any]
WIDE, NARROW = (1120.0, 24), (380.0, 8)
"""Width of a drawing, and how many months it has room for."""
_TRUNCATED = 0.35
_GAP = 0.24
_LEAST = 0.6  # per cent of the width: a bar that is there can be seen


@dataclass(frozen=True)
class Step:
    """One bar of a month's bridge; `x` and `width` in per cent."""

    words: str
    tone: str
    amount: str
    count: int
    said: str
    address: str
    x: float
    width: float


@dataclass(frozen=True)
class Waterfall:
    """A month's bridge as bars, one beneath the other; `begins` says where the bars of the whole begin, if not at nought."""

    steps: tuple[Step, ...]
    begins: str


@dataclass(frozen=True)
class Segment:
    """A piece of a month's bar."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    words: str
    count: int
    address: str


@dataclass(frozen=True)
class Bars:
    """What came above the line and what went below it, by month; `narrow` is the same for a phone, with the newest months."""

    title: str
    axes: Axes
    segments: tuple[Segment, ...]
    nought: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    legend: tuple[tuple[str, str], ...]
    narrow: Bars | None = None


def waterfall(month: int, found: Figures, currency: str) -> Waterfall:
    """Return the bridge of one month."""
    reached = [int(found["opening"])]
    for kind in bridge.KINDS:
        reached.append(reached[-1] + int(found[kind]))
    low, high = min(reached), max(reached)
    base = 0 if high - low > _TRUNCATED * high else max(0, low - 2 * (high - low))
    span = (high - base) or 1
    steps = []
    at = 0
    for figure in bridge.FIGURES:
        level = figure in ("opening", "closing")
        ends = (base, int(found[figure])) if level else (at, at + int(found[figure]))
        at = ends[1]
        width = 100 * abs(ends[1] - ends[0]) / span
        shown = max(width, _LEAST) if width else 0.0
        x = min(100 * (min(ends) - base) / span, 100 - shown)
        n = int(found[f"{figure}_customers"])
        steps.append(
            Step(
                words=WORDS[figure],
                tone=tone(figure),
                amount=amount(int(found[figure]), currency, signed=not level),
                count=n,
                said=customers(n),
                address=listed(cells.address(month, figure)),
                x=round(x, 2),
                width=round(shown, 2),
            )
        )
    return Waterfall(tuple(steps), amount(base, currency) if base else "")


def bars(rows: Sequence[Figures], currency: str) -> Bars | None:
    """Return what came and went by month, oldest first; None before there are two months."""
    if len(rows) < 2:
        return None
    title = _title([row for row in rows if row["complete"]][-12:])
    wide, narrow = (_drawn(rows[-most:], currency, title, width) for width, most in (WIDE, NARROW))
    return Bars(**{**vars(wide), "narrow": narrow})


def _title(rows: Sequence[Figures]) -> str:
    more = sum(row["closing"] > row["opening"] for row in rows)
    months = f"{len(rows)} complete month{'' if len(rows) == 1 else 's'}"
    return f"More came than went in {more} of the last {months}"


def _drawn(rows: Sequence[Figures], currency: str, title: str, width: float) -> Bars:
    came = [sum(max(0, row[kind]) for kind in bridge.KINDS) for row in rows]
    went = [sum(min(0, row[kind]) for kind in bridge.KINDS) for row in rows]
    low, high = min(*went, 0), max(*came, 0)
    axes = Axes((0, len(rows)), (low, high if high > low else low + 1), width=width, height=260 if width > 400 else 240)
    segments: list[Segment] = []
    for place, row in enumerate(rows):
        segments += _month(axes, place, row, currency)
    used = [kind for kind in bridge.KINDS if any(row[kind] for row in rows)]
    apart = max(1, round(len(rows) / (12 if width > 400 else 5)))
    shown = range((len(rows) - 1) % apart, len(rows), apart)
    return Bars(
        title=title,
        axes=axes,
        segments=tuple(segments),
        nought=axes.up(0),
        x_ticks=tuple(Tick(place + 0.5, calendar.short(calendar.period(rows[place]["month"]))) for place in shown),
        y_ticks=tuple(Tick(value, tick(value, currency)) for value in round_ticks(low, high, 5)),
        legend=tuple((tone(kind), WORDS[kind]) for kind in used),
    )


def _month(axes: Axes, place: int, row: Figures, currency: str) -> list[Segment]:
    month = calendar.period(row["month"])
    left, right = axes.across(place + _GAP / 2), axes.across(place + 1 - _GAP / 2)
    found, above, below = [], 0, 0
    for kind in bridge.KINDS:
        value = int(row[kind])
        if not value:
            continue
        start = above if value > 0 else below
        top, bottom = axes.up(max(start, start + value)), axes.up(min(start, start + value))
        above, below = (above + value, below) if value > 0 else (above, below + value)
        count = int(row[f"{kind}_customers"])
        words = f"{WORDS[kind]} in {calendar.name(month)}, {amount(value, currency, signed=True)}, customers"
        address = listed(cells.address(month, kind))
        height = max(round(bottom - top, 1), 0.8)
        found.append(Segment(left, top, round(right - left, 1), height, tone(kind), words, count, address))
    return found
