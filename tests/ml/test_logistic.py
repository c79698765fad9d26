"""The logistic regression is a rival that deserves the name: tails, gaps, and a penalty that fits the rows there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from retainstream.ml.features import FeatureSpec
from retainstream.ml.logistic import STRENGTHS, Design, _chosen_strength, fit_logistic
from retainstream.ml.metrics import row_log_loss, sigmoid
from retainstream.ml.rivals import area_under_roc, logistic_regression


def numbers(n: int) -> list[FeatureSpec]:
    return [FeatureSpec(f"x{j}", "number", f"X{j}") for j in range(n)]


def halves(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.arange(n // 2), np.arange(n // 2, n))]


def drawn(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(len(z)) < sigmoid(z)).astype(np.int8)


def test_counts_and_amounts_with_long_tails_are_read_on_a_logarithmic_scale() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=6_000)
    base = np.column_stack([np.exp(2.5 * signal), -np.exp(2.0 * rng.normal(size=6_000))]).astype(np.float32)
    y = drawn(1.5 * signal - 1, rng)
    score = fit_logistic(base[:4_000], y[:4_000], numbers(2), halves(4_000), 0)(base[4_000:])
    assert Design.of(base, numbers(2)).bent.tolist() == [True, True]
    best = row_log_loss(y[4_000:], sigmoid(1.5 * signal[4_000:] - 1)).mean()
    plain = LogisticRegression().fit(base[:4_000] / base[:4_000].std(axis=0), y[:4_000])
    untold = row_log_loss(y[4_000:], plain.predict_proba(base[4_000:] / base[:4_000].std(axis=0))[:, 1]).mean()
    found = row_log_loss(y[4_000:], score).mean()
    assert found - best < 0.3 * (untold - best)


def test_an_even_column_is_left_as_it_is() -> None:
    rng = np.random.default_rng(0)
    base = np.column_stack([rng.uniform(0, 72, 2_000), rng.normal(size=2_000)])
    assert not Design.of(base, numbers(2)).bent.any()


def test_that_a_value_is_missing_is_a_signal_of_its_own() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=4_000)
    gone = rng.random(4_000) < 0.3
    y = drawn(np.where(gone, 2.0, -2.0), rng)
    base = np.where(gone, np.nan, values)[:, None].astype(np.float32)
    score = fit_logistic(base, y, numbers(1), halves(4_000), 0)
    assert area_under_roc(y, score(base)) > 0.8
    whole = Design.of(values[:, None], numbers(1))
    assert whole.matrix(np.array([[np.nan]])).shape == (
        1,
        1,
    )  # nothing was missing when it was frozen: the median stands in
    assert np.isfinite(whole.matrix(np.array([[np.nan], [np.inf], [-np.inf], [1e38]]))).all()


def test_the_penalty_follows_what_there_is_to_learn() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(1_500, 100))
    coin = drawn(np.full(1_500, -2.0), rng)
    assert _chosen_strength(noise, coin, numbers(100), halves(1_500), 0) == STRENGTHS[0]
    clear = drawn(3 * noise[:, 0] - 3 * noise[:, 1], rng)
    assert _chosen_strength(noise[:, :2], clear, numbers(2), halves(1_500), 0) >= 0.1
    rate = np.full(len(coin), coin.mean())
    score = fit_logistic(noise, coin, numbers(100), halves(1_500), 0)(rng.normal(size=(1_500, 100)))
    assert row_log_loss(coin, score).mean() < row_log_loss(coin, rate).mean() + 0.01  # with C=1 it misses by 0.06


def test_a_fold_with_one_class_is_passed_over_and_no_fold_at_all_is_no_harm() -> None:
    rng = np.random.default_rng(3)
    base, y = rng.normal(size=(300, 2)), drawn(rng.normal(size=300), rng)
    stayers = np.flatnonzero(y == 0)
    assert _chosen_strength(base, y, numbers(2), [(stayers[:50], stayers[50:])], 0) in STRENGTHS
    assert fit_logistic(base, y, numbers(2), [], 0)(base).shape == (300,)


def test_categories_have_a_column_for_each_common_level_and_unknown_ones_none() -> None:
    base = np.array([[0.0], [0.0], [1.0], [2.0], [np.nan]])
    design = Design.of(base, [FeatureSpec("plan", "category", "Plan")])
    assert design.matrix(base).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert design.matrix(np.array([[7.0]])).tolist() == [[0, 0, 0]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(1, 30))
def test_the_same_rows_give_the_same_bits_and_no_value_escapes(seed: int, tail: float) -> None:
    rng = np.random.default_rng(seed)
    base = np.exp(tail * rng.normal(size=(200, 3))) * rng.choice([-1, 1], size=(200, 3))
    base[rng.random(base.shape) < 0.1] = np.nan
    y = np.arange(200) % 2
    first, second = (fit_logistic(base, y, numbers(3), halves(200), seed)(base) for _ in range(2))
    assert np.array_equal(first, second)
    assert ((first > 0) & (first < 1)).all()
    assert np.abs(Design.of(base, numbers(3)).matrix(base)).max() <= 5


@pytest.mark.parametrize("folds", [2, 5])
def test_out_of_fold_no_row_is_scored_by_what_saw_its_label(folds: int) -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(size=(1_000, 40))
    y = drawn(2 * base[:, 0] - 1, rng)
    fold = rng.integers(0, folds, 1_000)
    rival = logistic_regression(y, fold, base, numbers(40), 0)
    assert rival.probability.mean() == pytest.approx(y.mean(), abs=0.02)
    assert row_log_loss(y, rival.probability).mean() < row_log_loss(y, np.full(1_000, y.mean())).mean() - 0.1
    turned = y.copy()
    turned[fold == 0] = 1 - turned[fold == 0]
    again = logistic_regression(turned, fold, base, numbers(40), 0)
    assert np.array_equal(again.probability[fold == 0], rival.probability[fold == 0])
