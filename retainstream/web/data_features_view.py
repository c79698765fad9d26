"""What the pages of the feature dictionary show, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.services.as_of import Spread
from retainstream.web.charts import Axes, Bar, Tick, round_ticks
from retainstream.web.template_tools import last_day, percent, whole

PAGE = "/data/features"
SHOWN = 30
WIDTH, HEIGHT = 400.0, 190.0
ORIGINS = {"": "All", "built_in": "Built in", "declared": "Declared here", "profile": "From profiles"}
_OF_SUBSCRIPTIONS = {
    "age_months": "age of the subscription",
    "days_since_price_change": "days since the price changed",
    "earlier": "subscriptions before this one",
    "plan": "plan of the subscription",
    "plan_changes": "changes of plan",
    "price": "price of the subscription",
    "price_change_percent": "change of the price",
}
_OF_EVENTS = {
    "count": "number of {what}",
    "active_days": "days with {what}",
    "sum": "total of the values of {what}",
    "mean": "average of the values of {what}",
    "max": "greatest value of {what}",
    "change": "{what} in this window less those in the one before",
    "sum_change": "total of {what} in this window less that of the one before",
    "distinct": "different values of “{property}” in {what}",
    "kinds": "kinds of event among {what}",
    "days_since_first": "days since the first of {what}",
    "days_since_last": "days since the last of {what}",
    "tenure": "days since the first event or subscription",
}


@dataclass(frozen=True)
class FeatureView:
    """One feature. `share` is how much of what moves the scores it makes up, `bar` the same against the strongest."""

    name: str
    title: str
    address: str
    made: str
    unit: str
    up: str
    down: str
    actionable: bool
    sensitive: bool
    origin: str
    origin_word: str
    version: int | None
    share: str
    bar: str


@dataclass(frozen=True)
class ListView:
    """The dictionary, or the part of it that was asked for."""

    headline: str
    lead: str
    items: tuple[FeatureView, ...]
    total: int
    words: str
    query: str
    origin: str
    following: str
    first: str


@dataclass(frozen=True)
class Row:
    """One row of the table that says the same as the drawing; `length` is the bar of a text against the most frequent one's."""

    words: str
    count: str
    share: str
    length: str


@dataclass(frozen=True)
class SpreadView:
    """How a feature's values spread over the customers."""

    title: str
    note: str
    facts: tuple[tuple[str, str], ...]
    axes: Axes | None
    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    unit: str
    rows: tuple[Row, ...]


def feature_view(
    spec: FeatureSpec, versions: Mapping[str, int], shares: Mapping[str, float], strongest: float
) -> FeatureView:
    """Return one feature; `shares` are of the model in service, by name."""
    recipe = spec.recipe
    assert recipe is not None  # whatever the builder makes has one
    origin = origin_of(spec, versions)
    share = shares.get(spec.name)
    return FeatureView(
        name=spec.name,
        title=spec.title,
        address=f"{PAGE}/by-name/{quote(spec.name, safe='')}",
        made=made_of(recipe),
        unit=spec.unit or "",
        up=spec.wording_up or "",
        down=spec.wording_down or "",
        actionable=spec.actionable,
        sensitive=spec.sensitive,
        origin=origin,
        origin_word=ORIGINS[origin],
        version=versions.get(spec.name) if origin == "declared" else None,
        share="" if share is None else percent(share),
        bar="0" if not share or not strongest else f"{100 * share / strongest:.1f}%",
    )


def origin_of(spec: FeatureSpec, versions: Mapping[str, int]) -> str:
    """Return where a feature comes from, as in the API."""
    source = "" if spec.recipe is None else spec.recipe.source
    if source == "events" and spec.name in versions:
        return "declared"
    return "profile" if source == "profile" else "built_in"


def made_of(recipe: Recipe) -> str:
    """Return a recipe as words."""
    if recipe.source == "profile":
        return f"attribute “{recipe.event}” of the customer"
    window = "" if recipe.window_days is None else f", {recipe.window_days} days back"
    if recipe.source == "subscriptions":
        return _OF_SUBSCRIPTIONS.get(recipe.aggregate, recipe.aggregate) + window
    what = "all activity" if recipe.event is None else f"“{recipe.event}”"
    words = _OF_EVENTS.get(recipe.aggregate, recipe.aggregate)
    return words.format(what=what, property=recipe.property) + window


def list_view(
    specs: Sequence[FeatureSpec],
    versions: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    query: str = "",
    origin: str = "",
    start: int = 0,
) -> ListView:
    """Return the features that were asked for, those that weigh most in the model in service first, from the `start`-th on."""
    strongest = max(shares.values(), default=0.0)
    wanted = [spec for spec in specs if _matches(spec, query) and (not origin or origin_of(spec, versions) == origin)]
    wanted.sort(key=lambda spec: -shares.get(spec.name, -1.0))
    shown = wanted[start : start + SHOWN]
    used = sum(1 for spec in specs if shares.get(spec.name, 0.0) > 0)
    if not specs:
        headline, lead = (
            "No feature yet.",
            "Features are made of events, subscriptions and attributes of customers; import or send some first.",
        )
    else:
        model = f", {whole(used)} of them move the scores" if used else ""
        headline = f"{whole(len(specs))} feature{'' if len(specs) == 1 else 's'} can be learnt from{model}."
        lead = "A feature is one figure about one customer at one time, made only of what was known then. You can declare your own from events."
    parts = {"q": query, "origin": origin}
    following = _address({**parts, "from": start + SHOWN}) if start + SHOWN < len(wanted) else ""
    words = f"{start + 1:,} to {start + len(shown):,} of {len(wanted):,}" if shown else "none"
    return ListView(
        headline,
        lead,
        tuple(feature_view(spec, versions, shares, strongest) for spec in shown),
        len(wanted),
        words,
        query,
        origin,
        following,
        _address(parts) if start else "",
    )


def _matches(spec: FeatureSpec, query: str) -> bool:
    text = f"{spec.title} {spec.name} {spec.unit or ''} {made_of(spec.recipe) if spec.recipe else ''}".lower()
    return all(word in text for word in query.lower().split())


def _address(parts: Mapping[str, object]) -> str:
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"{PAGE}?{query}" if query else PAGE


def spread_view(found: Spread, spec: FeatureSpec) -> SpreadView:
    """Return how a feature spreads; its title says where the middle half of the customers lies."""
    unit = spec.unit or ""
    facts = [("Customers", whole(found.n)), ("Without a value", _part(found.blanks, found.n))]
    if found.quartiles is not None:
        least, lower, middle, upper, greatest = (figure(value) for value in found.quartiles)
        facts += [
            ("Least", least),
            ("Lower quartile", lower),
            ("Median", middle),
            ("Upper quartile", upper),
            ("Greatest", greatest),
        ]
    note = f"{whole(found.n)} customers, data to {last_day(clock.iso(found.as_of))}"
    known = found.n - found.blanks
    axes, bars = _drawn(found, known, spec.kind)
    return SpreadView(
        title=_finding(found, known, unit),
        note=note,
        facts=tuple(facts),
        axes=axes,
        bars=bars,
        x_ticks=() if axes is None else tuple(Tick(each, figure(each)) for each in round_ticks(*axes.x, 5)),
        y_ticks=() if axes is None else tuple(Tick(each, percent(each, 0)) for each in round_ticks(*axes.y, 4)),
        unit=unit or spec.title,
        rows=_rows(found, known, bars),
    )


def _finding(found: Spread, known: int, unit: str) -> str:
    if not known:
        return "No customer has a value"
    if found.quartiles is None:
        word, count = found.levels[0]
        whose = " of those with a value" if found.blanks else ""
        return f"{percent(count / known, 0)}{whose} have “{word}”, the most frequent of {whole(found.different)}"
    _, lower, _, upper, _ = found.quartiles
    after = f" {unit}" if unit else ""
    if lower == upper:
        return f"At least half of the customers have {figure(lower)}{after}"
    return f"The middle half of the customers lies between {figure(lower)} and {figure(upper)}{after}"


def _drawn(found: Spread, known: int, kind: str) -> tuple[Axes | None, tuple[Bar, ...]]:
    if len(found.bins) < 2:
        return None, ()
    tallest = max(each.count for each in found.bins) / known
    axes = Axes((found.bins[0].low, found.bins[-1].high), (0.0, 1.12 * tallest), WIDTH, HEIGHT)
    bars, last = [], len(found.bins) - 1
    assert found.quartiles is not None  # numbers have them
    least, greatest = found.quartiles[0], found.quartiles[-1]
    for index, each in enumerate(found.bins):
        left, right, top = axes.across(each.low), axes.across(each.high), axes.up(each.count / known)
        whole_step = kind == "integer"
        high = each.high - 1 if whole_step and index < last else each.high
        words = figure(each.low) if whole_step and high == each.low else f"{figure(each.low)} to {figure(high)}"
        if index == 0 and least < each.low:
            words = f"{figure(each.high)} or less"
        if index == last and (greatest > each.high or whole_step):
            words = f"{figure(each.low)} or more"
        bars.append(Bar(left + 0.5, top, max(1.0, round(right - left - 1, 1)), round(axes.floor - top, 1), words))
    return axes, tuple(bars)


def _rows(found: Spread, known: int, bars: Sequence[Bar]) -> tuple[Row, ...]:
    if found.levels:
        most = found.levels[0][1]
        rows = [Row(word, whole(n), percent(n / known), f"{100 * n / most:.1f}%") for word, n in found.levels]
        rest = known - sum(n for _, n in found.levels)
        if rest:
            others = found.different - len(found.levels)
            rows.append(
                Row(
                    f"{whole(others)} others",
                    whole(rest),
                    percent(rest / known),
                    f"{min(100.0, 100 * rest / most):.1f}%",
                )
            )
        return tuple(rows)
    return tuple(
        Row(bar.words, whole(each.count), percent(each.count / known), "0")
        for bar, each in zip(bars, found.bins, strict=False)
    )


def figure(value: float) -> str:
    """Return a number with about three digits that matter, and separators."""
    if value == round(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def _part(count: int, n: int) -> str:
    return whole(count) if not count or not n else f"{whole(count)} ({percent(count / n)})"
