"""One booster in place of K explains exactly what the K explain on average."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from retainstream.ml import ChurnPredictor
from retainstream.ml.contributions import ContributionError
from retainstream.ml.merged import MergedBooster

ROWS, WIDTH = 400, 6


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
    matrix[:, 3] = rng.integers(0, 4, ROWS)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    y = (np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 3]) * 0.5 + rng.normal(size=ROWS) > 0.8).astype(int)
    return matrix, y


def grown(table, rounds, *, seed=0, **parameters):
    matrix, y = table
    rows = np.random.default_rng(seed).permutation(ROWS)[:300]
    settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "seed": seed, "nthread": 1, **parameters}
    return xgboost.train(settings, xgboost.QuantileDMatrix(matrix[rows], label=y[rows]), rounds)


def means(boosters, matrices):
    """Mean margin, contributions and base of boosters that each read a matrix of their own."""
    found = [b.predict(xgboost.DMatrix(m), pred_contribs=True) for b, m in zip(boosters, matrices, strict=True)]
    margin = np.mean(
        [b.inplace_predict(m, predict_type="margin") for b, m in zip(boosters, matrices, strict=True)], axis=0
    )
    mean = np.mean(found, axis=0)
    return margin.astype(np.float64), mean[:, :-1], mean[:, -1]


def assert_same(boosters, matrices):
    margin, values, base = means(boosters, matrices)
    merged = MergedBooster.of(boosters)
    assert merged is not None
    found = merged.contributions(matrices, margin)
    assert found.values == pytest.approx(values, abs=1e-5)
    assert found.base == pytest.approx(base, abs=1e-5)
    assert found.base + found.values.sum(axis=1) == pytest.approx(margin, abs=1e-5)
    return found


def test_boosters_that_read_different_copies_of_a_row(table):
    boosters = [grown(table, 40 + 10 * j, seed=j) for j in range(5)]
    matrices = []
    for j in range(5):
        copy = table[0][:50].copy()
        copy[:, 3] = (copy[:, 3] + j) % 4  # an order of the categories of its own
        matrices.append(copy)
    found = assert_same(boosters, matrices)
    assert np.abs(found.values).max() > 0.1


def test_a_row_on_a_split_and_a_row_of_missing_values(table):
    boosters = [grown(table, 30, seed=j) for j in range(3)]
    cuts = boosters[0].trees_to_dataframe().dropna(subset=["Split"])
    rows = np.full((len(cuts) + 1, WIDTH), np.nan, dtype=np.float32)  # the last one is missing throughout
    for i, (name, cut) in enumerate(zip(cuts["Feature"], cuts["Split"], strict=True)):
        rows[i, int(name[1:])] = cut
    assert_same(boosters, [rows] * 3)


def test_boosters_of_constant_trees(table):
    constant = [grown(table, 5, seed=j, min_child_weight=10_000) for j in range(2)]
    assert_same([*constant, grown(table, 20, seed=9)], [table[0][:20]] * 3)
    assert not np.any(assert_same(constant, [table[0][:20]] * 2).values)


def test_a_booster_that_was_stopped_early(table):
    matrix, y = table
    stopped = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.8, "nthread": 1},
        xgboost.DMatrix(matrix[:200], label=y[:200]),
        80,
        evals=[(xgboost.DMatrix(matrix[200:], label=y[200:]), "held")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert stopped.best_iteration + 1 < stopped.num_boosted_rounds()
    assert_same([stopped, grown(table, 30)], [matrix[:30]] * 2)
    best = stopped[: stopped.best_iteration + 1]
    assert_same([best, grown(table, 30)], [matrix[:30]] * 2)


@pytest.mark.parametrize("rate", [1e-6, 0.5, 1 - 1e-6])
def test_a_base_far_from_one_half(table, rate):
    assert_same([grown(table, 5, seed=j, base_score=rate) for j in range(2)], [table[0][:20]] * 2)


def test_forests_in_a_round(table):
    assert_same([grown(table, 5, seed=j, num_parallel_tree=3, subsample=0.5) for j in range(2)], [table[0][:20]] * 2)


def test_what_is_not_merged(table):
    plain = grown(table, 5)
    assert MergedBooster.of([plain]) is None
    assert MergedBooster.of([plain, grown(table, 5, booster="dart", rate_drop=0.1)]) is None
    assert MergedBooster.of([plain, grown(table, 5, objective="reg:squarederror")]) is None
    assert MergedBooster.of([plain, grown((table[0][:, :4], table[1]), 5)]) is None


def test_contributions_that_do_not_add_up_are_refused(table):
    boosters = [grown(table, 10, seed=j) for j in range(2)]
    margin, _, _ = means(boosters, [table[0][:1]] * 2)
    merged = MergedBooster.of(boosters)
    with pytest.raises(ContributionError):
        merged.contributions([table[0][:1]] * 2, margin + 0.01)


def test_every_new_row_is_explained_as_in_a_table(model, features_of):
    rows = features_of.head(60).copy()
    rows.loc[rows.index[:5], "plan"] = "Gold"  # not seen in training
    batch = model.score_rows(rows)
    for i, (_, row) in enumerate(rows.iterrows()):
        one = model.score_one(row.to_dict())
        assert one.margin == batch.margin[i]
        assert list(one.contributions.values()) == pytest.approx(batch.contributions.values[i].tolist(), abs=1e-5)
        assert one.base == pytest.approx(batch.contributions.base[i], abs=1e-5)
        assert [reason.sentence for reason in one.reasons] == [reason.sentence for reason in batch.reasons[i]]


def test_a_model_with_two_boosters_and_constant_features(streaming):
    frame = streaming[["watch_time_hours"]].assign(always=1.0)
    small = ChurnPredictor(tune=False, n_estimators=5, folds=2, repeats=1).fit(frame, streaming["churn"])
    one = small.score_one({"watch_time_hours": 3.0, "always": 1.0})
    assert one.base + sum(one.contributions.values()) == pytest.approx(one.margin, abs=1e-5)
