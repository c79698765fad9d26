"""What must hold of features for every history: later rows, other rows, order and company change nothing, to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.asof import windows
from retainstream.ml.asof.builder import Builder, features
from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dictionary import DECLARABLE, WINDOWED, KindFacts, catalogue, declared
from retainstream.ml.features import Recipe
from tests.ml.asof.slow_features import (
    KINDS,
    PEOPLE,
    PROFILE,
    STRANGER,
    event_log,
    events,
    histories,
    history_of,
    instants,
    slow_features,
    statements,
    versions,
)

FACTS = {kind: KindFacts(9, 9, 9) for kind in KINDS}
DEFAULT = catalogue(FACTS, properties={"device"}, subscriptions=True, profile=PROFILE)
OWN = tuple(
    declared(
        f"own_{aggregate}_{event or 'all'}_{days or 'ever'}",
        "Own",
        Recipe("events", aggregate, event, days, "device" if aggregate == "distinct" else None),
    )
    for aggregate in DECLARABLE
    for event in (None, "watch", "refund")
    for days in ((1, 20, 100) if aggregate in WINDOWED else (None,))
)
SPECS = (*DEFAULT, *OWN)
ASKED = np.array([*PEOPLE, STRANGER, 5])


def bits(frame: pd.DataFrame) -> list[Any]:
    """Return a frame's content such that equal lists mean equal bits, dtypes and levels."""
    return [
        (name, list(column.cat.categories), column.cat.codes.tolist())
        if isinstance(column.dtype, pd.CategoricalDtype)
        else (name, column.to_numpy().dtype, column.to_numpy().tobytes())
        for name, column in frame.items()
    ]


@settings(max_examples=120, deadline=None)
@given(histories, instants)
def test_every_feature_is_what_its_rule_says(history: History, as_of: int) -> None:
    frame = features(history, SPECS, as_of, ASKED)
    for place, customer in enumerate(ASKED.tolist()):
        got = [None if pd.isna(value) else value for value in frame.iloc[place]]
        wanted = slow_features(history, SPECS, as_of, customer)
        assert {s.name: v for s, v in zip(SPECS, got, strict=True)} == {
            s.name: v for s, v in zip(SPECS, wanted, strict=True)
        }


@settings(max_examples=100, deadline=None)
@given(events, statements, versions, events, statements, versions, instants)
def test_rows_that_become_known_later_change_no_bit(
    e: Any, s: Any, v: Any, e2: Any, s2: Any, v2: Any, as_of: int
) -> None:
    later = [row for row in e2 if max(row[2], row[2] + row[3]) >= as_of]
    announced = [row for row in s2 if row[2] >= as_of]
    versions_later = [row for row in v2 if row[1] >= as_of]
    before = features(history_of(e, s, v), SPECS, as_of, ASKED)
    after = features(history_of(e + later, s + announced, v + versions_later), SPECS, as_of, ASKED)
    assert bits(before) == bits(after)


@settings(max_examples=60, deadline=None)
@given(histories, instants)
def test_cutting_first_or_not_gives_the_same_bits(history: History, as_of: int) -> None:
    assert bits(features(history.cut(as_of), SPECS, as_of, ASKED)) == bits(features(history, SPECS, as_of, ASKED))


@settings(max_examples=60, deadline=None)
@given(histories, instants, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(history: History, as_of: int, random: Any) -> None:
    def shuffled(log: Any) -> Any:
        order = list(range(len(log)))
        random.shuffle(order)
        return log.take(np.array(order, dtype=np.int64))

    mixed = replace(
        history,
        events=shuffled(history.events),
        subscriptions=shuffled(history.subscriptions),
        profiles=shuffled(history.profiles),
    )
    assert bits(features(mixed, SPECS, as_of, ASKED)) == bits(features(history, SPECS, as_of, ASKED))


@settings(max_examples=60, deadline=None)
@given(events, statements, versions, instants, st.sampled_from(PEOPLE))
def test_one_customer_alone_gives_the_same_bits_as_among_all(e: Any, s: Any, v: Any, as_of: int, customer: int) -> None:
    everybody = history_of(e, s, v)
    alone = history_of(*([row for row in rows if row[0] == customer] for rows in (e, s, v)))
    alone = replace(alone, customers=np.array([customer]))
    one = np.array([customer])
    asked_among_all = features(everybody, SPECS, as_of, one)
    assert bits(features(alone, SPECS, as_of, one)) == bits(asked_among_all)
    row = features(everybody, SPECS, as_of, ASKED).iloc[[PEOPLE.index(customer)]]
    numbers = [spec.name for spec in SPECS if spec.kind != "category"]
    assert row[numbers].to_numpy().tobytes() == asked_among_all[numbers].to_numpy().tobytes()


@settings(max_examples=30, deadline=None)
@given(histories, st.lists(instants, min_size=2, max_size=6))
def test_many_dates_in_any_order_equal_a_fresh_build_at_each(history: History, moments: list[int]) -> None:
    fresh = {as_of: bits(features(history, SPECS, as_of, ASKED)) for as_of in moments}
    builder = Builder(history, SPECS)
    for as_of in [*moments, *sorted(moments)]:
        assert bits(builder.at(as_of, ASKED)) == fresh[as_of]


@settings(max_examples=30, deadline=None)
@given(histories, st.lists(instants, min_size=1, max_size=3))
def test_the_quick_way_that_suits_the_size_changes_no_bit(history: History, moments: list[int]) -> None:
    def built() -> list[Any]:
        builder = Builder(history, SPECS)
        return [bits(builder.at(as_of, ASKED)) for as_of in moments]

    usual = built()
    with (
        patch.object(windows, "_BLOCK_ROWS", 3),
        patch.object(windows, "_FLAGS", 0),
        patch.object(windows, "_EXACT", 0.0),
    ):
        assert built() == usual


@pytest.mark.parametrize("value", [0.1, 1e12, -999_999_999_999.999])
def test_sums_stay_exact_where_floats_do_not(value: float) -> None:
    """A great value of somebody else makes sums go the way of two halves; the first customer must not notice."""
    as_of = 20_100 * DAY_US
    mine = [(3, 1, as_of - 1 - step, 0, 0.1, -1) for step in range(1_000)]
    theirs = [(4, 1, as_of - 1 - step, 0, value, -1) for step in range(1_000)]
    frame = Builder(replace(history_of([]), events=event_log(mine + theirs)), DEFAULT).at(as_of, np.array([3, 4]))
    assert frame["watch_time_hours"].tolist() == [100.0, float(np.float32(round(value * 1e6) * 1_000 / 1e6))]
