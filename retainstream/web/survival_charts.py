"""The drawings of the survival page: curves of groups with their bands, and departures by tenure as bars with whiskers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retainstream.ml.tenure import TenureHazards
from retainstream.services.survival.curves import Group, Step, Survival
from retainstream.web.charts import Axes, Point, Tick, round_ticks
from retainstream.web.template_tools import percent, whole

_WIDE, _NARROW = (1120.0, 360.0), (380.0, 300.0)
_STEPS = (1, 2, 3, 6, 12, 24, 36, 60, 120)
_MOST_NARROW = 80
_GAP = 0.16

Link = Callable[[Group, Step], str]


@dataclass(frozen=True)
class Dot:
    """A mark on a curve, which leads to those who left by then."""

    x: float
    y: float
    words: str
    count: str
    address: str


@dataclass(frozen=True)
class Line:
    """One group's curve: its number (1 to 8) says colour and dashes."""

    number: int
    label: str
    path: str
    band: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class CurveChart:
    """Curves of groups; `narrow` is the same drawn for a phone."""

    label: str
    axes: Axes
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    narrow: CurveChart | None = None


@dataclass(frozen=True)
class Bar:
    """Departures a month in one stretch of tenure; `low` and `high` are the ends of its whisker, in units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float
    enough: bool
    words: str
    count: str
    address: str


@dataclass(frozen=True)
class TenureChart:
    """Departures by tenure; `narrow` is the same drawn for a phone."""

    label: str
    axes: Axes
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    narrow: TenureChart | None = None


def curves(found: Survival, label: str, left_by: Link) -> CurveChart:
    """Return the drawing of the curves."""
    wide = _curves(found, label, left_by, _WIDE, 12)
    return replace(wide, narrow=_curves(found, label, left_by, _NARROW, 6))


def _curves(found: Survival, label: str, left_by: Link, size: tuple[float, float], most: int) -> CurveChart:
    until = max(found.horizon, 1.0)
    axes = Axes((0.0, until), (0.0, 1.0), *size)
    step = next((each for each in _STEPS if until / each <= most), _STEPS[-1])
    return CurveChart(
        label=label,
        axes=axes,
        lines=tuple(_line(axes, number, group, left_by) for number, group in enumerate(found.groups, start=1)),
        x_ticks=tuple(Tick(float(at), str(at)) for at in range(0, math.floor(until) + 1, step)),
        y_ticks=tuple(Tick(at, percent(at, 0)) for at in (0.0, 0.25, 0.5, 0.75, 1.0)),
    )


def _line(axes: Axes, number: int, group: Group, left_by: Link) -> Line:
    # A phone is too narrow for every step of a long curve.
    thin = len(group.points) > _MOST_NARROW and axes.width < _WIDE[0]
    times, shares, lows, highs = (group.points[::2] if thin else group.points).T
    certain = ~(np.isnan(lows) | np.isnan(highs))
    dots = tuple(
        Dot(
            axes.across(step.until),
            axes.up(step.share),
            f"{group.label}, {step.until:g} months: {percent(step.share, 0)} still there; left by then",
            whole(step.left_by),
            left_by(group, step),
        )
        for step in group.steps
        if step.share is not None and step.left_by
    )
    return Line(
        number,
        group.label,
        axes.line(_stairs(times, shares)),
        axes.band(_stairs(times[certain], lows[certain]), _stairs(times[certain], highs[certain])),
        dots,
    )


def _stairs(times: np.ndarray, values: np.ndarray) -> list[Point]:
    """Return the corners of a line that holds each value until the next time."""
    found: list[Point] = []
    for time, value in zip(times.tolist(), values.tolist(), strict=True):
        if found:
            found.append((time, found[-1][1]))
        found.append((time, value))
    return found


def tenure(found: TenureHazards, label: str, left: Callable[[int], str]) -> TenureChart | None:
    """Return the drawing of departures by tenure; None where nobody spent any time."""
    if not np.isfinite(found.rate).any():
        return None
    wide = _tenure(found, label, left, (1120.0, 260.0))
    narrow = _tenure(found, label, left, (380.0, 240.0))
    # There is no room for both ends of each stretch: the months at which one begins stand on the edges.
    starts = tuple(Tick(float(place), f"{start:g}") for place, start in enumerate(found.start.tolist()))
    return replace(wide, narrow=replace(narrow, x_ticks=starts))


def _tenure(found: TenureHazards, label: str, left: Callable[[int], str], size: tuple[float, float]) -> TenureChart:
    known = np.isfinite(found.rate)
    sure = known & found.enough
    # The whisker of a stretch with few departures may be long; it is cut at the top rather than flattening everything else.
    top = 1.08 * float(np.max(found.high[sure])) if sure.any() else 1.08 * float(np.max(found.high[known]))
    top = max(top, 1.08 * float(np.max(found.rate[known])))
    count = len(found.rate)
    axes = Axes((0.0, float(count)), (0.0, top), *size)
    bars = tuple(_bar(axes, found, place, top, left(place)) for place in range(count) if known[place])
    ticks = round_ticks(0.0, top, 4)
    digits = 0 if all(abs(100 * at - round(100 * at)) < 1e-9 for at in ticks) else 1
    return TenureChart(
        label=label,
        axes=axes,
        bars=bars,
        x_ticks=tuple(Tick(place + 0.5, stretch(found, place)) for place in range(count)),
        y_ticks=tuple(Tick(at, percent(at, digits)) for at in ticks),
    )


def _bar(axes: Axes, found: TenureHazards, place: int, top: float, address: str) -> Bar:
    rate, low, high = (float(each[place]) for each in (found.rate, found.low, found.high))
    left_edge, right_edge, y = axes.across(place + _GAP), axes.across(place + 1 - _GAP), axes.up(rate)
    words = f"{stretch(found, place)} months: {percent(rate)} a month ({percent(low)} to {percent(high)}); left"
    return Bar(
        left_edge,
        y,
        round(right_edge - left_edge, 1),
        round(axes.floor - y, 1),
        axes.up(low),
        axes.up(min(high, top)),
        bool(found.enough[place]),
        words,
        whole(int(found.events[place])),
        address if found.events[place] else "",
    )


def stretch(found: TenureHazards, place: int) -> str:
    """Return a stretch of tenure in months: "3–6", or "60+"."""
    start, end = float(found.start[place]), float(found.end[place])
    return f"{start:g}–{end:g}" if math.isfinite(end) else f"{start:g}+"


def numbered(groups: Sequence[Group]) -> tuple[tuple[int, Group], ...]:
    """Return groups with the numbers that their lines have."""
    return tuple(enumerate(groups, start=1))
