"""Folds: even, seeded, and never with a copy of a row on both sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.folds import group_folds, possible_folds, row_groups


def test_rows_with_equal_features_share_a_group_and_missing_equals_missing():
    matrix = np.array([[1, np.nan], [1, np.nan], [np.nan, 1], [0.0, 2], [-0.0, 2], [1, 3]], dtype=np.float32)
    groups = row_groups(matrix)
    assert groups[0] == groups[1]
    assert groups[3] == groups[4]
    assert len(set(groups.tolist())) == 4


def test_a_very_common_combination_is_not_a_copy():
    matrix = np.zeros((500, 2), dtype=np.float32)
    matrix[:4] = [[1, 1], [1, 1], [2, 2], [2, 2]]
    groups = row_groups(matrix)
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert len(np.unique(groups)) == 498
    assert set(groups.tolist()) == set(range(498))


@given(
    seed=st.integers(0, 1000),
    n=st.integers(40, 400),
    folds=st.integers(2, 6),
    distinct=st.integers(15, 300),
    rate=st.floats(0.1, 0.9),
)
@settings(max_examples=80, deadline=None)
def test_folds_are_even_and_never_split_a_group(seed, n, folds, distinct, rate):
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(0, distinct, n), return_inverse=True)[1]
    y = (rng.random(n) < rate).astype(int)
    fold = group_folds(y, groups, folds, np.random.default_rng(seed))
    assert all(len(set(fold[groups == g].tolist())) == 1 for g in np.unique(groups))
    assert np.array_equal(fold, group_folds(y, groups, folds, np.random.default_rng(seed)))
    groups_per_fold = np.bincount([fold[groups == g][0] for g in np.unique(groups)], minlength=folds)
    assert groups_per_fold.max() - groups_per_fold.min() <= 1


def test_churners_are_spread_evenly_when_rows_differ():
    y = (np.arange(1000) % 7 == 0).astype(int)
    fold = group_folds(y, np.arange(1000), 5, np.random.default_rng(0))
    churners = np.bincount(fold[y == 1], minlength=5)
    assert churners.max() - churners.min() <= 1
    assert not np.array_equal(fold, group_folds(y, np.arange(1000), 5, np.random.default_rng(1)))


def test_fewer_folds_when_there_are_few_churners():
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    assert possible_folds(y, np.arange(8), 5) == 3
    assert possible_folds(y, np.array([0, 0, 0, 1, 2, 3, 4, 5]), 5) == 1
