"""Contributions must be TreeSHAP to the value, not only add up: each case is compared with ``pred_contribs``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from retainstream.ml import contributions as module
from retainstream.ml import tree_patterns
from retainstream.ml.contributions import ContributionError, exact_contributions


@pytest.fixture(autouse=True)
def fast_from_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables must go the fast way too; several chunks, the last one short."""
    monkeypatch.setattr(module, "_DIRECT_ROWS", 2)
    monkeypatch.setattr(module, "_CHUNK_ROWS", 1_000)
    monkeypatch.setattr(tree_patterns, "_CHUNK_ROWS", 1_000)


def made_data(kind: str, rows: int = 2_300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 7)).astype(np.float32)
    if kind == "integers":
        matrix = rng.integers(-3, 40, size=matrix.shape).astype(np.float32)
    elif kind == "coarse":
        matrix = np.round(matrix, 1)
    score = np.nan_to_num(matrix[:, 0] - 0.6 * matrix[:, 1] * np.sign(matrix[:, 2]))
    y = (score + rng.normal(size=rows) * score.std() > score.mean()).astype(int)
    if kind == "holes":
        matrix[rng.random(matrix.shape) < 0.25] = np.nan
        matrix[:5] = np.nan
    return matrix, y


def trained(matrix: np.ndarray, y: np.ndarray, rounds: int = 25, **params: Any) -> xgb.Booster:
    settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.3, "nthread": 1, "seed": 1} | params
    return xgb.train(settings, xgb.DMatrix(matrix, y), rounds)


def oracle(booster: xgb.Booster, matrix: np.ndarray, **kwargs: Any) -> np.ndarray:
    return booster.predict(xgb.DMatrix(matrix), pred_contribs=True, **kwargs)


def assert_exact(booster: xgb.Booster, matrix: np.ndarray, recomputed: int = 0, **kwargs: Any) -> None:
    found = exact_contributions(booster, matrix, **kwargs)
    expected = oracle(booster, matrix, **kwargs)
    np.testing.assert_allclose(found.values, expected[:, :-1], atol=1e-4, rtol=0)
    np.testing.assert_allclose(found.base, expected[:, -1], atol=1e-4, rtol=0)
    margin = booster.predict(xgb.DMatrix(matrix), output_margin=True, **kwargs)
    np.testing.assert_allclose(found.values.sum(axis=1, dtype=float) + found.base, margin, atol=1e-4, rtol=0)
    assert found.recomputed == recomputed
    assert found.recomputed_share == recomputed / len(matrix)


@pytest.mark.parametrize("depth", [1, 3, 6, 9])
@pytest.mark.parametrize("kind", ["floats", "integers", "coarse", "holes"])
def test_values_equal_pred_contribs(kind: str, depth: int) -> None:
    matrix, y = made_data(kind)
    assert_exact(trained(matrix, y, max_depth=depth), matrix)


@pytest.mark.parametrize("depth", [1, 6])
def test_values_on_a_split_and_one_step_beside_it(depth: int) -> None:
    """The step below a threshold is where the library's own loader goes wrong."""
    matrix, y = made_data("floats")
    booster = trained(matrix, y, max_depth=depth)
    splits = booster.trees_to_dataframe().query("Feature != 'Leaf'")
    rng = np.random.default_rng(3)
    for feature, cuts in splits.groupby("Feature")["Split"]:
        exact = cuts.to_numpy(dtype=np.float32)
        near = np.concatenate([exact, np.nextafter(exact, np.float32(-9)), np.nextafter(exact, np.float32(9))])
        column = int(str(feature)[1:])
        chosen = rng.random(len(matrix)) < 0.7
        matrix[chosen, column] = rng.choice(near, chosen.sum())
    assert_exact(booster, matrix)


def test_large_integers_beyond_float32() -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(2**24, 2**24 + 400, size=(1_500, 3)).astype(np.float64)
    y = (values[:, 0] + rng.normal(size=1_500) * 30 > 2**24 + 200).astype(int)
    assert_exact(trained(values, y), values)


def test_constant_booster_has_no_contributions() -> None:
    matrix, _ = made_data("floats")
    booster = trained(matrix, np.zeros(len(matrix), dtype=int), base_score=0.3)
    assert_exact(booster, matrix)
    assert not exact_contributions(booster, matrix).values.any()


def test_single_leaf_trees_among_others() -> None:
    matrix, y = made_data("floats", rows=400)
    booster = trained(matrix, y, rounds=60, gamma=6.0)
    sizes = booster.trees_to_dataframe().groupby("Tree").size()
    assert sizes.min() == 1 < sizes.max()
    assert_exact(booster, matrix)


@pytest.mark.parametrize("base_score", [0.02, 0.5, 0.9])
def test_base_score_is_in_the_base(base_score: float) -> None:
    matrix, y = made_data("holes")
    assert_exact(trained(matrix, y, base_score=base_score), matrix)


def test_early_stopping_and_ranges_of_rounds() -> None:
    matrix, y = made_data("floats")
    halves = xgb.DMatrix(matrix[:1200], y[:1200]), xgb.DMatrix(matrix[1200:], y[1200:])
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 5, "eta": 0.5, "nthread": 1},
        halves[0],
        200,
        evals=[(halves[1], "later")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    assert_exact(booster, matrix)  # all rounds, as Booster.predict does
    assert_exact(booster, matrix, iteration_range=(0, booster.best_iteration + 1))
    assert_exact(booster[: booster.best_iteration + 1], matrix)


def test_reloaded_booster_with_names_and_pruned_trees() -> None:
    matrix, y = made_data("holes")
    names = [f"feature {i}" for i in range(7)]
    settings = {"objective": "binary:logistic", "gamma": 1.0, "tree_method": "exact", "nthread": 1}
    booster = xgb.train(settings, xgb.DMatrix(matrix, y, feature_names=names), 20)
    again = xgb.Booster(model_file=booster.save_raw("ubj"))
    found = exact_contributions(again, matrix)
    expected = booster.predict(xgb.DMatrix(matrix, feature_names=names), pred_contribs=True)
    np.testing.assert_allclose(found.values, expected[:, :-1], atol=1e-4, rtol=0)
    assert found.recomputed == 0


def test_few_rows_and_no_row() -> None:
    matrix, y = made_data("holes")
    booster = trained(matrix, y)
    assert_exact(booster, matrix[:1])
    empty = exact_contributions(booster, matrix[:0])
    assert empty.values.shape == (0, 7)
    assert empty.recomputed_share == 0.0


def test_categorical_booster_is_explained_directly() -> None:
    matrix, y = made_data("integers")
    matrix = np.abs(matrix)
    data = xgb.DMatrix(matrix, y, feature_types=["c"] + ["q"] * 6, enable_categorical=True)
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, data, 10)
    found = exact_contributions(booster, matrix)
    np.testing.assert_allclose(found.values, booster.predict(data, pred_contribs=True)[:, :-1], atol=1e-4, rtol=0)


def test_rows_that_do_not_add_up_are_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, y = made_data("floats")
    booster = trained(matrix, y)
    fast = module.pattern_values
    sample = module._sample_rows(matrix)
    damaged = np.setdiff1d(np.arange(len(matrix)), sample)[[3, 400, -1]]

    def misrouted(trees: list[Any], rows: np.ndarray) -> np.ndarray:
        values = fast(trees, rows)
        values[damaged, 2] += [0.5, -0.01, np.nan]
        return values

    monkeypatch.setattr(module, "pattern_values", misrouted)
    assert_exact(booster, matrix, recomputed=3)


def test_wrong_values_that_add_up_are_caught_by_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, y = made_data("floats")
    booster = trained(matrix, y)
    fast = module.pattern_values
    monkeypatch.setattr(module, "pattern_values", lambda trees, rows: np.roll(fast(trees, rows), 1, axis=1))
    assert_exact(booster, matrix, recomputed=len(matrix))


def test_margin_of_another_model_is_refused() -> None:
    matrix, y = made_data("floats")
    booster, other = trained(matrix, y), trained(matrix, y, rounds=5)
    margin = other.predict(xgb.DMatrix(matrix), output_margin=True)
    with pytest.raises(ContributionError, match="do not add up"):
        exact_contributions(booster, matrix[:200], margin=margin[:200])
    with pytest.raises(ValueError, match="margins"):
        exact_contributions(booster, matrix, margin=margin[:-1])
    with pytest.raises(ValueError, match="7 columns"):
        exact_contributions(booster, matrix[:, :6])


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    matrix, y = made_data("floats")
    exact_contributions(trained(matrix, y), matrix)
    assert capfd.readouterr() == ("", "")


def test_same_values_twice() -> None:
    matrix, y = made_data("holes")
    booster = trained(matrix, y)
    np.testing.assert_array_equal(
        exact_contributions(booster, matrix).values, exact_contributions(booster, matrix).values
    )
