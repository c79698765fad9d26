"""The features of one customer in plain Python, one rule after another as `builder` and `dictionary` state them: slow, and plain to check.

Also the histories that hypothesis makes: tied, late and future-dated events, statements that contradict one another, several profiles.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from retainstream.ml.asof.columns import DAY_US, NEVER, EventLog, History, ProfileLog, SubscriptionLog
from retainstream.ml.asof.rules import BILLING
from retainstream.ml.features import FeatureSpec, Recipe

KINDS = ("login", "watch", "payment_failed", "purchase", "refund")
PLANS = ("Standard", "basic", "Premium")
LEVELS = ("south", "north")
PROFILE = (FeatureSpec("age", "number", "Age"), FeatureSpec("region", "category", "Region"))
START = 20_000 * DAY_US
PEOPLE = (3, 4, 8, 1_000_000_000)
STRANGER = 77

# A coarse grid, so that instants, arrivals, window edges and as-of times often meet, and a moment beside it.
steps = st.integers(0, 30).map(lambda step: step * 4 * DAY_US)
nudges = st.sampled_from([0, 0, 0, -1, DAY_US // 2])
instants = st.builds(lambda step, nudge: START + step + nudge, steps, nudges)
delays = st.one_of(st.just(0), st.builds(lambda step, nudge: step + nudge, steps, nudges), st.just(-3 * DAY_US))
values = st.one_of(
    st.none(), st.floats(-100, 100), st.sampled_from([0.1, 1e12, -1e12, 3e13, 999_999_999_999.999999, 1e-7, math.nan])
)
events = st.lists(
    st.tuples(
        st.sampled_from([*PEOPLE, STRANGER]),
        st.integers(0, len(KINDS) - 1),
        instants,
        delays,
        values,
        st.integers(-1, 3).map(lambda code: code if code < 0 else code + 2**61),
    ),
    max_size=40,
)
statements = st.lists(
    st.tuples(
        st.sampled_from([*PEOPLE, STRANGER]),
        st.integers(0, 2),  # which of the customer's subscriptions
        instants,
        instants,
        st.one_of(st.none(), instants),
        st.integers(-1, len(PLANS) - 1),
        st.sampled_from([None, 0.0, 999.0, 1199.0]),
    ),
    max_size=16,
)
versions = st.lists(
    st.tuples(
        st.sampled_from([*PEOPLE, STRANGER]),
        instants,
        st.one_of(st.none(), st.floats(0, 99)),
        st.integers(-1, len(LEVELS) - 1),
    ),
    max_size=8,
)


def _array(values: Sequence[Any], dtype: Any = np.int64) -> np.ndarray:
    return np.array(list(values), dtype=dtype)


def event_log(rows: Sequence[tuple[Any, ...]]) -> EventLog:
    """Return rows (customer, kind, occurred, delay, value, device) as a sorted log; their order is that of arrival."""
    log = EventLog(
        customer=_array(row[0] for row in rows),
        kind=_array((row[1] for row in rows), np.int16),
        occurred=_array(row[2] for row in rows),
        received=_array(row[2] + row[3] for row in rows),
        value=_array((math.nan if row[4] is None else row[4] for row in rows), np.float64),
        order=np.arange(len(rows)),
        kinds=KINDS,
        properties={"device": _array(row[5] for row in rows)},
    )
    return EventLog.of(log)


def subscription_log(rows: Sequence[tuple[Any, ...]]) -> SubscriptionLog:
    """Return rows (customer, which, received, started, ended, plan, price) as a sorted log."""
    log = SubscriptionLog(
        customer=_array(row[0] for row in rows),
        subscription=_array(row[0] * 10 + row[1] for row in rows),
        received=_array(row[2] for row in rows),
        order=np.arange(len(rows)),
        started=_array(row[3] for row in rows),
        ended=_array(NEVER if row[4] is None else row[4] for row in rows),
        reason=np.full(len(rows), -1, dtype=np.int8),
        plan=_array((row[5] for row in rows), np.int32),
        price_minor=_array((math.nan if row[6] is None else row[6] for row in rows), np.float64),
        plans=PLANS,
    )
    return log.take(np.lexsort((log.order, log.received)))


def profile_log(rows: Sequence[tuple[Any, ...]]) -> ProfileLog:
    """Return rows (customer, known, age, region) as a sorted log."""
    log = ProfileLog(
        customer=_array(row[0] for row in rows),
        known=_array(row[1] for row in rows),
        order=np.arange(len(rows)),
        values={
            "age": _array((math.nan if row[2] is None else row[2] for row in rows), np.float64),
            "region": _array((row[3] for row in rows), np.int32),
        },
        specs=PROFILE,
        levels={"region": LEVELS},
    )
    return log.take(np.lexsort((log.order, log.known, log.customer)))


def history_of(events: Sequence[Any], statements: Sequence[Any] = (), versions: Sequence[Any] = ()) -> History:
    """Return a history of `PEOPLE`; rows of the stranger belong to nobody."""
    people = np.array(PEOPLE)
    return History(
        people,
        event_log(events),
        subscription_log(statements),
        profile_log(versions),
    )


histories = st.builds(history_of, events, statements, versions)


def slow_features(history: History, specs: Sequence[FeatureSpec], as_of: int, customer: int) -> list[Any]:
    """Return one customer's features: float32 numbers as float, text, or None for missing."""
    inside = customer in history.customers.tolist()
    happened = _events(history.events, as_of, customer) if inside else []
    stated = _statements(history.subscriptions, as_of, customer) if inside else []
    found: list[Any] = []
    for spec in specs:
        assert spec.recipe is not None
        if spec.recipe.source == "events":
            value = _of_events(spec.recipe, happened, stated, as_of)
        elif spec.recipe.source == "subscriptions":
            value = _of_subscriptions(spec.recipe, stated, history.subscriptions.plans, as_of)
        else:
            value = _of_profile(str(spec.recipe.event), history.profiles, as_of, customer) if inside else None
        found.append(float(np.float32(value)) if isinstance(value, int | float) else value)
    return found


def _events(log: EventLog, as_of: int, customer: int) -> list[tuple[Any, ...]]:
    rows = zip(log.customer, log.kind, log.occurred, log.received, log.value, log.properties["device"], strict=True)
    return [
        (log.kinds[kind], int(occurred), None if math.isnan(value) else min(max(value, -1e12), 1e12), int(device))
        for who, kind, occurred, received, value, device in rows
        if who == customer and occurred < as_of and received < as_of
    ]


def _of_events(recipe: Recipe, happened: list[Any], stated: list[Any], as_of: int) -> float | None:
    if recipe.aggregate == "tenure":
        starts = [row[1] for row in happened] + [row["started"] for row in _held(stated, as_of)]
        return (as_of - min(starts)) / DAY_US if starts else None
    chosen = [row for row in happened if (row[0] == recipe.event if recipe.event else row[0] not in BILLING)]
    if recipe.aggregate in ("days_since_last", "days_since_first"):
        pick = max if recipe.aggregate == "days_since_last" else min
        return (as_of - pick(row[1] for row in chosen)) / DAY_US if chosen else None
    assert recipe.window_days is not None
    length = recipe.window_days * DAY_US
    window = [row for row in chosen if row[1] >= as_of - length]
    before = [row for row in chosen if as_of - 2 * length <= row[1] < as_of - length]
    valued = [row[2] for row in window if row[2] is not None]
    answers = {
        "count": lambda: len(window),
        "change": lambda: len(window) - len(before),
        "active_days": lambda: len({(as_of - 1 - row[1]) // DAY_US for row in window}),
        "kinds": lambda: len({row[0] for row in window}),
        "distinct": lambda: len({row[3] for row in window if row[3] >= 0}),
        "max": lambda: max(valued, default=None),
        "sum": lambda: _exact(valued),
        "sum_change": lambda: _exact(valued, [row[2] for row in before if row[2] is not None]),
        "mean": lambda: _exact(valued) / len(valued) if valued else None,
    }
    return answers[recipe.aggregate]()


def _exact(plus: list[float], minus: Sequence[float] = ()) -> float:
    """Add millionths as unbounded whole numbers."""
    millionths = sum(round(value * 1e6) for value in plus) - sum(round(value * 1e6) for value in minus)
    return float(Fraction(millionths)) / 1e6


def _statements(log: SubscriptionLog, as_of: int, customer: int) -> list[dict[str, Any]]:
    names = ("customer", "subscription", "received", "order", "started", "ended", "plan", "price_minor")
    rows = [dict(zip(names, row, strict=True)) for row in zip(*(getattr(log, n).tolist() for n in names), strict=True)]
    mine = [row for row in rows if row["customer"] == customer and row["received"] < as_of]
    mine.sort(key=lambda row: (row["received"], row["order"]))
    standing: dict[tuple[int, int], dict[str, Any]] = {}
    for row in mine:
        moment = (row["subscription"], row["received"])
        if moment in standing and math.isnan(row["price_minor"]):
            row["price_minor"] = standing[moment]["price_minor"]
        if moment in standing and row["plan"] < 0:
            row["plan"] = standing[moment]["plan"]
        standing[moment] = row
    mine = list(standing.values())
    seen: set[int] = set()
    for row in mine:
        first = row["subscription"] not in seen
        seen.add(row["subscription"])
        row["effective"] = row["started"] if first else max(row["started"], row["received"])
    return mine


def _held(stated: list[dict[str, Any]], as_of: int) -> list[dict[str, Any]]:
    newest = {row["subscription"]: row for row in stated}
    held = [row for row in newest.values() if row["started"] < as_of]
    return sorted(held, key=lambda row: (row["started"], row["ended"], row["order"]))


def _of_subscriptions(recipe: Recipe, stated: list[Any], plans: Sequence[str], as_of: int) -> Any:
    held = _held(stated, as_of)
    steps = sorted((r for r in stated if r["started"] < as_of), key=lambda r: (r["effective"], r["order"]))
    plan_steps = [row["plan"] for row in steps if row["plan"] >= 0]
    prices = [(row["effective"], row["price_minor"]) for row in steps if not math.isnan(row["price_minor"])]
    if recipe.aggregate == "earlier":
        return sum(row["ended"] <= as_of for row in held)
    if recipe.aggregate == "plan_changes":
        return sum(a != b for a, b in itertools.pairwise(plan_steps))
    if recipe.aggregate == "days_since_price_change":
        moved = [later[0] for now, later in itertools.pairwise(prices) if now[1] != later[1]]
        return (as_of - moved[-1]) / DAY_US if moved else None
    active = [row for row in held if row["ended"] > as_of]
    if not active:
        return None
    current = active[-1]
    if recipe.aggregate == "plan":
        return plans[current["plan"]] if current["plan"] >= 0 else None
    if recipe.aggregate == "price":
        return None if math.isnan(current["price_minor"]) else current["price_minor"] / 100
    if recipe.aggregate == "age_months":
        return (as_of - _unbroken_since(held, current)) / (DAY_US * 365.25 / 12)
    assert recipe.aggregate == "price_change_percent"
    if math.isnan(current["price_minor"]):
        return None
    before = [price for effective, price in prices if effective < as_of - 90 * DAY_US]
    base = before[-1] if before else prices[0][1]
    return (prices[-1][1] / base - 1.0) * 100.0 if base > 0 else None


def _unbroken_since(held: list[dict[str, Any]], current: dict[str, Any]) -> int:
    since, reach = held[0]["started"], held[0]["ended"]
    for row in held:
        if row["started"] > reach + DAY_US:
            since = row["started"]
        reach = max(reach, row["ended"])
        if row is current:
            return int(since)
    raise AssertionError("the current subscription is among those held")


def _of_profile(name: str, log: ProfileLog, as_of: int, customer: int) -> Any:
    rows = [
        (known, order, row)
        for row, (who, known, order) in enumerate(zip(log.customer, log.known, log.order, strict=True))
        if who == customer and known < as_of
    ]
    if not rows:
        return None
    value = log.values[name][max(rows)[2]]
    if name in log.levels:
        return log.levels[name][value] if value >= 0 else None
    return None if math.isnan(value) else float(value)
