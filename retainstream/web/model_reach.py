"""What reaching so many customers finds and brings: the lift and gain curve of a report turned into heads and money. Pure functions.

Shares of leavers come from rows that the model never saw; heads and money are those shares times a crowd (today's customers, or the test rows).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from retainstream.web.charts import Axes, Point, Tick, round_ticks
from retainstream.web.template_tools import percent, whole

Answer = Mapping[str, Any]
FIRST_SHARE = 0.1
"""The share of customers that the headline speaks of."""
_MOST = 10**9


@dataclass(frozen=True)
class Costs:
    """What reaching a customer costs and brings, in the currency's main unit; `acceptance` is above 0 and up to 1."""

    acceptance: float
    value: float
    contact: float
    incentive: float

    @property
    def each(self) -> float:
        """Return what reaching one customer costs. The incentive is counted for everybody reached, which is the careful side."""
        return self.contact + self.incentive


@dataclass(frozen=True)
class Crowd:
    """Whom the curve is applied to: how many customers, how many leavers among them, words for both, and what to mind."""

    customers: int
    leavers: float
    words: str
    leaver_words: str
    note: str = ""


@dataclass(frozen=True)
class Asked:
    """What the form holds: the number to reach, the costs, the text as typed, and complaints by field."""

    reach: int
    costs: Costs
    typed: Mapping[str, str]
    problems: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class GainPlot:
    """The gain curve with the chosen number on it."""

    axes: Axes
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: str
    area: str
    spread: str
    chance: str
    at: Point
    label: str


@dataclass(frozen=True)
class MoneyPlot:
    """Expected net gain over the number reached, with the chosen number on it."""

    axes: Axes
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: str
    zero: float
    at: Point
    label: str


@dataclass(frozen=True)
class ReachRow:
    """One line of the table behind the curves."""

    share: str
    reached: str
    found: str
    caught: str
    lift: str
    net_gain: str


@dataclass(frozen=True)
class ReachView:
    """The answer to "we can reach N customers"."""

    asked: Asked
    crowd: Crowd
    sentence: str
    found: str
    found_between: str
    caught: str
    lift: str
    net_gain: str
    net_between: str
    advice: str
    loses: bool
    without: str
    gains: GainPlot
    money: MoneyPlot
    rows: tuple[ReachRow, ...]

    @property
    def query(self) -> str:
        """Return the costs as a query string, as they hold: a cost that cannot be read is the usual one."""
        costs = self.asked.costs
        return urlencode(
            {
                "acceptance": f"{100 * costs.acceptance:.10g}",
                "value": f"{costs.value:.10g}",
                "contact": f"{costs.contact:.10g}",
                "incentive": f"{costs.incentive:.10g}",
            }
        )


@dataclass(frozen=True)
class Curve:
    """Share of leavers found over share of customers reached, both 0 to 1 and rising; `low` and `high` are known up to a share only."""

    points: tuple[Point, ...]
    low: tuple[Point, ...] = ()
    high: tuple[Point, ...] = ()

    def found(self, share: float) -> float:
        """Return the share of leavers among the first `share` of customers, by straight lines between the points."""
        return _between(self.points, share)

    def interval(self, share: float) -> tuple[float, float] | None:
        """Return the 95% interval of `found`; None beyond the shares whose intervals were computed."""
        if not self.low or share > self.low[-1][0] + 1e-9:
            return None
        value = self.found(share)
        return min(value, _between(self.low, share)), max(value, _between(self.high, share))


def curve(report: Answer) -> Curve | None:
    """Return a report's gain curve; None where the report has none."""
    gains = [
        (float(one["share_reached"]), float(one["share_churners"]))
        for one in report.get("gains") or ()
        if one.get("share_churners") is not None
    ]
    if not gains:
        return None
    capacities = (report.get("forward") or {}).get("capacities") or ()
    known = [
        (float(one["share_reached"]), one["share_churners"])
        for one in capacities
        if one["share_churners"].get("low") is not None and one["share_churners"].get("high") is not None
    ]
    low = tuple((share, float(figure["low"])) for share, figure in known)
    high = tuple((share, float(figure["high"])) for share, figure in known)
    return Curve(_from_nothing(gains), _from_nothing(low), _from_nothing(high))


def first_tenth(report: Answer) -> tuple[float, tuple[float, float] | None] | None:
    """Return which share of leavers the first tenth of customers holds, with its interval where there is one; None without a curve."""
    known = curve(report)
    if known is None:
        return None
    interval = known.interval(FIRST_SHARE)
    if interval is None:
        lift = (report.get("metrics") or {}).get("top_decile_lift") or {}
        if lift.get("low") is not None and lift.get("high") is not None:
            interval = (min(1.0, FIRST_SHARE * lift["low"]), min(1.0, FIRST_SHARE * lift["high"]))
    return known.found(FIRST_SHARE), interval


def share_of(one: Answer, n: int) -> float:
    """Return which share of a run's n customers a capacity is; runs that were judged before the share was written have heads alone."""
    return float(one["share_reached"] if "share_reached" in one else one["reached"] / max(n, 1))


def caught_in_tenth(caught: Sequence[Answer], n: int) -> float | None:
    """Return the share of leavers among the first tenth of a run's n customers; None where it is not known, or nobody left."""
    for one in caught:
        if abs(share_of(one, n) - FIRST_SHARE) < 0.005 + 0.5 / max(n, 1):
            share = one["share_of_churners"]
            found = share.get("value") if isinstance(share, Mapping) else share
            return None if found is None else float(found)
    return None


def asked(query: Mapping[str, str], crowd: Crowd, defaults: Costs) -> Asked:
    """Read the form; what cannot be read is complained of and its default is taken."""
    problems: dict[str, list[str]] = {}
    typed = {
        "acceptance": query.get("acceptance", f"{100 * defaults.acceptance:g}"),
        "value": query.get("value", f"{defaults.value:g}"),
        "contact": query.get("contact", f"{defaults.contact:g}"),
        "incentive": query.get("incentive", f"{defaults.incentive:g}"),
    }
    bounds = {"acceptance": (0.1, 100.0), "value": (0.01, _MOST), "contact": (0.0, _MOST), "incentive": (0.0, _MOST)}
    usual = {
        "acceptance": 100 * defaults.acceptance,
        "value": defaults.value,
        "contact": defaults.contact,
        "incentive": defaults.incentive,
    }
    read: dict[str, float] = {}
    for name, (low, high) in bounds.items():
        number = _number(typed[name])
        if number is None or not low <= number <= high:
            upper = f" to {high:g}" if high < _MOST else " or more"
            problems[name] = [f"a number, {low:g}{upper}"]
            number = usual[name]
        read[name] = number
    wanted = _number(query.get("reach", ""))
    start = max(1, round(FIRST_SHARE * crowd.customers))
    reach = start if wanted is None else min(crowd.customers, max(1, round(min(wanted, _MOST))))
    costs = Costs(read["acceptance"] / 100, read["value"], read["contact"], read["incentive"])
    return Asked(reach, costs, {**typed, "reach": str(reach)}, problems)


def view(known: Curve, crowd: Crowd, wanted: Asked, symbol: str) -> ReachView:
    """Return what the page says of reaching so many customers.

    Parameters
    ----------
    known : Curve
    crowd : Crowd
        With at least one customer.
    symbol : str
        What stands before an amount.
    """
    share = wanted.reach / crowd.customers
    caught = known.found(share)
    found = caught * crowd.leavers
    between = known.interval(share)
    gain = net_gain(wanted.costs, found, wanted.reach)
    best = best_reach(known, crowd, wanted.costs)
    spread = None if between is None else [net_gain(wanted.costs, one * crowd.leavers, wanted.reach) for one in between]
    return ReachView(
        asked=wanted,
        crowd=crowd,
        sentence=f"Reach {wanted.reach:,} of {crowd.customers:,}, and about {_heads(found)} of the {_heads(crowd.leavers)}"
        f" {crowd.leaver_words} are among them.",
        found=_heads(found),
        found_between=""
        if between is None
        else f"{_heads(between[0] * crowd.leavers)} to {_heads(between[1] * crowd.leavers)}",
        caught=percent(caught, 0),
        lift=f"{caught / share:.1f}",
        net_gain=_money(gain, symbol),
        net_between="" if spread is None else f"{_money(spread[0], symbol)} to {_money(spread[1], symbol)}",
        advice=_advice(best, known, crowd, wanted.costs, symbol),
        loses=gain < 0,
        without="no interval so far down" if known.low else "without an interval",
        gains=_gain_plot(known, crowd, share, caught),
        money=_money_plot(known, crowd, wanted, gain, symbol),
        rows=table(known, crowd, wanted.costs, symbol),
    )


def net_gain(costs: Costs, found: float, reached: float) -> float:
    """Return acceptance x leavers found x value - what reaching costs, in the currency's main unit.

    The expected net gain of `retainstream.ml.economics`, with `found` leavers in the place of the sum of probabilities.
    """
    return costs.acceptance * found * costs.value - costs.each * reached


def best_reach(known: Curve, crowd: Crowd, costs: Costs) -> int:
    """Return the number with the greatest expected net gain: a corner of the curve, where straight lines have their greatest; 0 when all lose."""
    candidates = {0, crowd.customers, *(math.floor(share * crowd.customers) for share, _ in known.points)}
    return max(sorted(candidates), key=lambda n: net_gain(costs, known.found(n / crowd.customers) * crowd.leavers, n))


def table(known: Curve, crowd: Crowd, costs: Costs, symbol: str) -> tuple[ReachRow, ...]:
    """Return the curve at its own points as words."""
    rows = []
    for share, caught in known.points[1:]:
        reached, found = share * crowd.customers, caught * crowd.leavers
        rows.append(
            ReachRow(
                percent(share, 0),
                whole(reached),
                _heads(found),
                percent(caught, 0),
                f"{caught / share:.2f}",
                _money(net_gain(costs, found, reached), symbol),
            )
        )
    return tuple(rows)


def _advice(best: int, known: Curve, crowd: Crowd, costs: Costs, symbol: str) -> str:
    if best < 1:
        return "At these costs no number pays: what reaching a customer costs is more than the riskiest bring."
    gain = net_gain(costs, known.found(best / crowd.customers) * crowd.leavers, best)
    return f"At these costs the gain is greatest at about {best:,} customers ({_money(gain, symbol)}); each one more costs more than it brings."


def _gain_plot(known: Curve, crowd: Crowd, share: float, caught: float) -> GainPlot:
    axes = Axes((0.0, 1.0), (0.0, 1.0), height=320.0)
    x_ticks = tuple(Tick(at, whole(at * crowd.customers)) for at in (0.0, 0.25, 0.5, 0.75, 1.0))
    tenth = known.found(FIRST_SHARE)
    return GainPlot(
        axes=axes,
        x_ticks=x_ticks,
        y_ticks=_percent_ticks(),
        line=axes.line(known.points),
        area=axes.area(known.points),
        spread=axes.band(known.low, known.high),
        chance=axes.line([(0.0, 0.0), (1.0, 1.0)]),
        at=(axes.across(share), axes.up(caught)),
        label=f"Gain curve: the first 10% hold {percent(tenth, 0)} of leavers, the first half {percent(known.found(0.5), 0)};"
        " by chance it would be 10% and 50%.",
    )


def _money_plot(known: Curve, crowd: Crowd, wanted: Asked, gain: float, symbol: str) -> MoneyPlot:
    points = [
        (share, net_gain(wanted.costs, caught * crowd.leavers, share * crowd.customers))
        for share, caught in known.points
    ]
    low, high = min(gain, *(y for _, y in points)), max(gain, 0.0, *(y for _, y in points))
    room = 0.06 * ((high - low) or 1.0)
    axes = Axes((0.0, 1.0), (low - room, high + room), height=320.0)
    share = wanted.reach / crowd.customers
    return MoneyPlot(
        axes=axes,
        x_ticks=tuple(Tick(at, whole(at * crowd.customers)) for at in (0.0, 0.25, 0.5, 0.75, 1.0)),
        y_ticks=tuple(Tick(at, _short(at)) for at in round_ticks(*axes.y, 4)),
        line=axes.line(points),
        zero=axes.up(0.0),
        at=(axes.across(share), axes.up(gain)),
        label=f"Expected net gain over the number reached: {_money(gain, symbol)} at {wanted.reach:,},"
        f" {_money(points[-1][1], symbol)} when all are reached.",
    )


def _percent_ticks() -> tuple[Tick, ...]:
    return tuple(Tick(at, percent(at, 0)) for at in (0.0, 0.25, 0.5, 0.75, 1.0))


def _from_nothing(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return points with the origin before them: nobody reached, nobody found."""
    rising = sorted(point for point in points if point[0] > 0)
    return ((0.0, 0.0), *rising) if rising else ()


def _between(points: Sequence[Point], x: float) -> float:
    place = bisect_left([at for at, _ in points], x)
    if place == 0:
        return points[0][1]
    if place == len(points):
        return points[-1][1]
    (x0, y0), (x1, y1) = points[place - 1], points[place]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "").strip())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _heads(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 9.95 and abs(value - round(value)) > 0.05 else f"{value:,.0f}"


def _money(value: float, symbol: str) -> str:
    rounded = round(value)
    return f"{'−' if rounded < 0 else ''}{symbol}{abs(rounded):,}"


def _short(value: float) -> str:
    size = abs(value)
    words = f"{size / 1e6:g}M" if size >= 1e6 else f"{size / 1e3:g}k" if size >= 1e3 else f"{size:g}"
    return f"{'−' if value < 0 else ''}{words}"
