"""Reasons: ranked right, said plainly, and the same whether made at once or from the stored form."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.features import FeatureSpec
from retainstream.ml.wording import (
    Reason,
    compact_reasons,
    correlation_groups,
    expand_reasons,
    reference_values,
    top_reasons,
)

SPECS = [
    FeatureSpec("last_login_days", "integer", "Days since last log-in", unit="days"),
    FeatureSpec("price", "number", "Monthly price", unit="$"),
    FeatureSpec("contract", "category", "Contract"),
    FeatureSpec("senior", "boolean", "Senior citizen"),
    FeatureSpec(
        "watch", "number", "Watch time", unit="hours", wording_up="Watches much", wording_down="Watches little"
    ),
]
TYPICAL = {"last_login_days": 3.0, "price": 70.35, "contract": "Two year", "senior": False, "watch": 12.0}
ROW = {"last_login_days": 19, "price": 99.5, "contract": "Month-to-month", "senior": 1, "watch": 1.0}


def sentences(row: dict[str, Any], contributions: list[float], **kwargs: Any) -> list[str]:
    frame = pd.DataFrame([row], columns=[spec.name for spec in SPECS])
    kwargs = {"reference": TYPICAL} | kwargs
    return [reason.sentence for reason in top_reasons(frame, np.array([contributions]), SPECS, **kwargs)[0]]


def test_says_what_the_model_saw_direction_and_share() -> None:
    assert sentences(ROW, [0.31, -0.25, 0.2, -0.14, 0.1]) == [
        "Days since last log-in is 19 (usually about 3): raises the score, 31% of the total.",
        "Monthly price is $99.50 (usually about $70.35): lowers the score, 25% of the total.",
        "Contract is Month-to-month (usually Two year): raises the score, 20% of the total.",
        "Senior citizen is yes (usually no): lowers the score, 14% of the total.",
        "Watches little (1 hour, usually about 12 hours): raises the score, 10% of the total.",
    ]


def test_reason_holds_the_figures_as_json() -> None:
    frame = pd.DataFrame([ROW])
    first, *_, last = top_reasons(frame, np.array([[0.31, -0.25, 0.2, -0.14, 0.1]]), SPECS, reference=TYPICAL)[0]
    assert (first.feature, first.title, first.value) == ("last_login_days", "Days since last log-in", 19)
    assert (first.direction, first.share, first.contribution) == ("raises", 0.31, 0.31)
    assert last.feature == "watch"
    assert json.loads(json.dumps(first.to_dict()))["sentence"] == first.sentence
    assert list(first.to_dict().items()) == list(asdict(first).items())


@pytest.mark.parametrize("blank", [None, np.nan, pd.NA, pd.NaT, "", "  "])
@pytest.mark.parametrize("place", range(5))
def test_missing_values_are_blank(place: int, blank: object) -> None:
    row = {**ROW, SPECS[place].name: blank}
    contributions = [0.0] * 5
    contributions[place] = 0.4
    (said,) = sentences(row, contributions)
    assert said.startswith(f"{SPECS[place].title} is blank (usually ")
    assert said.endswith("raises the score, 100% of the total.")


def test_missing_and_text_in_a_number_column() -> None:
    (said,) = sentences({**ROW, "price": "n/a"}, [0, 1, 0, 0, 0])
    assert said.startswith("Monthly price is blank (usually about $70.35)")
    (said,) = sentences({**ROW, "senior": "Yes"}, [0, 0, 0, 1, 0])
    assert said.startswith("Senior citizen is yes (usually no)")


def test_usual_values_and_no_reference() -> None:
    (said,) = sentences({**ROW, "last_login_days": 3}, [1, 0, 0, 0, 0])
    assert said == "Days since last log-in is 3 (like most): raises the score, 100% of the total."
    (said,) = sentences(ROW, [0, 0, 1, 0, 0], reference=None)
    assert said == "Contract is Month-to-month: raises the score, 100% of the total."
    (said,) = sentences({**ROW, "watch": 30}, [0, 0, 0, 0, -1])
    assert said == "Watches much (30 hours, usually about 12 hours): lowers the score, 100% of the total."


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1234567.891, None, "1,234,568"),
        (108.24, None, "108.2"),
        (70.3499, None, "70.35"),
        (2.0, None, "2"),
        (0.012345, None, "0.0123"),
        (0.0, None, "0"),
        (-3.5, "€", "-€3.50"),
        (1500.5, "€", "€1,500"),
        (12.0, "€", "€12"),
        (45.2, "%", "45.2%"),
        (1.0, "months", "1 month"),
        (8.0, "GB", "8 GB"),
        (8.0, "usage", "8"),
    ],
)
def test_numbers_are_rounded_as_a_reader_would(value: float, unit: str | None, said: str) -> None:
    spec = FeatureSpec("x", "number", "Usage", unit=unit)
    reason = top_reasons(pd.DataFrame({"x": [value]}), np.array([[1.0]]), [spec])[0][0]
    assert reason.sentence.startswith(f"Usage is {said}: raises")
    assert reason.value == value


def test_small_shares_and_long_texts() -> None:
    said = sentences({**ROW, "contract": "long\n text " * 30}, [1.0, 0, 0.004, 0, 0])
    assert said[0].endswith("100% of the total.")
    assert "less than 1% of the total" in said[1]
    assert len(said[1]) < 150
    assert "\n" not in said[1]


def test_correlated_features_are_added_before_ranking() -> None:
    contributions = [0.2, 0.5, 0.3, -0.35, 0.0]
    groups = [[0, 2], [3, 4]]
    frame = pd.DataFrame([ROW])
    first, second, third = top_reasons(frame, np.array([contributions]), SPECS, groups=groups, reference=TYPICAL)[0]
    assert (first.feature, second.feature, third.feature) == ("contract", "price", "senior")  # a tie: first group first
    by_name = {reason.feature: reason for reason in (first, second, third)}
    assert by_name["contract"].contribution == pytest.approx(0.5)
    assert by_name["contract"].sentence == (
        "Contract is Month-to-month (usually Two year), together with related features: "
        "raises the score, 37% of the total."
    )
    assert "related" not in by_name["price"].sentence
    assert sum(reason.share for reason in by_name.values()) == pytest.approx(1.0, abs=1e-3)


def test_the_member_that_names_a_group_pulls_its_way() -> None:
    frame = pd.DataFrame([ROW])
    (only,) = top_reasons(frame, np.array([[-0.4, 0.3, 0.3, 0, 0]]), SPECS, groups=[[0, 1, 2]])[0]
    assert (only.feature, only.direction, only.contribution) == ("price", "raises", pytest.approx(0.2))


@pytest.mark.parametrize("groups", [[[0, 1], [1, 2]], [[0, 9]], [[-1]]])
def test_groups_that_do_not_fit_are_refused(groups: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="group"):
        compact_reasons(np.ones((1, 5)), groups=groups)


def test_shapes_that_do_not_fit_are_refused() -> None:
    frame = pd.DataFrame([ROW])
    with pytest.raises(ValueError, match="5 features"):
        top_reasons(frame, np.ones((1, 4)), SPECS)
    with pytest.raises(ValueError, match="one row"):
        top_reasons(pd.concat([frame, frame]), np.ones((1, 5)), SPECS)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.floats(-5, 5, width=32), min_size=5, max_size=5), min_size=1, max_size=6),
    st.sampled_from([None, [[0, 4]], [[1, 2, 3]], [[0, 1], [2, 3]]]),
    st.integers(1, 6),
)
def test_stored_form_gives_the_same_reasons(rows: list[list[float]], groups: Any, top: int) -> None:
    matrix = np.array(rows)
    frame = pd.DataFrame([ROW, {**ROW, "price": None, "contract": "One year"}] * 3).head(len(rows))
    at_once = top_reasons(frame, matrix, SPECS, groups=groups, reference=TYPICAL, top=top)
    stored = compact_reasons(matrix, groups=groups, top=top)
    values = frame.to_dict("records")
    assert [expand_reasons(text, row, SPECS, TYPICAL) for text, row in zip(stored, values, strict=True)] == at_once
    for reasons in at_once:
        assert len(reasons) <= top
        sizes = [abs(reason.contribution) for reason in reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(reason.share for reason in reasons) <= 1.001
        assert all((reason.direction == "raises") == (reason.contribution > 0) for reason in reasons)
        assert not any("because" in reason.sentence.lower() for reason in reasons)


def test_stored_form_is_small_and_checked() -> None:
    (text,) = compact_reasons(np.array([[0.31, -0.25, 0.2, 0, 0]]), groups=[[0, 3]], top=2)
    assert text == "[[0,0.31,0.4079,1],[1,-0.25,0.3289]]"
    assert len(expand_reasons(text.encode(), ROW, SPECS)) == 2
    for damaged in ("", "{", "[1]", "[[9,1,1]]", "[[-1,1,1]]", "[[0]]", '[["a",1,1]]', "null"):
        with pytest.raises(ValueError, match="do not belong"):
            expand_reasons(damaged, ROW, SPECS)
    assert expand_reasons("[]", ROW, SPECS) == []


def test_nothing_added_gives_no_reason() -> None:
    frame = pd.DataFrame([ROW])
    assert top_reasons(frame, np.zeros((1, 5)), SPECS) == [[]]
    assert top_reasons(frame.head(0), np.zeros((0, 5)), SPECS) == []


def test_reference_values_are_typical_and_json() -> None:
    frame = pd.DataFrame(
        {
            "last_login_days": [1, 2, 9, None],
            "price": ["10.5", "bad", "20.5", None],
            "contract": ["b", "a", "a ", "b"],
            "senior": [0, 1, 1, None],
            "watch": [None] * 4,
        }
    )
    found = reference_values(frame, SPECS)
    assert found == {"last_login_days": 2.0, "price": 15.5, "contract": "a", "senior": True, "watch": None}
    assert json.loads(json.dumps(found)) == found


def test_correlation_groups_find_copies_but_not_chains() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=3_000)
    columns = [base, rng.normal(size=3_000), -np.exp(base), np.zeros(3_000), np.full(3_000, np.nan)]
    matrix = np.column_stack(columns)
    matrix[rng.random(3_000) < 0.02, 0] = np.nan
    assert correlation_groups(matrix) == [[0, 2], [1], [3], [4]]
    chain = np.column_stack([base + rng.normal(size=3_000) * 0.0, base + 0.4 * columns[1], base + 0.85 * columns[1]])
    groups = correlation_groups(chain, threshold=0.9)
    assert sorted(map(len, groups)) == [1, 2]
    assert correlation_groups(matrix[:, :1]) == [[0]]
    assert correlation_groups(matrix, sample=500) == correlation_groups(matrix, sample=500)


def test_reasons_are_values() -> None:
    made = Reason("a", "A", 1, "raises", 0.5, 0.2, "A is 1.", "A is 1")
    assert made == Reason("a", "A", 1, "raises", 0.5, 0.2, "A is 1.", "A is 1")
    with pytest.raises(AttributeError):
        made.share = 0.1  # type: ignore[misc]
