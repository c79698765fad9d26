"""The drawings of a proposed churn definition: how long customers pause, and how many come back after a silence. Days lie on a scale of powers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.web.charts import Axes, Bar, Tick, round_ticks
from retainstream.web.template_tools import percent, whole

Answer = Mapping[str, Any]
WIDTH, HEIGHT = 440.0, 220.0
ACCEPTED = 0.15
"""Returns that are few enough to call a customer gone; as in `retainstream.ml.asof.proposal`."""
_MARKS = (1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 730)
_LEAST_APART = 30.0
_THINNEST = 1.0


@dataclass(frozen=True)
class Dot:
    """One point of a line, in units of the drawing."""

    x: float
    y: float
    words: str
    chosen: bool


@dataclass(frozen=True)
class Row:
    """One row of the table that says the same as the drawing."""

    words: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class GapChart:
    """How long customers pause between two active days. `mark` is where the chosen days of silence lie."""

    title: str
    label: str
    note: str
    axes: Axes
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    mark: float | None
    mark_words: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ReturnChart:
    """How many come back after a silence of so many days. `accepted` is the height of the share that is few enough."""

    title: str
    label: str
    note: str
    axes: Axes
    line: str
    area: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    accepted: float
    accepted_words: str
    rows: tuple[Row, ...]


def gap_chart(gaps: Answer, days: int | None) -> GapChart | None:
    """Return the distribution of pauses; None without any. Heights are shares of all pauses."""
    bins, total = gaps["distribution"], int(gaps["gaps"])
    if not bins or not total:
        return None
    longest = max(int(bins[-1]["to_days"]) + 1, (days or 1) + 1, 8)
    tallest = max(int(each["gaps"]) for each in bins) / total
    axes = Axes((0.0, math.log(longest)), (0.0, 1.12 * tallest), WIDTH, HEIGHT)
    bars, rows = [], []
    for each in bins:
        low, high, count = int(each["from_days"]), int(each["to_days"]), int(each["gaps"])
        left, right, top = axes.across(math.log(low)), axes.across(math.log(high + 1)), axes.up(count / total)
        words = f"{low} day{'' if low == 1 else 's'}" if low == high else f"{low} to {high} days"
        bars.append(
            Bar(
                left + 1,
                top,
                max(_THINNEST, round(right - left - 2, 1)),
                round(axes.floor - top, 1),
                f"{words}: {whole(count)} pauses",
            )
        )
        rows.append(Row(words, (whole(count), percent(count / total))))
    half, most = gaps["median_days"], gaps["p95_days"]
    return GapChart(
        title=f"Half of the pauses are over within {_days(half)}, 95 of 100 within {_days(most)}",
        label=f"Pauses between two active days of a customer: half within {_days(half)}, 95 of 100 within {_days(most)}, of {whole(total)}.",
        note=f"{whole(total)} pauses that ended",
        axes=axes,
        bars=tuple(bars),
        x_ticks=day_ticks(axes, longest),
        y_ticks=tuple(Tick(each, percent(each, 0)) for each in round_ticks(0, tallest, 4)),
        mark=None if days is None else axes.across(math.log(days)),
        mark_words="" if days is None else _days(days),
        rows=tuple(rows),
    )


def return_chart(gaps: Answer, candidates: Sequence[Answer], days: int | None) -> ReturnChart | None:
    """Return how many come back after a silence; None where that cannot be said."""
    curve = [(int(each["days"]), float(each["came_back"])) for each in gaps["returning"]]
    if len(curve) < 2:
        return None
    axes = Axes((0.0, math.log(curve[-1][0])), (0.0, 1.12), WIDTH, HEIGHT)
    points = [(math.log(each), share) for each, share in curve]
    known = [(int(each["inactive_days"]), each["came_back"]) for each in candidates if each["came_back"] is not None]
    dots = tuple(
        Dot(axes.across(math.log(each)), axes.up(share), f"{_days(each)}: {percent(share, 0)} come back", each == days)
        for each, share in known
        if each <= curve[-1][0]
    )
    here = next((share for each, share in known if each == days), None)
    few = next((each for each, share in curve if share <= ACCEPTED), None)
    if here is not None and days is not None:
        title = f"After {_days(days)} of silence {percent(here, 0)} still come back"
    elif few is not None:
        title = f"After {_days(few)} of silence fewer than {percent(ACCEPTED, 0)} come back"
    else:
        title = "Even after long silences many come back"
    return ReturnChart(
        title=title,
        label=f"{title}. Share that comes back, against days of silence, from {percent(curve[0][1], 0)} after {_days(curve[0][0])}"
        f" to {percent(curve[-1][1], 0)} after {_days(curve[-1][0])}.",
        note=f"followed for {_days(gaps['followed_days'])}; silences that still go on are allowed for",
        axes=axes,
        line=axes.line(points),
        area=axes.area(points),
        dots=dots,
        x_ticks=day_ticks(axes, curve[-1][0]),
        y_ticks=tuple(Tick(each, percent(each, 0)) for each in (0.0, 0.25, 0.5, 0.75, 1.0)),
        accepted=axes.up(ACCEPTED),
        accepted_words=f"{percent(ACCEPTED, 0)}: few enough",
        rows=tuple(Row(_days(each), (percent(share),)) for each, share in curve),
    )


def day_ticks(axes: Axes, longest: int) -> tuple[Tick, ...]:
    """Return ticks at days that people know, none too close to the one before."""
    found: list[Tick] = []
    for mark in _MARKS:
        if mark > longest:
            break
        at = math.log(mark)
        if not found or axes.across(at) - axes.across(found[-1].at) >= _LEAST_APART:
            found.append(Tick(at, str(mark)))
    return tuple(found)


def _days(number: int | None) -> str:
    if number is None:
        return "an unknown number of days"
    return "1 day" if number == 1 else f"{number:,} days"
