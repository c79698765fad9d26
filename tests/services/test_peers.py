"""Where a value stands among others, and what a typed value of a what-if means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.errors import InvalidInput
from retainstream.ml.drift_reference import drift_reference
from retainstream.ml.features import FeatureSpec
from retainstream.services import peers, what_if

NUMBER = FeatureSpec("hours", "number", "Hours")


def spread_of(values: list[float]) -> dict[str, object]:
    """Return the spread as a training freezes it."""
    base = np.array([[value] for value in values], dtype=np.float32)
    made = drift_reference(base, np.zeros(len(values)), [NUMBER], {}, np.random.default_rng(0))
    return dict(made["features"]["hours"])


def test_a_value_stands_where_its_rank_is() -> None:
    spread = spread_of([float(number) for number in range(1000)])
    for value in (5.0, 150.0, 499.0, 820.0, 990.0):
        place = peers.standing(spread, value)
        assert place is not None
        assert place.below == pytest.approx(value / 1000, abs=0.051)
        assert place.same == pytest.approx(0.1, abs=0.01)


def test_those_with_the_same_value_count_as_equals() -> None:
    spread = spread_of([0.0] * 90 + [1.0, 2.0, 3.0, 4.0, 5.0] * 2)
    place = peers.standing(spread, 0)
    assert place == peers.Standing(pytest.approx(0.45), pytest.approx(0.9))
    assert peers.standing(spread, None) == peers.Standing(None, 0.0)


def test_missing_and_categories_have_no_order() -> None:
    spread = {"levels": ["a", "b"], "counts": [60, 30, 0, 10]}
    assert peers.standing(spread, "b") == peers.Standing(None, 0.3)
    assert peers.standing(spread, None) == peers.Standing(None, 0.1)
    assert peers.standing(spread, "never seen") == peers.Standing(None, 0.0)
    assert peers.standing({"edges": [], "counts": [0, 0]}, 1.0) is None
    assert peers.standing(spread_of([1.0, 2.0]), "text") is None


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60), st.floats(-2e6, 2e6), st.floats(-2e6, 2e6))
def test_a_larger_value_never_stands_lower(values: list[float], one: float, other: float) -> None:
    spread = spread_of(values)
    low, high = (peers.standing(spread, value) for value in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low.below is not None
    assert high.below is not None
    assert 0.0 <= low.below <= high.below + 1e-9 <= 1.0 + 1e-9


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", " 1,250.5 ", 1250.5),
        ("integer", "7", 7),
        ("number", "", None),
        ("boolean", "Yes", True),
        ("boolean", "no", False),
        ("category", "Gold", "Gold"),
        ("category", " ", None),
    ],
)
def test_typed_values_are_read(kind: str, text: str, value: object) -> None:
    assert what_if.read_value(FeatureSpec("f", kind, "F"), text) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("number", "many"), ("number", "nan"), ("number", "1e999"), ("boolean", "maybe"), ("category", "x" * 201)],
)
def test_what_is_no_value_is_said(kind: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="takes"):
        what_if.read_value(FeatureSpec("f", kind, "F"), text)  # type: ignore[arg-type]
