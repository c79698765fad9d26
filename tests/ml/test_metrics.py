"""Figures of merit against scikit-learn and by their definitions; intervals by what they must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from retainstream.ml.bootstrap import draws_for, interval, recentred, resample, weightings
from retainstream.ml.economics import Economics, expected_maximum_profit
from retainstream.ml.metrics import Calibration, Ranking, log_odds, mean_of, row_log_loss, sigmoid, wilson


@given(seed=st.integers(0, 10_000), n=st.integers(10, 300), ties=st.booleans())
@settings(max_examples=60, deadline=None)
def test_weighted_figures_agree_with_scikit_learn(seed, n, ties):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    p = np.round(p, 1) if ties else p
    y = (rng.random(n) < p).astype(int)
    y[:2] = [0, 1]
    weights = np.stack([np.ones(n), rng.integers(1, 4, n)]).astype(np.float64)
    ranking, line = Ranking(y, p).evaluate(weights), Calibration(y, p, 0.35).evaluate(weights)
    for b, w in enumerate(weights):
        clipped = np.clip(p, 1e-7, 1 - 1e-7)
        assert ranking["auc"][b] == pytest.approx(roc_auc_score(y, p, sample_weight=w))
        assert ranking["pr_auc"][b] == pytest.approx(average_precision_score(y, p, sample_weight=w))
        assert mean_of(row_log_loss(y, p))(weights)[b] == pytest.approx(log_loss(y, clipped, sample_weight=w))
        assert mean_of((p - y) ** 2)(weights)[b] == pytest.approx(brier_score_loss(y, p, sample_weight=w))
        reached = p >= 0.35
        for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            assert line[name][b] == pytest.approx(score(y, reached, sample_weight=w, zero_division=0.0))


def test_a_weight_of_two_is_a_row_written_twice():
    rng = np.random.default_rng(0)
    p, times = rng.random(200), rng.integers(1, 4, 200)
    y = (rng.random(200) < p).astype(int)
    once = Ranking(y, p).evaluate(times[None, :].astype(float))
    written = Ranking(np.repeat(y, times), np.repeat(p, times)).evaluate(np.ones((1, times.sum())))
    assert {k: float(v[0]) for k, v in once.items()} == pytest.approx({k: float(v[0]) for k, v in written.items()})


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.3), (2.5, -1.0), (0.15, 2.0)])
def test_calibration_line_is_the_logistic_fit_on_log_odds(slope, shift):
    rng = np.random.default_rng(5)
    margin = rng.normal(-1, 1.5, 2000)
    y = (rng.random(2000) < sigmoid(slope * margin + shift)).astype(int)
    found = Calibration(y, sigmoid(margin), 0.5).evaluate(np.ones((1, 2000)))
    free = LogisticRegression(C=np.inf, max_iter=1000).fit(log_odds(sigmoid(margin))[:, None], y)
    assert found["calibration_slope"][0] == pytest.approx(free.coef_[0, 0], abs=2e-3)
    intercept = found["calibration_intercept"][0]
    assert sigmoid(margin + intercept).mean() == pytest.approx(y.mean(), abs=1e-6)


def test_calibration_line_converges_for_extreme_and_rare_scores():
    rng = np.random.default_rng(6)
    margin = rng.normal(-6, 4, 3000)
    y = (rng.random(3000) < sigmoid(margin)).astype(int)
    slope = Calibration(y, sigmoid(margin), 0.5).evaluate(np.ones((1, 3000)))["calibration_slope"][0]
    free = LogisticRegression(C=np.inf, max_iter=5000).fit(log_odds(sigmoid(margin))[:, None], y)
    assert slope == pytest.approx(free.coef_[0, 0], abs=0.02)


def test_expected_calibration_error_by_hand():
    p = np.repeat([0.1, 0.9], 50)
    y = np.concatenate([np.repeat([1, 0], [10, 40]), np.repeat([1, 0], [45, 5])])
    rng = np.random.default_rng(0)
    order = rng.permutation(100)
    y_half, p_half = y.copy(), p.copy()
    found = Calibration(y_half[order], p_half[order], 0.5).evaluate(np.ones((1, 100)))["ece"][0]
    assert 0.05 <= found <= 0.2  # bins of ten: at least the mean gap of 0.05, plus the noise within each half


def test_lift_of_a_perfect_and_of_a_constant_score():
    y = np.repeat([1, 0], [10, 90])
    one = np.ones((1, 100))
    assert Ranking(y, y.astype(float)).evaluate(one)["top_decile_lift"][0] == pytest.approx(10)
    assert Ranking(y, np.zeros(100)).evaluate(one)["top_decile_lift"][0] == pytest.approx(1)
    gains = Ranking(y, y.astype(float)).gains(np.array([0.05, 0.1, 1.0]))
    assert [point.share_churners for point in gains] == pytest.approx([0.5, 1.0, 1.0])


def test_copies_of_a_row_are_drawn_together():
    groups = np.array([0, 0, 1, 2, 2, 2])
    for weights in weightings(groups, 50, np.random.default_rng(0)):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 5]).all()
        assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_intervals_hold_the_figure_and_narrow_with_rows():
    widths = []
    for n in (200, 3200):
        rng = np.random.default_rng(1)
        p = rng.random(n)
        y = (rng.random(n) < p).astype(int)
        values, replicates = resample(Ranking(y, p).evaluate, np.arange(n), 300, rng)
        estimate = interval(values["auc"], replicates["auc"])
        assert estimate.low < estimate.value < estimate.high
        widths.append(estimate.high - estimate.low)
    assert 2.5 < widths[0] / widths[1] < 6  # four, as the root of sixteen


def test_recentred_interval_holds_the_figure_and_never_falls_below_zero():
    estimate = recentred(0.01, np.linspace(0.012, 0.05, 99))
    assert 0 <= estimate.low <= 0.01 <= estimate.high
    assert np.isnan(interval(0.3, np.array([np.nan, np.nan])).low)


def test_draws_shrink_for_large_tables():
    assert [draws_for(n) for n in (100, 10_001, 100_001)] == [1000, 500, 200]


def test_wilson_interval_is_inside_zero_and_one():
    assert wilson(0, 20)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(20, 20)[1] == pytest.approx(1)
    low, high = wilson(5, 20)
    assert low == pytest.approx(0.1119, abs=1e-3)
    assert high == pytest.approx(0.4687, abs=1e-3)


def test_threshold_is_where_reaching_a_customer_breaks_even():
    money = Economics(acceptance=0.4, value=100, cost=10)
    assert money.threshold == pytest.approx(0.25)
    assert money.net_gain(np.array([0.25, 0.5])).tolist() == pytest.approx([0, 10])
    assert 0 < Economics(cost=1e6).threshold < 1
    assert 0 < Economics(cost=0).threshold < 1e-3


@pytest.mark.parametrize("wrong", [{"acceptance": 0}, {"acceptance": 1.2}, {"value": 0}, {"cost": -1}])
def test_impossible_economics_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        Economics(**wrong)


def test_expected_maximum_profit_is_bounded_by_perfect_knowledge():
    rng = np.random.default_rng(2)
    y = (rng.random(3000) < 0.2).astype(int)
    money = Economics()
    perfect, share = expected_maximum_profit(y, y + 0.0, money)
    blind, _ = expected_maximum_profit(y, np.zeros(3000), money)
    assert share == pytest.approx(y.mean(), abs=0.01)
    assert perfect == pytest.approx(y.mean() * (0.3 * (200 - 10) - 1), rel=0.03)
    assert 0 <= blind < expected_maximum_profit(y, y + rng.normal(0, 0.5, 3000), money)[0] < perfect
