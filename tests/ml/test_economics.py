"""The expected maximum profit equals what an independent implementation of the paper gives."""

from __future__ import annotations

import numpy as np
import pytest

from retainstream.ml.economics import Economics, expected_maximum_profit

_ROWS = np.arange(500)
_LEFT = (_ROWS * 7919 % 97 < 20).astype(int)
_SCORE = ((_ROWS * 31) % 53) / 53 + 0.3 * _LEFT


@pytest.mark.parametrize(
    ("value", "incentive", "contact", "profit", "share"),
    [
        (200, 10, 1, 5.885124739921686, 0.5970600172850276),
        (100, 5, 2, 2.1913242472869814, 0.400511070321635),
        (60, 25, 0.5, 0.6000000008595026, 0.05999998820779966),
    ],
)
def test_empc_equals_the_reference(value, incentive, contact, profit, share):
    """Figures of the Python package empulse 0.13.1 (`empc_score` and its optimal rate) on the same rows."""
    found = expected_maximum_profit(_LEFT, _SCORE, Economics(0.3, value, incentive + contact, incentive))
    assert found == pytest.approx((profit, share), abs=1e-9)


def test_empc_of_eight_customers():
    y, score = np.array([0, 1, 0, 1, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
    assert expected_maximum_profit(y, score, Economics())[0] == pytest.approx(23.875593418348124, abs=1e-9)


def test_the_order_of_the_rows_and_a_monotone_change_of_the_score_say_nothing():
    shuffled = np.random.default_rng(0).permutation(500)
    expected = expected_maximum_profit(_LEFT, _SCORE, Economics())
    assert expected_maximum_profit(_LEFT[shuffled], _SCORE[shuffled], Economics()) == pytest.approx(expected, abs=1e-12)
    assert expected_maximum_profit(_LEFT, np.exp(_SCORE), Economics()) == pytest.approx(expected, abs=1e-12)
