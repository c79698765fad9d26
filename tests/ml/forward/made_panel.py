"""A made-up panel whose hazard is known: customers with habits, seen every 30 days."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from retainstream.ml.asof.columns import DAY_US
from retainstream.ml.asof.panel import Panel, Split
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.features import FeatureSpec
from retainstream.ml.training import Plan

RULE = ChurnRule("cancel", horizon_days=30)
FIRST = 19_000 * DAY_US
SPECS = (
    FeatureSpec("days_since_activity", "number", "Days since activity", unit="days"),
    FeatureSpec("watch_time_hours", "number", "Watch time", unit="hours"),
    FeatureSpec("payment_failures", "integer", "Payment failures"),
    FeatureSpec("noise", "number", "Noise"),
    FeatureSpec("plan", "category", "Plan"),
)
Change = Callable[[pd.DataFrame, np.ndarray, np.ndarray, np.random.Generator], pd.DataFrame]


def make_panel(
    customers: int = 700,
    dates: int = 10,
    *,
    seed: int = 0,
    level: float = -2.2,
    drift: float = 0.0,
    fades_from: int | None = None,
    change: Change | None = None,
    sticky: float = 0.7,
) -> Panel:
    """Customers seen on dates 30 days apart; ``drift`` is added to the log-odds per date, and from ``fades_from`` on habits say nothing."""
    rng = np.random.default_rng(seed)
    who, when = np.tile(np.arange(customers), dates), np.repeat(np.arange(dates), customers)
    habit = rng.normal(size=customers)[who] * sticky + rng.normal(size=len(who)) * (1 - sticky)
    frame = pd.DataFrame(
        {
            "days_since_activity": np.exp(1.2 + habit + 0.3 * rng.normal(size=len(who))).astype(np.float32),
            "watch_time_hours": (10 - 3 * habit + 2 * rng.normal(size=len(who))).astype(np.float32),
            "payment_failures": rng.poisson(0.3, len(who)).astype(np.float32),
            "noise": np.where(rng.random(len(who)) < 0.1, np.nan, rng.normal(size=len(who))).astype(np.float32),
            "plan": pd.Categorical(np.array(["basic", "premium", "standard"])[rng.integers(0, 3, customers)][who]),
        }
    )
    says = np.where(when >= (dates if fades_from is None else fades_from), 0.0, 1.0)
    z = level + says * (1.3 * habit + 0.9 * frame["payment_failures"].to_numpy()) + drift * when
    z = z + says * np.where(frame["plan"] == "basic", 0.6, 0.0)
    y = (rng.random(len(who)) < 1 / (1 + np.exp(-z))).astype(np.int8)
    if change is not None:
        frame = change(frame, y, when, rng)
    as_of = FIRST + when * 30 * DAY_US
    kinds = {spec.name: spec for spec in SPECS}
    specs = tuple(kinds.get(name, FeatureSpec(name, "number", name)) for name in frame.columns)
    return Panel(
        frame=frame,
        customer=who.astype(np.int64) + 100,
        as_of=as_of,
        y=y,
        left_at=np.where(y == 1, as_of + 10 * DAY_US, np.iinfo(np.int64).max),
        revenue_minor=np.full(len(who), 999.0),
        treated=np.zeros(len(who), dtype=bool),
        dates=tuple(np.unique(as_of).tolist()),
        data_end=int(as_of.max() + RULE.maturity_us),
        rule=RULE,
        specs=specs,
        left_out={"lead": 3},
    )


def split_at(panel: Panel, calibrate: int, test: int) -> Split:
    """Split by the number of dates, without purging: the window is no longer than the distance of dates."""
    dates = np.asarray(panel.dates)
    cuts = dates[-calibrate - test], dates[-test]
    parts = [panel.as_of < cuts[0], (panel.as_of >= cuts[0]) & (panel.as_of < cuts[1]), panel.as_of >= cuts[1]]
    rows = [np.flatnonzero(part) for part in parts]
    return Split(*rows, purged=7, parts={})


QUICK = Plan(tune=False, fixed={"n_estimators": 60, "learning_rate": 0.1, "max_depth": 3}, n_jobs=1)
