"""Features of histories small enough to work out by hand, and what a builder refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from retainstream.ml.asof.builder import Builder, features
from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dictionary import KindFacts, catalogue
from retainstream.ml.features import FeatureSpec, Recipe
from tests.ml.asof.slow_features import KINDS, PROFILE, history_of

NOW = 20_100 * DAY_US
LOGIN, WATCH, FAILED, PURCHASE, REFUND = range(5)
SPECS = catalogue(
    {kind: KindFacts(9, 9, 9) for kind in KINDS}, properties={"device"}, subscriptions=True, profile=PROFILE
)


def days(number: float) -> int:
    return NOW - int(number * DAY_US)


def one(history: History, as_of: int = NOW, customer: int = 3) -> dict[str, object]:
    return dict(features(history, SPECS, as_of, np.array([customer])).iloc[0])


def test_the_named_features_of_a_viewer() -> None:
    found = one(
        history_of(
            [
                (3, WATCH, days(30), 0, 1.5, 7),
                (3, WATCH, days(30) - 1, 0, 4.0, 8),  # a moment too early for the window
                (3, WATCH, NOW - 1, 0, 0.25, 9),
                (3, WATCH, NOW, 0, 8.0, 10),  # at the as-of time is too late
                (3, LOGIN, days(19), 0, None, 7),
                (3, LOGIN, days(2), 3 * DAY_US, None, 11),  # not received yet
                (3, FAILED, days(90), 0, None, -1),
                (3, FAILED, days(91), 0, None, -1),
            ],
            [(3, 0, days(700), days(61), None, 1, 999.0)],
        )
    )
    assert found["watch_time_hours"] == 1.75
    assert found["device_count"] == 2
    assert found["last_login_days"] == 19
    assert found["payment_failures"] == 1
    assert found["subscription_age_months"] == np.float32(61 * 12 / 365.25)


def test_an_event_counts_from_the_moment_after_it_was_received() -> None:
    history = history_of([(3, LOGIN, days(50), 40 * DAY_US, None, -1), (3, LOGIN, days(45), 0, None, -1)])
    builder = Builder(history, SPECS)
    for as_of, count, tenure in (
        (days(44), 1, 1),
        (days(20), 1, 25),
        (days(10), 1, 35),
        (days(10) + 1, 2, 40),
        (days(30), 1, 15),
    ):
        found = builder.at(as_of, np.array([3])).iloc[0]
        assert (found["login_count_90"], found["tenure_days"]) == (count, tenure)


def test_billing_is_no_activity() -> None:
    found = one(history_of([(3, LOGIN, days(9), 0, None, -1), (3, REFUND, days(1), 0, 5.0, -1)]))
    assert (found["days_since_activity"], found["active_days_30"], found["kinds_used_30"]) == (9, 1, 1)
    assert found["tenure_days"] == 9
    assert found["refund_count_30"] == 1


def test_change_compares_with_the_window_before() -> None:
    rows = [(3, PURCHASE, days(day), 0, value, -1) for day, value in ((5, 2.0), (31, 10.0), (60, 1.0), (61, 100.0))]
    found = one(history_of(rows))
    assert (found["purchase_count_change_30"], found["purchase_sum_change_30"]) == (-1, -9)


def test_active_days_are_24_hour_steps_back_from_the_as_of_time() -> None:
    as_of = NOW + DAY_US // 2
    rows = [
        (3, LOGIN, NOW - 1, 0, None, -1),
        (3, LOGIN, NOW + 1, 0, None, -1),
        (3, LOGIN, as_of - DAY_US - 1, 0, None, -1),
    ]
    assert one(history_of(rows), as_of)["active_days_7"] == 2


def test_a_customer_of_whom_nothing_is_known_has_zeros_and_missing_values() -> None:
    rows = [(3, LOGIN, days(3), 0, None, 7), (3, WATCH, days(3), 0, 1.0, 7)]
    for customer in (4, 5, 2_000_000_000):
        found = one(history_of(rows, [(3, 0, days(3), days(3), None, 0, 999.0)]), customer=customer)
        assert found["login_count_30"] == found["watch_time_hours"] == found["earlier_subscriptions"] == 0
        assert all(pd.isna(found[name]) for name in ("last_login_days", "tenure_days", "plan", "monthly_price", "age"))


def test_an_end_announced_for_later_leaves_the_subscription_current() -> None:
    told = [(3, 0, days(100), days(100), None, 0, 999.0), (3, 0, days(5), days(100), days(-20), 0, 999.0)]
    assert one(history_of([], told))["plan"] == "Standard"
    ended = one(history_of([], told), days(-21))
    assert pd.isna(ended["plan"]) and ended["earlier_subscriptions"] == 1


def test_a_statement_of_the_same_moment_corrects_the_earlier_one() -> None:
    first = (3, 0, days(100), days(100), None, 0, 999.0)
    wrong, right = (3, 0, days(40), days(100), None, 1, 99_900.0), (3, 0, days(40), days(100), None, 0, 999.0)
    assert one(history_of([], [first, wrong]))["plan_changes"] == 1
    found = one(history_of([], [first, wrong, right]))
    assert (found["plan_changes"], found["monthly_price"]) == (0, np.float32(9.99))
    silent = (3, 0, days(40), days(100), None, 0, math.nan)
    kept = one(history_of([], [first, wrong, silent]))
    assert kept["monthly_price"] == np.float32(999), "what a correction says nothing of stays"
    assert kept["days_since_price_change"] == 40
    assert pd.isna(found["days_since_price_change"]) and found["price_change_percent_90"] == 0


def test_subscriptions_that_follow_one_another_are_one_age() -> None:
    rows = [
        (3, 0, days(300), days(300), days(200), 0, 999.0),
        (3, 1, days(199), days(199), days(50), 1, 999.0),
        (3, 2, days(20), days(20), None, 1, 1199.0),
    ]
    whole = one(history_of([], rows[:2]), days(100))
    assert whole["subscription_age_months"] == np.float32(200 * 12 / 365.25)
    assert (whole["plan"], whole["plan_changes"], whole["earlier_subscriptions"]) == ("basic", 1, 1)
    back = one(history_of([], rows))
    assert back["subscription_age_months"] == np.float32(20 * 12 / 365.25)
    assert back["price_change_percent_90"] == np.float32((1199 / 999 - 1) * 100)
    assert (back["days_since_price_change"], back["earlier_subscriptions"]) == (20, 2)
    assert back["monthly_price"] == np.float32(11.99)


def test_the_newest_profile_that_was_known_counts() -> None:
    history = history_of([], [], [(3, days(10), 30.0, 0), (3, days(1), 31.0, 1), (3, days(-1), 32.0, 0)])
    assert (one(history)["age"], one(history)["region"]) == (31, "north")
    assert one(history, days(5))["region"] == "south"


def test_columns_stand_in_the_order_of_the_specifications() -> None:
    history = history_of([(3, LOGIN, days(1), 0, None, -1)], [(4, 0, days(9), days(9), None, 2, 999.0)])
    frame = features(history, SPECS, NOW, np.array([4, 3]))
    assert list(frame.columns) == [spec.name for spec in SPECS]
    assert {str(kind) for name, kind in frame.dtypes.items() if name not in ("plan", "region")} == {"float32"}
    assert list(frame["plan"].cat.categories) == ["Premium"]
    assert frame["login_count_7"].tolist() == [0, 1]


def test_a_history_without_anything_gives_a_frame_all_the_same() -> None:
    empty = replace(history_of([]), customers=np.zeros(0, dtype=np.int64))
    frame = features(empty, SPECS, NOW, np.array([1, 2]))
    assert frame.shape == (2, len(SPECS))
    assert features(empty, SPECS, NOW, np.zeros(0, dtype=np.int64)).shape == (0, len(SPECS))


def test_what_a_history_does_not_know_is_an_empty_column() -> None:
    specs = (
        FeatureSpec("sung", "integer", "Sung", recipe=Recipe("events", "count", "sing", 30)),
        FeatureSpec("colours", "integer", "Colours", recipe=Recipe("events", "distinct", "watch", 30, "colour")),
        FeatureSpec("height", "number", "Height", recipe=Recipe("profile", "value", "height")),
        FeatureSpec("town", "category", "Town", recipe=Recipe("profile", "value", "town")),
    )
    row = features(history_of([(3, WATCH, days(1), 0, 1.0, 7)]), specs, NOW, np.array([3])).iloc[0]
    assert row[["sung", "colours"]].tolist() == [0, 0]
    assert row[["height", "town"]].isna().all()


@pytest.mark.parametrize(
    "recipe",
    [
        None,
        Recipe("events", "median", "watch", 30),
        Recipe("events", "count", "watch"),
        Recipe("events", "days_since_last", "watch", 30),
        Recipe("profile", "count", "age", 30),
    ],
)
def test_a_feature_that_nobody_can_build_is_refused_by_name(recipe: Recipe | None) -> None:
    with pytest.raises(ValueError, match="'odd'"):
        Builder(history_of([]), [FeatureSpec("odd", "number", "Odd", recipe=recipe)])
