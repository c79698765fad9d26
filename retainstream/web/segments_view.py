"""What the pages of segments show, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.services.segments.fields import Field
from retainstream.services.segments.membership import Size
from retainstream.services.segments.standing import Standing
from retainstream.web.charts import Axes, Spark, Tick, round_ticks, sparkline
from retainstream.web.customers_words import BANDS
from retainstream.web.segments_words import rule_in_words
from retainstream.web.template_tools import cash, day, last_day, moment, percent, whole

if TYPE_CHECKING:
    from retainstream.services.segments.matching import Look

_SHOWN_LOOKS = 60


@dataclass(frozen=True)
class Figure:
    """One figure with its note; `address` is the list that it counts, empty where there is none."""

    label: str
    value: str
    note: str
    address: str = ""


@dataclass(frozen=True)
class Person:
    """A customer in the preview."""

    user_id: str
    address: str
    band: str
    word: str
    risk: str
    about: str


@dataclass(frozen=True)
class LookView:
    """The figures of a rule while it is built; `problem` is said instead of them, `left_out` beside them."""

    n: str
    of: str
    figures: tuple[Figure, ...]
    people: tuple[Person, ...]
    problem: str
    left_out: str
    note: str


@dataclass(frozen=True)
class SegmentRow:
    """A segment in the list."""

    id: int
    name: str
    address: str
    sentence: str
    size: str
    members: str
    change: str
    since: str
    spark: Spark | None
    active: str
    at_risk: str
    mean: str
    problem: str


@dataclass(frozen=True)
class Move:
    """A look at which somebody moved: how many entered and left, with the lists of them."""

    when: str
    entered: str
    entered_address: str
    left: str
    left_address: str


@dataclass(frozen=True)
class Drawing:
    """The size over time as a drawing; `kind` is the class that says on which screens it stands."""

    kind: str
    axes: Axes
    line: str
    area: str
    dots: tuple[tuple[float, float, str], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Chart:
    """The size over time: two drawings of the same, and the table."""

    title: str
    label: str
    drawings: tuple[Drawing, ...]
    rows: tuple[tuple[str, str, str, str, str], ...]


@dataclass(frozen=True)
class SegmentPage:
    """The page of one segment."""

    id: int
    name: str
    title: str
    lead: str
    sentence: str
    figures: tuple[Figure, ...]
    chart: Chart | None
    moves: tuple[Move, ...]
    problem: str
    looked: str
    members: str
    about: str


def members_address(cell: str, *, everybody: bool = True) -> str:
    """Return the list that an address of a segment opens: all of its customers, or those who have not left."""
    return f"/customers?cell={quote(cell, safe=':@')}{'&status=all' if everybody else ''}"


def rows(found: Sequence[Standing], fields: Mapping[str, Field], currency: str) -> tuple[SegmentRow, ...]:
    """Return the list of segments."""
    return tuple(_row(one, fields, currency) for one in found)


def _row(one: Standing, fields: Mapping[str, Field], currency: str) -> SegmentRow:
    look, segment = one.look, one.segment
    of = look.currency or currency if look else currency
    return SegmentRow(
        id=segment.id,
        name=segment.name,
        address=f"/segments/{segment.id}",
        sentence=segment.description or rule_in_words(segment.node, fields, currency, 140),
        size=whole(look.n) if look else "",
        members=members_address(segment.cell),
        change=_change(one.change),
        since=_since(one),
        spark=sparkline([float(size.n) for size in one.sizes]),
        active=whole(look.active) if look else "–",
        at_risk=cash(money(look.at_risk_minor, of), short=True) if look else "–",
        mean=percent(look.mean) if look else "–",
        problem=one.problem,
    )


def _change(value: int | None) -> str:
    if value is None:
        return "–"
    return "no change" if value == 0 else f"{'+' if value > 0 else '−'}{abs(value):,}"


def _since(one: Standing) -> str:
    return "" if one.baseline is None else f"since {day(clock.iso(one.baseline.as_of))}"


def figures(look: Look, currency: str, cell: str = "") -> tuple[Figure, ...]:
    """Return the figures of a rule; those of a saved segment (`cell`) lead to the lists that they count."""
    of = look.currency or currency
    active = members_address(cell, everybody=False) if cell else ""
    share = (
        None
        if look.revenue_minor in (None, 0) or look.at_risk_minor is None
        else look.at_risk_minor / look.revenue_minor
    )
    return (
        Figure("Active", whole(look.active), "have not left", active),
        Figure("Revenue a month", cash(money(look.revenue_minor, of), short=True), f"of {look.priced:,} with a price"),
        Figure(
            "Revenue at risk",
            cash(money(look.at_risk_minor, of), short=True),
            f"{percent(share)} of it" if share is not None else "no probabilities",
        ),
        Figure(
            "Expected to leave",
            "–"
            if look.expected is None
            else f"{look.expected:,.1f}"
            if look.expected < 100
            else f"{look.expected:,.0f}",
            f"mean {percent(look.mean)}, n {look.scored:,}" if look.scored else "nobody has a probability",
        ),
    )


def look_view(
    look: Look | None, total: int, people: Sequence[Mapping[str, Any]], currency: str, problem: str, missing: int
) -> LookView:
    """Return what a rule means just now; `people` are the API's items of its first customers."""
    left_out = ""
    if missing:
        left_out = "One condition is not complete yet, and left out." if missing == 1 else f"{missing} conditions are not complete yet, and left out."  # fmt: skip
    if look is None:
        return LookView("–", "", (), (), problem, left_out, "")
    return LookView(
        n=f"{look.n:,} customer{'' if look.n == 1 else 's'}",
        of=f"of {total:,}, {percent(look.n / total if total else None)}",
        figures=figures(look, currency) if look.n else (),
        people=tuple(_person(item) for item in people),
        problem=problem,
        left_out=left_out,
        note=f"Conditions that look back end with {last_day(clock.iso(look.as_of))}, the last day of the data.",
    )


def _person(item: Mapping[str, Any]) -> Person:
    band, probability, percentile = item["risk_band"], item["churn_probability"], item["risk_percentile"]
    if band is None:
        risk = "not scored"
    elif probability is not None:
        risk = percent(probability, 0)
    else:
        risk = f"riskier than {min(99, int(100 * (percentile or 0.0)))}%"
    about = " · ".join(
        part for part in (str(item["plan"] or ""), cash(item["revenue"]) if item["revenue"] else "") if part
    )
    user_id = str(item["user_id"])
    return Person(user_id, f"/customers/{quote(user_id, safe='')}", band or "", BANDS.get(band, ""), risk, about)


def page(
    one: Standing, moves: Sequence[tuple[int, int, int]], fields: Mapping[str, Field], currency: str
) -> SegmentPage:
    """Return the page of one segment; `moves` are looks with how many entered and left, newest first."""
    segment, look = one.segment, one.look
    title = segment.name
    lead = ""
    if look is not None:
        lead = f"{look.n:,} customer{'' if look.n == 1 else 's'} now"
        lead += f", {_change(one.change)} {_since(one)}." if one.change else "."
    return SegmentPage(
        id=segment.id,
        name=segment.name,
        title=title,
        lead=lead,
        sentence=rule_in_words(segment.node, fields, currency, 2_000),
        figures=() if look is None else _all_figures(one, currency),
        chart=_chart(one.sizes),
        moves=tuple(_move(segment.cell, *each) for each in moves),
        problem=one.problem,
        looked=f"Last looked at {moment(clock.iso(one.sizes[-1].as_of))}" if one.sizes else "",
        members=members_address(segment.cell),
        about=_about(one),
    )


def _all_figures(one: Standing, currency: str) -> tuple[Figure, ...]:
    assert one.look is not None
    everybody = Figure("Customers", whole(one.look.n), "whether or not they left", members_address(one.segment.cell))
    return (everybody, *figures(one.look, currency, one.segment.cell))


def _about(one: Standing) -> str:
    segment = one.segment
    by = f" by {segment.owner}" if segment.owner else ""
    changed = f", rule changed {day(clock.iso(segment.updated_at))}" if segment.revision > 1 else ""
    return f"Made {day(clock.iso(segment.created_at))}{by}{changed}."


def _move(cell: str, instant: int, entered: int, left: int) -> Move:
    return Move(
        moment(clock.iso(instant)),
        whole(entered) if entered else "",
        members_address(f"{cell}@entered:{instant}"),
        whole(left) if left else "",
        members_address(f"{cell}@left:{instant}"),
    )


def _chart(sizes: Sequence[Size]) -> Chart | None:
    """Return the drawing of a segment's size; None before two looks, which make the first line."""
    shown = sizes[-_SHOWN_LOOKS:]
    if len(shown) < 2:
        return None
    low, high = min(size.n for size in shown), max(size.n for size in shown)
    first, last = shown[0].n, shown[-1].n
    finding = "no change" if first == last else f"{'up' if last > first else 'down'} from {first:,} to {last:,}"
    return Chart(
        title=f"Size: {finding}",
        label=f"Customers in the segment at {len(shown)} looks, from {low:,} to {high:,}; now {last:,}",
        drawings=(_drawing("plot-wide", shown, 640.0, 280.0, 5), _drawing("plot-narrow", shown, 340.0, 220.0, 3)),
        rows=tuple(
            (moment(clock.iso(size.as_of)), whole(size.n), whole(size.entered), whole(size.left), str(size.revision))
            for size in reversed(shown)
        ),
    )


def _drawing(kind: str, shown: Sequence[Size], width: float, height: float, words: int) -> Drawing:
    top = max(size.n for size in shown) or 1
    ticks = [tick for tick in round_ticks(0, top * 1.05, 4) if float(tick).is_integer()]
    axes = Axes((float(shown[0].as_of), float(shown[-1].as_of)), (0.0, max(top * 1.05, *ticks)), width, height)
    points = [(float(size.as_of), float(size.n)) for size in shown]
    places = (
        shown if len(shown) <= words else [shown[round(at * (len(shown) - 1) / (words - 1))] for at in range(words)]
    )
    days: dict[str, float] = {}
    for size in places:
        days.setdefault(day(clock.iso(size.as_of)), float(size.as_of))
    return Drawing(
        kind,
        axes,
        axes.line(points),
        axes.area(points),
        tuple((axes.across(x), axes.up(y), f"{moment(clock.iso(int(x)))}: {y:,.0f}") for x, y in points),
        tuple(Tick(at, word) for word, at in days.items()),
        tuple(Tick(tick, f"{tick:,.0f}") for tick in ticks),
    )
