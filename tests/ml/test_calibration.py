"""Calibrators, and the gate that must let calibrated probabilities through and stop planted miscalibration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retainstream.ml.calibration import Calibrator, choose_method, cross_fit, fit_calibrator, mean_probability
from retainstream.ml.evaluation import Judged, OutOfFold, judge_model
from retainstream.ml.metrics import sigmoid


def population(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True log-odds, outcomes drawn with them, folds."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.2, 1.3, n)
    return margin, (rng.random(n) < sigmoid(margin)).astype(np.int8), rng.integers(0, 5, n)


def judged(n: int, seed: int, probability_of) -> Judged:
    margin, y, fold = population(n, seed)
    shown = OutOfFold(fold, margin, probability_of(margin))
    return judge_model(
        y, np.arange(n), [shown], threshold=0.2, method="sigmoid", held_out={}, rng=np.random.default_rng(seed),
        progress=lambda share: None,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_true_probabilities_pass_the_gate(seed):
    verdict = judged(6000, seed, sigmoid).calibration
    assert verdict.passed, verdict.reasons
    assert verdict.slope.low < 1 < verdict.slope.high


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        (lambda m: sigmoid(1.4 * m), "slope"),
        (lambda m: sigmoid(0.7 * m), "slope"),
        (lambda m: sigmoid(m + 0.25), "intercept"),
        (lambda m: sigmoid(m) ** 2, "intercept"),
        (lambda m: sigmoid(m + np.log(3)), "intercept"),  # what re-balancing the classes does
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_miscalibration_fails_the_gate(planted, named, seed):
    verdict = judged(6000, seed, planted).calibration
    assert not verdict.passed
    assert any(named in reason for reason in verdict.reasons)


def test_a_bend_that_no_line_shows_is_found_by_the_expected_calibration_error():
    bent = judged(20_000, 0, lambda m: np.clip(sigmoid(m) + 0.06 * np.sin(4 * m), 0.001, 0.999)).calibration
    assert not bent.passed
    assert any("on average" in reason for reason in bent.reasons)
    assert bent.ece > bent.ece_limit


def test_too_few_churners_cannot_be_judged():
    verdict = judged(60, 0, sigmoid).calibration
    assert not verdict.passed
    assert "at least 30" in verdict.reasons[0]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_every_method_mends_overconfidence_and_survives_json(method):
    margin, y, _ = population(8000, 1)
    loud = 2.5 * margin
    calibrator = fit_calibrator(method, loud, y)
    again = Calibrator.from_dict(json.loads(json.dumps(calibrator.to_dict())))
    grid = np.linspace(-9, 9, 200)
    assert np.array_equal(calibrator.apply(grid), again.apply(grid))
    assert (np.diff(calibrator.apply(grid)) >= 0).all()
    assert ((calibrator.apply(grid) > 0) & (calibrator.apply(grid) < 1)).all()
    assert np.abs(calibrator.apply(loud) - sigmoid(margin)).mean() < 0.02


def test_a_fold_s_calibrator_never_sees_the_fold():
    margin, y, fold = population(2000, 2)
    calibrators, probability = cross_fit("sigmoid", margin, y, fold, 5)
    changed, other = cross_fit("sigmoid", margin, np.where(fold == 3, 1 - y, y), fold, 5)
    assert calibrators[3] == changed[3]
    assert np.array_equal(probability[fold == 3], other[fold == 3])
    assert calibrators[0] != changed[0]


def test_sigmoid_stays_unless_there_are_a_thousand_churners_and_a_clear_gain():
    margin, y, fold = population(1500, 3)
    stepped = np.where(margin > -1, 3.0, -3.0) + 0.5 * np.sin(3 * margin)
    assert choose_method(stepped, y, fold, 5)[0] == "sigmoid"
    margin, y, fold = population(20_000, 3)
    assert choose_method(margin, y, fold, 5)[0] == "sigmoid"
    bent = np.sign(margin) * margin**4
    method, held_out = choose_method(bent, y, fold, 5)
    assert method == "isotonic"
    assert held_out["isotonic"] < held_out["sigmoid"]


def test_perfect_separation_stays_finite_and_a_backward_model_becomes_flat():
    margin = np.array([-3.0, -2, -1, 1, 2, 3])
    y = np.array([0, 0, 0, 1, 1, 1])
    assert np.isfinite(fit_calibrator("sigmoid", margin, y).slope)
    backward = fit_calibrator("sigmoid", margin, 1 - y)
    assert 0 < backward.slope < 1e-3


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="none of"):
        fit_calibrator("magic", np.zeros(4), np.array([0, 1, 0, 1]))


def test_new_rows_get_the_mean_of_the_calibrators():
    two = [Calibrator("sigmoid", 1.0, 0.0), Calibrator("sigmoid", 2.0, -1.0)]
    margin = np.array([-1.0, 0.5])
    assert mean_probability(two, margin) == pytest.approx((sigmoid(margin) + sigmoid(2 * margin - 1)) / 2)
