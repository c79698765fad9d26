"""The drawings of the home page: how the scores spread, and what was expected beside what came. Geometry and words, made from the services' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retainstream.lib import clock
from retainstream.services.trend import Moment
from retainstream.web.charts import Axes, Tick, round_ticks
from retainstream.web.template_tools import day, percent, whole

BAND_WORDS = {"low": "Low risk", "medium": "Medium risk", "high": "High risk", "very_high": "Very high risk"}
CHART_WIDTH, CHART_HEIGHT, GAP = 600.0, 160.0, 4.0
FEWEST_BARS = 8
_SMALLEST_BAR = 2.0
_TICK_APART = 70.0
_WIDE, _NARROW = 1120.0, 380.0

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """One bar of the distribution, in units of the drawing; `address` leads to the customers in it, where a list can tell them."""

    x: float
    y: float
    width: float
    height: float
    band: str
    words: str
    count: int
    address: str = ""


@dataclass(frozen=True)
class BandCount:
    """How many customers a band holds."""

    band: str
    word: str
    count: str


@dataclass(frozen=True)
class Chart:
    """The distribution: a finding as its title, the bars, and the counts of the bands."""

    title: str
    note: str
    measure: str
    bars: tuple[Bar, ...]
    bands: tuple[BandCount, ...]
    ticks: tuple[str, ...] = ()
    width: float = CHART_WIDTH
    height: float = CHART_HEIGHT


@dataclass(frozen=True)
class TrendPoint:
    """One scoring on the trend: its day, and the shares that were expected to leave and that left."""

    day: str
    expected: str
    left: str


@dataclass(frozen=True)
class TrendChart:
    """Shares expected to leave and shares that left, over the days of scoring; `narrow` is the same drawn for a phone."""

    title: str
    note: str
    axes: Axes
    expected: str
    left: str
    expected_dots: tuple[tuple[float, float], ...]
    left_dots: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[TrendPoint, ...]
    narrow: TrendChart | None = None


def chart(distribution: Answer) -> Chart | None:
    """Return the drawing of the score distribution; None when nobody is scored. A bar has the colour of the band that its middle lies in."""
    n, bins, bands = int(distribution["n"]), distribution["bins"], distribution["bands"]
    if not n:
        return None
    filled = max((place for place, item in enumerate(bins) if item["count"]), default=0)
    # Rounded up to what the axis can be labelled at even distances with.
    bins = bins[: max(FEWEST_BARS, -(-(filled + 1) // 4) * 4)]
    tallest = max(int(item["count"]) for item in bins) or 1
    step = CHART_WIDTH / len(bins)
    bars = []
    for index, item in enumerate(bins):
        count = int(item["count"])
        height = max(_SMALLEST_BAR, CHART_HEIGHT * count / tallest) if count else 0.0
        middle = (item["low"] + item["high"]) / 2
        band = [entry["band"] for entry in bands if entry["from"] <= middle][-1]
        words = f"{percent(item['low'], 0)} to {percent(item['high'], 0)}"
        bars.append(
            Bar(
                round(index * step + GAP / 2, 1),
                round(CHART_HEIGHT - height, 1),
                round(step - GAP, 1),
                round(height, 1),
                band,
                words,
                count,
                _members(distribution, item) if count else "",
            )
        )
    risky = sum(int(entry["count"]) for entry in bands if entry["band"] in ("high", "very_high"))
    measure = "Churn probability" if distribution["measure"] == "churn_probability" else "Percentile of risk"
    every = 1 if len(bins) <= FEWEST_BARS else 4
    return Chart(
        ticks=tuple(percent(item["low"], 0) for item in bins[::every]),
        title=_spread(n, int(bands[0]["count"]), risky),
        note=f"{whole(n)} scored",
        measure=measure,
        bars=tuple(bars),
        bands=tuple(BandCount(entry["band"], BAND_WORDS[entry["band"]], whole(entry["count"])) for entry in bands),
    )


def _members(distribution: Answer, item: Answer) -> str:
    """Return the list behind a bar. A bar leaves out its upper edge, which the list's greatest probability includes; the last one has it."""
    if distribution["measure"] != "churn_probability":
        return ""
    most = item["high"] if item["high"] >= 1 else item["high"] - 1e-12
    return f"/customers?min_probability={item['low']:.12g}&max_probability={most:.12f}"


def _spread(n: int, low: int, risky: int) -> str:
    if risky == 0:
        return "Nobody is at high risk"
    tail = f"{whole(risky)} {'is' if risky == 1 else 'are'} at high risk"
    if low > n / 2:
        return f"Most customers are at low risk; {tail}"
    return f"{percent(risky / n, 0)} of customers, {whole(risky)}, {'is' if risky == 1 else 'are'} at high risk"


def trend(past: Sequence[Moment]) -> TrendChart | None:
    """Return the drawing of what was expected and what came; None for fewer than two scorings with a known expectation."""
    wide = _trend(past, _WIDE)
    return None if wide is None else replace(wide, narrow=_trend(past, _NARROW))


def _trend(past: Sequence[Moment], width: float) -> TrendChart | None:
    expected = [(float(one.as_of), one.expected_share) for one in past if one.expected_share is not None]
    left = [(float(one.as_of), one.left_share) for one in past if one.left_share is not None]
    if len(expected) < 2:
        return None
    most = max(share for _, share in [*expected, *left])
    ticks = round_ticks(0.0, most * 1.1, 4)
    axes = Axes((expected[0][0], expected[-1][0]), (0.0, max(most * 1.1, ticks[-1])), width=width, height=220.0)
    shown: list[Moment] = []
    for one in past:
        if not shown or axes.across(one.as_of) - axes.across(shown[-1].as_of) >= _TICK_APART:
            shown.append(one)
    return TrendChart(
        title=_trend_title(past),
        note=f"{len(past)} scorings; solid what was expected, dashed what came",
        axes=axes,
        expected=axes.line(expected),
        left=axes.line(left),
        expected_dots=tuple((axes.across(x), axes.up(y)) for x, y in expected),
        left_dots=tuple((axes.across(x), axes.up(y)) for x, y in left),
        x_ticks=tuple(Tick(float(one.as_of), day(clock.iso(one.as_of))) for one in shown),
        y_ticks=tuple(Tick(tick, percent(tick, 0 if most > 0.04 else 1)) for tick in ticks),
        points=tuple(
            TrendPoint(day(clock.iso(one.as_of)), percent(one.expected_share), percent(one.left_share)) for one in past
        ),
    )


def _trend_title(past: Sequence[Moment]) -> str:
    judged = [one for one in past if one.left_share is not None and one.expected_share is not None]
    if not judged:
        return "What was expected; nothing has come due yet"
    last = judged[-1]
    when = day(clock.iso(last.as_of))
    return (
        f"Of those scored on {when}, {percent(last.left_share)} left; {percent(last.expected_share)} were expected to"
    )
