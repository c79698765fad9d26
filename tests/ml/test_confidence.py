"""Venn-Abers intervals against their definition (two isotonic regressions) and against the venn_abers package."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from venn_abers.venn_abers import calc_p0p1, calc_probs

from retainstream.ml.confidence import VennAbers, confidence, hull, shown


def made_rows(rows: int, decimals: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    margins = rng.normal(-1.0, 1.5, rows)
    margins = margins if decimals is None else margins.round(decimals)
    return margins, (rng.random(rows) < 1 / (1 + np.exp(-margins))).astype(int)


def by_definition(margins: np.ndarray, y: np.ndarray, at: float, label: int) -> float:
    model = IsotonicRegression(y_min=0, y_max=1)
    return float(model.fit([*margins, at], [*y, label]).predict([at])[0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the package divides by zero on its way
@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("rows", [1, 2, 7, 60, 1_500])
def test_equals_the_venn_abers_package(rows: int, decimals: int | None) -> None:
    margins, y = made_rows(rows, decimals, seed=rows)
    points = np.concatenate([np.linspace(-9, 9, 301), margins, np.nextafter(margins, 9), [-np.inf, np.inf]])
    _, expected = calc_probs(*calc_p0p1(np.c_[-margins, margins], y), np.c_[-points, points])
    p0, p1 = VennAbers.fit(margins, y).interval(points)
    np.testing.assert_allclose(p0, expected[:, 0], atol=1e-6, rtol=0)
    np.testing.assert_allclose(p1, expected[:, 1], atol=1e-6, rtol=0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 1)), min_size=1, max_size=25),
    st.integers(-14, 14).map(lambda half: half / 2),
)
def test_equals_the_definition(rows: list[tuple[int, int]], at: float) -> None:
    margins, y = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    p0, p1 = VennAbers.fit(margins, y).single(at)
    assert p0 == pytest.approx(by_definition(margins, y, at, 0), abs=1e-9)
    assert p1 == pytest.approx(by_definition(margins, y, at, 1), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.integers(0, 1)), min_size=1, max_size=60),
    st.lists(st.floats(-60, 60), min_size=1, max_size=30),
)
def test_ordered_and_rising_to_the_bit(rows: list[tuple[float, int]], at: list[float]) -> None:
    fitted = VennAbers.fit([row[0] for row in rows], [row[1] for row in rows])
    points = np.sort(np.array([*at, *(row[0] for row in rows)]))
    p0, p1 = fitted.interval(points)
    assert np.all((p0 >= 0) & (p0 <= p1) & (p1 <= 1))
    assert np.all(np.diff(p0) >= 0)
    assert np.all(np.diff(p1) >= 0)
    sure = confidence(p0, p1)
    assert np.all((sure >= 0) & (sure <= 1))


def test_single_and_saved_form_give_the_same_numbers() -> None:
    margins, y = made_rows(4_000, 3, seed=1)
    fitted = VennAbers.fit(margins, y)
    points = np.concatenate([margins[:300], np.linspace(-8, 8, 200), [np.nan]])
    p0, p1 = fitted.interval(points)
    np.testing.assert_array_equal([fitted.single(float(point)) for point in points], np.c_[p0, p1])
    again = VennAbers.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.interval(points), (p0, p1))
    assert again.rows == 4_000


def test_saved_form_keeps_steps_not_rows() -> None:
    margins, y = made_rows(20_000, None, seed=2)
    fitted = VennAbers.fit(margins, y)
    assert len(fitted.low) + len(fitted.high) < 1_000


def test_more_rows_more_confidence() -> None:
    few, many = (VennAbers.fit(*made_rows(rows, None, seed=3)) for rows in (60, 6_000))
    points = np.linspace(-3, 1, 50)
    assert confidence(*many.interval(points)).mean() > confidence(*few.interval(points)).mean() + 0.05


def test_one_class_only_is_wide_but_served() -> None:
    p0, p1 = VennAbers.fit([0.0, 1.0, 2.0], [0, 0, 0]).interval([-1.0, 1.0, 3.0])
    np.testing.assert_array_equal(p0, [0, 0, 0])
    np.testing.assert_allclose(p1, [1 / 4, 1 / 3, 1.0])


@pytest.mark.parametrize(
    ("margins", "y", "words"),
    [
        ([], [], "one length"),
        ([0.0, 1.0], [1], "one length"),
        ([0.0, float("nan")], [0, 1], "finite"),
        ([0.0, float("inf")], [0, 1], "finite"),
        ([0.0, 1.0], [0, 2], "0 or 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(margins: list[float], y: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VennAbers.fit(margins, y)


@pytest.mark.parametrize(
    "change",
    [{"low": None}, {"low": [0.5]}, {"high": [0.9, 0.1]}, {"high": [0.1, 1.5]}, {"high_knots": [float("nan")]}],
)
def test_damaged_saved_form_is_refused(change: dict[str, object]) -> None:
    sound = {"rows": 3, "low_knots": [0.0], "low": [0.1, 0.2], "high_knots": [0.0], "high": [0.3, 0.4]}
    VennAbers.from_dict(sound)
    with pytest.raises(ValueError, match=r"saved intervals"):
        VennAbers.from_dict(sound | change)


probabilities = st.floats(0, 1, allow_subnormal=True)


@given(probabilities, probabilities, probabilities)
def test_the_interval_that_is_shown_holds_the_probability_and_the_pair(one: float, other: float, p: float) -> None:
    p0, p1 = sorted((one, other))
    (low, high), certainty = shown(p0, p1, p)
    assert 0 <= low <= p <= high <= 1
    assert low <= p0 <= p1 <= high
    assert {low, high} <= {p0, p1, p}  # and is no wider than it must be
    assert 0 <= certainty <= 1 and certainty == confidence(low, high)
    assert (low, high) == tuple(float(edge) for edge in hull(p0, p1, p))
    assert shown(p0, p1, None) == (None, None)
