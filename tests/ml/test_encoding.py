"""The frozen encoder: what counts as missing, what is said about it, and that a row never meets its own label."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.encoding import FEW_LEVELS, CategoryEncoder, category_text, number_of
from retainstream.ml.features import FeatureSpec, feature_set_hash, infer_features

SPECS = [
    FeatureSpec("plan", "category", "Plan"),
    FeatureSpec("hours", "number", "Hours"),
    FeatureSpec("auto", "boolean", "Auto"),
]


def frame_of(plans: list, hours: list, autos: list) -> pd.DataFrame:
    return pd.DataFrame({"plan": plans, "hours": hours, "auto": autos}, dtype=object)


def fitted(frame: pd.DataFrame, y: list[int]) -> CategoryEncoder:
    encoder = CategoryEncoder(SPECS).fit_levels(frame)
    encoder.add_order(encoder.base(frame), np.asarray(y))
    return encoder


def test_levels_are_ordered_by_the_churn_rate_of_the_booster_s_own_rows():
    plans = ["a"] * 40 + ["b"] * 40 + ["c"] * 40
    y = [1] * 30 + [0] * 10 + [0] * 40 + [1] * 10 + [0] * 30
    frame = frame_of(plans, [1.0] * 120, [0] * 120)
    encoder = fitted(frame, y)
    codes = encoder.matrix(encoder.base(frame), 0)[:, 0]
    assert codes[40] < codes[80] < codes[0]
    assert set(codes.tolist()) == {0.0, 1.0, 2.0}


def test_a_held_out_label_changes_no_code_of_the_booster_that_did_not_see_it():
    rng = np.random.default_rng(1)
    frame = frame_of(list(rng.choice(list("abcd"), 200)), [0.5] * 200, [1] * 200)
    y = rng.integers(0, 2, 200)
    held = np.arange(200) < 50
    flipped = np.where(held, 1 - y, y)
    matrices = []
    for labels in (y, flipped):
        encoder = CategoryEncoder(SPECS).fit_levels(frame)
        base = encoder.base(frame)
        encoder.add_order(base[~held], labels[~held])
        matrices.append(encoder.matrix(base, 0))
    assert np.array_equal(matrices[0], matrices[1], equal_nan=True)


def test_many_levels_are_ordered_by_frequency_without_labels():
    levels = [f"s{i:02d}" for i in range(FEW_LEVELS + 4)]
    plans = [level for i, level in enumerate(levels) for _ in range(i + 1)]
    n = len(plans)
    rng = np.random.default_rng(0)
    codes = []
    for y in (rng.integers(0, 2, n), rng.integers(0, 2, n)):
        frame = frame_of(plans, [0.0] * n, [0] * n)
        encoder = fitted(frame, list(y))
        codes.append(encoder.matrix(encoder.base(frame), 0)[:, 0])
    assert np.array_equal(codes[0], codes[1])
    assert codes[0][-1] == 0
    assert codes[0][0] == len(levels) - 1


def test_unseen_missing_and_unreadable_values_become_missing_and_are_named():
    encoder = fitted(frame_of(["a", "b"] * 5, [1.0, 2.0] * 5, [0, 1] * 5), [0, 1] * 5)
    values = {"plan": "Gold", "hours": "soon", "auto": None}
    base = encoder.base_row(values)
    assert np.isnan(base).all()
    notices = {notice.feature: notice for notice in encoder.notices(values, base[0])}
    assert {name: notice.kind for name, notice in notices.items()} == {
        "plan": "unseen", "hours": "not_a_number", "auto": "missing",
    }  # fmt: skip
    assert "'Gold'" in notices["plan"].sentence
    assert (
        encoder.notices({"plan": "a", "hours": 3, "auto": 1}, encoder.base_row({"plan": "a", "hours": 3, "auto": 1})[0])
        == ()
    )


def test_a_level_that_only_the_judged_fold_has_is_missing_for_that_booster():
    frame = frame_of(["a"] * 10 + ["rare"], [1.0] * 11, [0] * 11)
    encoder = CategoryEncoder(SPECS).fit_levels(frame)
    base = encoder.base(frame)
    encoder.add_order(base[:10], np.array([0, 1] * 5))
    assert np.isnan(encoder.matrix(base, 0)[10, 0])


def test_whole_numbers_stay_exact():
    wholes = [0, 1, -7, 2**24 - 1, 123456]
    encoder = fitted(frame_of(["a"] * 5, wholes, [0] * 5), [0, 1, 0, 1, 0])
    assert encoder.base(frame_of(["a"] * 5, wholes, [0] * 5))[:, 1].tolist() == [float(w) for w in wholes]


@pytest.mark.parametrize(
    ("raw", "number"),
    [("12.5", 12.5), (" 3 ", 3.0), ("Yes", 1.0), ("no", 0.0), (True, 1.0), ("", np.nan), ("n/a", np.nan), (None, np.nan),
     (float("inf"), np.nan), ("1e400", np.nan)],
)  # fmt: skip
def test_single_numbers(raw, number):
    assert number_of(raw) == number or (np.isnan(number) and np.isnan(number_of(raw)))


@given(
    plans=st.lists(st.one_of(st.none(), st.sampled_from(["x", " y ", "z", "", 3, 3.0, "3"])), min_size=4, max_size=30),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_one_row_reads_like_a_table_and_survives_json(plans, data):
    n = len(plans)
    hours = data.draw(st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.just("7")), min_size=n, max_size=n))
    autos = data.draw(st.lists(st.sampled_from([None, 0, 1, True, "Yes"]), min_size=n, max_size=n))
    frame = frame_of(plans, hours, autos)
    encoder = fitted(frame, [i % 2 for i in range(n)])
    again = CategoryEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    base = encoder.base(frame)
    for i in range(n):
        row = {"plan": plans[i], "hours": hours[i], "auto": autos[i]}
        assert np.array_equal(again.base_row(row)[0], base[i], equal_nan=True)
    assert np.array_equal(again.matrix(base, 0), encoder.matrix(base, 0), equal_nan=True)


def test_texts_are_trimmed_and_whole_floats_lose_their_point():
    assert [category_text(v) for v in (" a ", 3.0, 3, "", None, float("nan"), True)] == [
        "a",
        "3",
        "3",
        None,
        None,
        None,
        "True",
    ]


def test_kinds_are_guessed_and_the_hash_of_a_set_tells_sets_apart():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [0, 1], "c": [1.0, 5.0], "d": [0.5, 1.0], "e": [True, False]})
    specs = infer_features(frame)
    assert [spec.kind for spec in specs] == ["category", "boolean", "integer", "number", "boolean"]
    assert feature_set_hash(specs) == feature_set_hash([FeatureSpec.from_dict(spec.to_dict()) for spec in specs])
    assert feature_set_hash(specs) != feature_set_hash(specs[::-1])
