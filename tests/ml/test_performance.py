"""Realised figures follow outcomes; estimated ones follow probabilities, and agree with them where the probabilities are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from retainstream.ml.performance import estimated, realised


def _world(n: int, seed: int, bias: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, probabilities that are off by `bias` on the log-odds, and outcomes."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-2, 1.2, n)
    left = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(np.int8)
    return margin, 1 / (1 + np.exp(-(margin + bias))), left


def test_an_honest_model_is_promised_what_it_gets():
    margin, p, y = _world(40_000, 1)
    told, was = estimated(margin, p, capacities=[1000]), realised(margin, p, y, capacities=[1000])
    assert told.estimated and not was.estimated
    assert told.metrics["auc"].value == pytest.approx(was.metrics["auc"].value, abs=0.01)
    assert told.churners == pytest.approx(was.churners, rel=0.03)
    assert told.caught[0].churners == pytest.approx(was.caught[0].churners, rel=0.06)
    assert told.metrics["log_loss"].value == pytest.approx(was.metrics["log_loss"].value, rel=0.03)
    slope = was.metrics["calibration_slope"]
    assert slope.low < 1 < slope.high


def test_a_model_that_promises_too_much_is_found_out_by_outcomes_alone():
    margin, p, y = _world(20_000, 2, bias=1.0)
    told, was = estimated(margin, p, capacities=[500]), realised(margin, p, y, capacities=[500])
    assert told.churners > 1.5 * was.churners
    assert was.metrics["calibration_intercept"].high < -0.5
    assert was.mean_probability > was.observed_share + 0.05


def test_the_auc_is_the_one_that_everybody_computes():
    margin, p, y = _world(3000, 3)
    assert realised(margin, p, y, capacities=[]).metrics["auc"].value == pytest.approx(roc_auc_score(y, margin))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60), st.integers(0, 80))
def test_those_caught_are_counted_with_ties_in_proportion(rows, capacity):
    margin = np.array([row[0] for row in rows], float)
    y = np.array([row[1] for row in rows], np.int8)
    (caught,) = realised(margin, None, y, capacities=[capacity]).caught
    reached = min(capacity, len(rows))
    assert caught.reached == reached
    assert 0 <= caught.churners <= min(reached, y.sum()) + 1e-9
    assert caught.churners >= reached - (len(y) - y.sum()) - 1e-9
    if reached == len(rows):
        assert caught.churners == y.sum()


def test_too_few_outcomes_give_no_figures():
    margin, p, y = _world(50, 4)
    y[:] = 0
    y[:2] = 1
    found = realised(margin, p, y, capacities=[10])
    assert found.metrics == {} and found.churners == 2
    assert estimated(np.empty(0), np.empty(0), capacities=[10]).to_dict()["metrics"] == {}
