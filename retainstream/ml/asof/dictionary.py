"""The features that every box has, from the kinds of event that it knows, and those that a person declares.

Lives here: recipes, names and words. Making the numbers is `builder`; storing declared features is `retainstream.services.feature_dictionary`.
Words are for a comparison with the usual value: ``ml.wording`` writes "{wording_up} (12, usually about 3)".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from retainstream.ml.asof.rules import BILLING
from retainstream.ml.features import FeatureSpec, Kind, Recipe

WINDOWED = frozenset({"count", "sum", "mean", "max", "active_days", "change", "sum_change", "distinct", "kinds"})
AGGREGATES: dict[str, tuple[str, ...]] = {
    "events": (*sorted(WINDOWED), "days_since_first", "days_since_last", "tenure"),
    "subscriptions": (
        "age_months",
        "days_since_price_change",
        "earlier",
        "plan",
        "plan_changes",
        "price",
        "price_change_percent",
    ),
    "profile": ("value",),
}
"""What each source knows.

Of events, of one kind or of all activity (every kind but `BILLING`), in the ``window_days`` before the as-of time: `count`; `sum`, `mean` and
`max` of the values; `active_days` (24-hour days with an event); `distinct` (different texts of a property); `kinds` (different kinds);
`change` and `sum_change` (this window minus the one before it). Of all time: `days_since_first`, `days_since_last`, and `tenure` (since the
first event of any kind or the first subscription).
"""
DECLARABLE = ("active_days", "change", "count", "days_since_first", "days_since_last", "distinct", "max", "mean", "sum")
RECENCY = "days_since_activity"
PRICE_WINDOW = 90
LONGEST_WINDOW = 730

_WHOLE = frozenset({"count", "active_days", "distinct", "kinds", "change"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class KindFacts:
    """What a box knows of one kind of event.

    Parameters
    ----------
    n : int
        Events.
    customers : int
        Customers with at least one.
    with_value : int
        Events that carry a value.
    """

    n: int
    customers: int
    with_value: int


def catalogue(
    kinds: Mapping[str, KindFacts],
    *,
    properties: Collection[str] = (),
    subscriptions: bool = False,
    profile: Sequence[FeatureSpec] = (),
    max_kinds: int = 12,
) -> tuple[FeatureSpec, ...]:
    """Return the features that a box has of itself.

    Parameters
    ----------
    kinds : mapping of str to KindFacts
        Kinds of event on record.
    properties : collection of str
        Properties on record; only ``device`` has a feature.
    subscriptions : bool
        Whether there are statements about subscriptions.
    profile : sequence of FeatureSpec
        Attributes of profiles that a model may learn from (`ProfileLog.specs`).
    max_kinds : int
        Kinds of event with features of their own, those of most customers first; the others count as activity.

    Returns
    -------
    tuple of FeatureSpec
        The named features first, then all activity, subscription, kinds of event, profile. The order depends on the arguments' content
        only. No recipe is there twice, and an attribute whose name is taken is called ``profile_`` and its name.
    """
    found = [facts for facts in kinds.items() if facts[1].n > 0]
    widest = sorted(found, key=lambda item: (-item[1].customers, -item[1].n, item[0]))[:max_kinds]
    known = {kind for kind, _ in found}
    specs = [*_named(known, properties, subscriptions)]
    if known - BILLING:
        specs += _activity()
    if known or subscriptions:
        specs.append(_tenure())
    if subscriptions:
        specs += _subscription()
    for kind, facts in widest:
        specs += _of_kind(kind, valued=facts.with_value > 0)
    recipes: set[Recipe | None] = set()
    unique: dict[str, FeatureSpec] = {}
    for spec in [*specs, *_profile(profile, {spec.name for spec in specs})]:
        if spec.recipe not in recipes and spec.name not in unique:
            recipes.add(spec.recipe)
            unique[spec.name] = spec
    return tuple(unique.values())


def declared(
    name: str,
    title: str,
    recipe: Recipe,
    *,
    unit: str | None = None,
    wording_up: str | None = None,
    wording_down: str | None = None,
    actionable: bool = False,
    sensitive: bool = False,
    kinds: Collection[str] | None = None,
    properties: Collection[str] | None = None,
    taken: Collection[str] = (),
) -> FeatureSpec:
    """Return a person's own feature of events, checked.

    Parameters
    ----------
    name : str
        Small letters, digits and ``_``, up to 64, a letter first.
    title : str
        1 to 120 characters.
    recipe : Recipe
        Of events: a kind (none: all activity), an aggregate of `DECLARABLE`, a window of 1 to 730 days where the aggregate has one, and for
        `distinct` a property.
    unit, wording_up, wording_down, actionable, sensitive
        As `FeatureSpec`; without words of its own a feature gets the default ones.
    kinds, properties : collection of str, optional
        What is on record; a recipe that names something else is refused.
    taken : collection of str
        Names that other features have.

    Raises
    ------
    ValueError
        With a sentence that begins with the field's name.
    """
    _check_words(name, title, taken, unit=(unit, 40), wording_up=(wording_up, 200), wording_down=(wording_down, 200))
    _check_recipe(recipe, kinds, properties)
    up, down = _words(recipe)
    kind: Kind = "integer" if recipe.aggregate in _WHOLE else "number"
    return FeatureSpec(
        name,
        kind,
        title.strip(),
        unit or _UNITS.get(recipe.aggregate),
        wording_up or up,
        wording_down or down,
        actionable,
        sensitive,
        recipe,
    )


def _check_words(name: str, title: str, taken: Collection[str], **texts: tuple[str | None, int]) -> None:
    """Raise ValueError, naming the field, for a name or a text that cannot be; `texts` are others by field, each with the longest it may be."""
    if not _NAME.fullmatch(name):
        raise ValueError("name: expected small letters, digits and _, a letter first, 64 characters at most")
    if name in taken:
        raise ValueError(f"name: {name} is taken by another feature")
    if not 1 <= len(title.strip()) <= 120:
        raise ValueError("title: expected 1 to 120 characters")
    for field, (text, longest) in texts.items():
        if text is not None and not 1 <= len(text.strip()) <= longest:
            raise ValueError(f"{field}: expected 1 to {longest} characters")


def _check_recipe(recipe: Recipe, kinds: Collection[str] | None, properties: Collection[str] | None) -> None:
    """Raise ValueError, naming the field, for a recipe that a person cannot declare."""
    if recipe.source != "events":
        raise ValueError(f"source: only features of events can be declared, not of {recipe.source}")
    if recipe.aggregate not in DECLARABLE:
        raise ValueError(f"aggregate: expected one of {', '.join(DECLARABLE)}, got {recipe.aggregate!r}")
    if recipe.event is not None and kinds is not None and recipe.event not in kinds:
        raise ValueError(f"event: no event of the kind {recipe.event!r} is on record")
    days = recipe.window_days
    if recipe.aggregate in WINDOWED:
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_WINDOW:
            raise ValueError(f"window_days: expected a whole number from 1 to {LONGEST_WINDOW}, got {days}")
    elif days is not None:
        raise ValueError(f"window_days: {recipe.aggregate} looks at all time, so it takes no window")
    if recipe.aggregate != "distinct":
        if recipe.property is not None:
            raise ValueError("property: only distinct counts the values of a property")
    elif not recipe.property:
        raise ValueError("property: distinct needs the property whose different values are counted")
    elif properties is not None and recipe.property not in properties:
        raise ValueError(f"property: no event carries a property called {recipe.property!r}")


_UNITS = {
    "active_days": "days",
    "days_since_first": "days",
    "days_since_last": "days",
    "tenure": "days",
}


def _words(recipe: Recipe) -> tuple[str, str]:
    """Return the default words for a value above and below the usual one."""
    what = "activity" if recipe.event is None else _spoken(recipe.event)
    events = "activity events" if recipe.event is None else _events(what)
    span = "" if recipe.window_days is None else f" in the last {_days(recipe.window_days)}"
    property_ = _spoken(recipe.property or "")
    pairs = {
        "count": (f"More {events} than usual{span}", f"Fewer {events} than usual{span}"),
        "sum": (f"A larger {what} total than usual{span}", f"A smaller {what} total than usual{span}"),
        "mean": (f"A larger {what} average than usual{span}", f"A smaller {what} average than usual{span}"),
        "max": (f"A larger greatest {what} value than usual{span}", f"A smaller greatest {what} value than usual{span}"),
        "active_days": (f"More days with {what} than usual{span}", f"Fewer days with {what} than usual{span}"),
        "distinct": (f"More different values of {property_} than usual{span}", f"Fewer different values of {property_} than usual{span}"),
        "kinds": (f"More kinds of activity than usual{span}", f"Fewer kinds of activity than usual{span}"),
        "change": (f"A stronger trend in {events} than usual", f"A weaker trend in {events} than usual"),
        "sum_change": (f"A stronger trend in the {what} total than usual", f"A weaker trend in the {what} total than usual"),
        "days_since_last": (f"Longer since the last {what} than usual", f"More recent {what} than usual"),
        "days_since_first": (f"Longer since the first {what} than usual", f"A more recent first {what} than usual"),
        "tenure": ("With us for longer than usual", "With us for a shorter time than usual"),
    }  # fmt: skip
    return pairs[recipe.aggregate]


def _spoken(name: str) -> str:
    """Write a snake_case name as words: ``payment_failed`` becomes ``payment failed``."""
    return " ".join(name.replace("_", " ").split())


def _events(spoken: str) -> str:
    """Return the events of a kind in words; a kind that is just called event, as where a file does not say what happened, is not named twice."""
    return "events" if spoken == "event" else f"{spoken} events"


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def _days(number: int) -> str:
    return "day" if number == 1 else f"{number} days"


def _spec(
    name: str,
    title: str,
    recipe: Recipe,
    *,
    kind: Kind | None = None,
    unit: str | None = None,
    words: tuple[str, str] | None = None,
    actionable: bool = False,
) -> FeatureSpec:
    up, down = words or _words(recipe)
    made: Kind = kind or ("integer" if recipe.aggregate in _WHOLE else "number")
    return FeatureSpec(
        name, made, title, unit or _UNITS.get(recipe.aggregate), up, down, actionable=actionable, recipe=recipe
    )


def _named(known: Collection[str], properties: Collection[str], subscriptions: bool) -> Iterable[FeatureSpec]:
    """Yield the five features that the product names, each where its source is there."""
    if "watch" in known:
        yield _spec(
            "watch_time_hours",
            "Watch time in the last 30 days",
            Recipe("events", "sum", "watch", 30),
            unit="hours",
            words=("More watch time than usual in the last 30 days", "Less watch time than usual in the last 30 days"),
        )
    if subscriptions:
        yield _spec(
            "subscription_age_months",
            "Subscription age",
            Recipe("subscriptions", "age_months"),
            unit="months",
            words=("An older subscription than usual", "A newer subscription than usual"),
        )
    if "device" in properties:
        yield _spec(
            "device_count",
            "Devices used in the last 30 days",
            Recipe("events", "distinct", None, 30, "device"),
            unit="devices",
            words=("More devices than usual in the last 30 days", "Fewer devices than usual in the last 30 days"),
        )
    if "login" in known:
        yield _spec(
            "last_login_days",
            "Time since the last log-in",
            Recipe("events", "days_since_last", "login"),
            words=("Longer since the last log-in than usual", "A more recent log-in than usual"),
        )
    if "payment_failed" in known:
        yield _spec(
            "payment_failures",
            "Failed payments in the last 90 days",
            Recipe("events", "count", "payment_failed", 90),
            words=(
                "More failed payments than usual in the last 90 days",
                "Fewer failed payments than usual in the last 90 days",
            ),
            actionable=True,
        )


def _activity() -> Iterable[FeatureSpec]:
    """Yield the features of all activity together; the first one is the baseline that every model is compared with."""
    yield _spec(RECENCY, "Time since the last activity", Recipe("events", "days_since_last"))
    for days in (7, 30, 90):
        title = f"Active days in the last {days} days"
        words = (
            f"More active days than usual in the last {days} days",
            f"Fewer active days than usual in the last {days} days",
        )
        yield _spec(f"active_days_{days}", title, Recipe("events", "active_days", None, days), words=words)
    yield _spec("kinds_used_30", "Kinds of activity in the last 30 days", Recipe("events", "kinds", None, 30))


def _tenure() -> FeatureSpec:
    return _spec("tenure_days", "Time as a customer", Recipe("events", "tenure"))


def _subscription() -> Iterable[FeatureSpec]:
    """Yield what a customer pays for, and how that changed."""
    rows: tuple[tuple[str, str, str, Kind, str | None, tuple[str, str] | None], ...] = (
        ("plan", "Plan", "plan", "category", None, None),
        ("monthly_price", "Monthly price", "price", "number", None, ("A higher price than usual", "A lower price than usual")),
        ("price_change_percent_90", "Price change in the last 90 days", "price_change_percent", "number", "%",
         ("A larger price rise than usual", "A larger price cut than usual")),
        ("days_since_price_change", "Time since the price last changed", "days_since_price_change", "number", "days",
         ("Longer since the price changed than usual", "A more recent price change than usual")),
        ("plan_changes", "Plan changes so far", "plan_changes", "integer", None,
         ("More plan changes than usual", "Fewer plan changes than usual")),
        ("earlier_subscriptions", "Earlier subscriptions", "earlier", "integer", None,
         ("More earlier subscriptions than usual", "Fewer earlier subscriptions than usual")),
    )  # fmt: skip
    for name, title, aggregate, kind, unit, words in rows:
        window = PRICE_WINDOW if aggregate == "price_change_percent" else None
        up, down = words or (None, None)
        recipe = Recipe("subscriptions", aggregate, None, window)
        yield FeatureSpec(
            name, kind, title, unit, up, down, actionable=name in ("plan", "monthly_price"), recipe=recipe
        )


def _of_kind(kind: str, *, valued: bool) -> Iterable[FeatureSpec]:
    """Yield the features of one kind of event; days with billing say no more than their count."""
    spoken = _spoken(kind)
    title, events = _capitalised(spoken), _events(spoken)
    for days in (7, 30, 90):
        counted = f"{_capitalised(events)} in the last {days} days"
        yield _spec(f"{kind}_count_{days}", counted, Recipe("events", "count", kind, days))
    if kind not in BILLING:
        for days in (7, 30, 90):
            recipe = Recipe("events", "active_days", kind, days)
            yield _spec(f"{kind}_active_days_{days}", f"Days with {spoken} in the last {days} days", recipe)
    if valued:
        for days in (30, 90):
            yield _spec(
                f"{kind}_sum_{days}", f"{title} total in the last {days} days", Recipe("events", "sum", kind, days)
            )
    yield _spec(f"{kind}_days_since_last", f"Time since the last {spoken}", Recipe("events", "days_since_last", kind))
    against = "last 30 days against the 30 before"
    yield _spec(f"{kind}_count_change_30", f"Change in {events}, {against}", Recipe("events", "change", kind, 30))
    if valued:
        recipe = Recipe("events", "sum_change", kind, 30)
        yield _spec(f"{kind}_sum_change_30", f"Change in the {spoken} total, {against}", recipe)


def _profile(specs: Sequence[FeatureSpec], taken: Collection[str]) -> Iterable[FeatureSpec]:
    for spec in specs:
        name = f"profile_{spec.name}" if spec.name in taken else spec.name
        yield replace(spec, name=name, recipe=Recipe("profile", "value", spec.name))
