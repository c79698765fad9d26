"""What is bought together: counts told by hand and by brute force, and what the figures mean."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.ml.copurchase import Pair, pairs

lines = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=60)


def counted(rows: list[tuple[int, int]], least: int) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Count pairs with sets."""
    who: dict[int, set[int]] = defaultdict(set)
    for customer, item in rows:
        who[item].add(customer)
    everybody = len({customer for customer, _ in rows})
    return {
        (a, b): (len(who[a] & who[b]), len(who[a]), len(who[b]), everybody)
        for a in who
        for b in who
        if a != b and len(who[a] & who[b]) >= least
    }


@given(lines, st.integers(1, 4))
def test_counts_are_those_of_sets(rows: list[tuple[int, int]], least: int) -> None:
    customer, item = (np.array(column, dtype=np.int64) for column in (zip(*rows, strict=True) if rows else ([], [])))
    found = pairs(customer, item, min_both=least)
    told = {(one.bought, one.other): (one.both, one.n_bought, one.n_other, one.n) for one in found}
    assert told == counted(rows, least)
    assert list(found) == sorted(found, key=lambda one: (one.bought, -one.interval[0], one.other))
    for one in found:
        low, high = one.interval
        assert 0 <= low <= one.confidence <= high + 1e-9
        assert high <= 1
        assert 0 < one.support <= one.confidence
        mirror = next(other for other in found if (other.bought, other.other) == (one.other, one.bought))
        assert mirror.lift == pytest.approx(one.lift), "lift has no direction"


def test_figures_told_by_hand() -> None:
    pair = Pair(bought=1, other=2, both=30, n_bought=40, n_other=50, n=200)
    assert (pair.support, pair.confidence, pair.lift) == (0.15, 0.75, 3.0)
    assert pair.interval == pytest.approx((0.598, 0.858), abs=1e-3)
    assert pair.surely_more
    assert not Pair(1, 2, 10, 40, 50, 200).surely_more, "as often as by anybody"


def test_independent_products_are_hardly_ever_told_as_going_together() -> None:
    chance = np.random.default_rng(5)
    bought = chance.random((3_000, 20)) < 0.2
    customer, item = np.nonzero(bought)
    found = pairs(customer, item)
    assert len(found) == 380
    assert sum(pair.surely_more for pair in found) / len(found) < 0.06
    assert np.mean([pair.lift for pair in found]) == pytest.approx(1.0, abs=0.02)


def test_planted_pairs_are_found() -> None:
    chance = np.random.default_rng(6)
    first = chance.random(2_000) < 0.1
    second = np.where(first, chance.random(2_000) < 0.6, chance.random(2_000) < 0.1)
    everybody_bought_something = np.ones(2_000, dtype=bool)
    customer, item = np.nonzero(np.column_stack([first, second, everybody_bought_something]))
    there = next(one for one in pairs(customer, item) if (one.bought, one.other) == (0, 1))
    assert there.surely_more
    assert there.confidence == pytest.approx(0.6, abs=0.08)
    assert there.lift == pytest.approx(0.6 / 0.15, rel=0.15)


def test_only_the_best_known_products_are_looked_at_when_there_are_too_many() -> None:
    customer = np.repeat(np.arange(20), 3)
    item = np.tile([0, 1, 2], 20)
    keep = ~((item == 2) & (customer >= 15))
    assert {one.bought for one in pairs(customer[keep], item[keep], most_items=2)} == {0, 1}
    every = pairs(customer, item)
    (best,) = pairs(customer, item, most=1)
    assert best in every
    assert best.interval[0] * best.n / best.n_other == pytest.approx(
        max(one.interval[0] * one.n / one.n_other for one in every)
    )
    assert pairs(np.array([], dtype=int), np.array([], dtype=int)) == ()
    with pytest.raises(ValueError, match="differ"):
        pairs(np.array([1]), np.array([1, 2]))
    with pytest.raises(ValueError, match="at least one"):
        pairs(customer, item, min_both=0)
