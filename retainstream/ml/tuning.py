"""Choosing XGBoost's parameters: a fixed number of seeded trials on splits of their own, and the boosting itself.

The splits here are not the judged folds: they are dealt with another seed, and the number of trees is read off their
held-out loss, so no judged fold ever stops or steers its own booster. The choice of one configuration among a few dozen
does see all rows. ``bench/ml_reference.py --nested`` measures what that is worth: on telco AUC 0.8489 and log loss 0.4115
when nothing of a row was seen, search included, against the 0.8498 and 0.4107 that the report gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.folds import group_folds

if TYPE_CHECKING:
    import xgboost

MAX_TREES = 1200
_PATIENCE = 40  # rounds without a better held-out loss
_CHECK_EVERY = 10
TUNING_ROWS = 50_000
THREE_SPLITS_ROWS = 12_000  # below, trials average three splits; above, one split is steady enough

# Mild defaults that do well untuned on tables of a few thousand rows; also where every search begins.
DEFAULTS: dict[str, float] = {
    "n_estimators": 300,
    "max_depth": 4,
    "learning_rate": 0.05,
    "min_child_weight": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "reg_lambda": 1.0,
}
_STARTS: tuple[dict[str, float], ...] = (
    {"max_depth": 3, "learning_rate": 0.05, "min_child_weight": 8.0, "subsample": 0.8, "colsample_bytree": 0.6, "reg_lambda": 2.0},
    {"max_depth": 6, "learning_rate": 0.06, "min_child_weight": 1.0, "subsample": 0.8, "colsample_bytree": 0.7, "reg_lambda": 1.0},
    {"max_depth": 2, "learning_rate": 0.10, "min_child_weight": 5.0, "subsample": 0.8, "colsample_bytree": 0.5, "reg_lambda": 1.0},
)  # fmt: skip


@dataclass(frozen=True)
class Split:
    """One inner split: rows to learn from and rows to look at."""

    learn: xgboost.QuantileDMatrix
    look: xgboost.QuantileDMatrix


def booster_parameters(parameters: dict[str, float], n_jobs: int, seed: int) -> dict[str, Any]:
    """Return XGBoost's parameters: histogram method, log loss, no re-weighting of classes, fixed threads and seed."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_depth": int(parameters["max_depth"]),
        "learning_rate": float(parameters["learning_rate"]),
        "min_child_weight": float(parameters["min_child_weight"]),
        "subsample": float(parameters["subsample"]),
        "colsample_bytree": float(parameters["colsample_bytree"]),
        "reg_lambda": float(parameters["reg_lambda"]),
        "nthread": n_jobs,
        "seed": seed,
        "verbosity": 0,
    }


def boost(
    matrix: np.ndarray,
    y: np.ndarray,
    parameters: dict[str, float],
    n_jobs: int,
    seed: int,
    *,
    monotone: Sequence[int] | None = None,
) -> xgboost.Booster:
    """Train one booster.

    Parameters
    ----------
    matrix : float32 array of shape (n, f)
        NaN is missing.
    y : array of shape (n,), 0 to 1
        Labels, or shares.
    parameters : dict
        With the keys of ``DEFAULTS``.
    monotone : sequence of f of -1, 0 or 1, optional
        Where 1, the margin never falls as the feature rises; where -1, it never rises.
    """
    import xgboost

    data = xgboost.QuantileDMatrix(matrix, label=y, nthread=n_jobs)
    settings = booster_parameters(parameters, n_jobs, seed)
    if monotone is not None:
        settings["monotone_constraints"] = tuple(monotone)
    return xgboost.train(settings, data, int(parameters["n_estimators"]))


def tune(
    y: np.ndarray,
    groups: np.ndarray,
    matrices: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    n_trials: int,
    fixed: dict[str, float],
    n_jobs: int,
    seed: int,
    progress: Callable[[float], None],
) -> dict[str, float]:
    """Search parameters with Optuna's TPE (Bergstra et al. 2011), in memory.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    groups : int64 array of shape (n,)
        Copies of a row, kept on one side of a split.
    matrices : callable
        Turns row numbers to learn from and to look at into two encoded matrices.
    n_trials : int >= 1
    fixed : dict
        Parameters that are not searched; ``n_estimators`` here is the most trees a trial may grow.
    n_jobs, seed : int
    progress : callable
        Told the share of trials that is done; may raise to cancel.

    Returns
    -------
    dict
        Keys of ``DEFAULTS``; ``n_estimators`` where the held-out log loss was least.
    """
    pairs = _dealt(y, groups, seed)
    splits = prepare(pairs, y, matrices, n_jobs)
    return search(splits, n_trials=n_trials, fixed=fixed, n_jobs=n_jobs, seed=seed, progress=progress)


def search(
    splits: list[Split],
    *,
    n_trials: int,
    fixed: dict[str, float],
    n_jobs: int,
    seed: int,
    progress: Callable[[float], None],
) -> dict[str, float]:
    """Search parameters on splits that are given; everything else as :func:`tune`."""
    import optuna

    most = int(fixed.get("n_estimators", MAX_TREES))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(len(_STARTS) + 3, n_trials // 3))
        study = optuna.create_study(direction="minimize", sampler=sampler)
        for start in _STARTS:
            study.enqueue_trial({key: value for key, value in start.items() if key not in fixed})

        def objective(trial: optuna.Trial) -> float:
            parameters = {**_suggest(trial, fixed), **fixed}
            loss, trees = _held_out(splits, booster_parameters(parameters, n_jobs, seed), most)
            trial.set_user_attr("parameters", {**parameters, "n_estimators": trees})
            progress((trial.number + 1) / n_trials)
            return loss

        study.optimize(objective, n_trials=n_trials)
    finally:
        optuna.logging.set_verbosity(before)
    best: dict[str, float] = study.best_trial.user_attrs["parameters"]
    return best


def _suggest(trial: Any, fixed: dict[str, float]) -> dict[str, float]:
    searched: dict[str, Callable[[], float]] = {
        "max_depth": lambda: trial.suggest_int("max_depth", 2, 8),
        "learning_rate": lambda: trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "min_child_weight": lambda: trial.suggest_float("min_child_weight", 0.5, 50.0, log=True),
        "subsample": lambda: trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bytree": lambda: trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": lambda: trial.suggest_float("reg_lambda", 0.1, 20.0, log=True),
    }
    return {name: ask() for name, ask in searched.items() if name not in fixed}


def _dealt(y: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows to learn from and to look at of each inner split, groups kept together."""
    rng = np.random.default_rng([seed, 7])
    rows = np.arange(len(y))
    if len(rows) > TUNING_ROWS:
        rows = np.sort(rng.permutation(len(rows))[:TUNING_ROWS])
    parts, looked_at = (3, 3) if len(rows) <= THREE_SPLITS_ROWS else (4, 1)
    groups_here = np.unique(groups[rows], return_inverse=True)[1]
    fold = group_folds(y[rows], groups_here, parts, rng)
    return [(rows[fold != part], rows[fold == part]) for part in range(looked_at)]


def prepare(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    y: np.ndarray,
    matrices: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    n_jobs: int,
) -> list[Split]:
    """Turn pairs of row numbers (to learn from, to look at) into XGBoost's binned matrices."""
    import xgboost

    splits = []
    for learn, look in pairs:
        learn_matrix, look_matrix = matrices(learn, look)
        data = xgboost.QuantileDMatrix(learn_matrix, label=y[learn], nthread=n_jobs)
        splits.append(Split(data, xgboost.QuantileDMatrix(look_matrix, label=y[look], ref=data, nthread=n_jobs)))
    return splits


def _held_out(splits: list[Split], parameters: dict[str, Any], most: int) -> tuple[float, int]:
    """Grow one booster per split side by side; return the least mean held-out log loss and its number of trees."""
    import xgboost

    boosters = [xgboost.Booster(parameters, [split.learn, split.look]) for split in splits]
    best, best_trees, trees = np.inf, 1, 0
    while trees < most and trees - best_trees < _PATIENCE + _CHECK_EVERY:
        for _ in range(min(_CHECK_EVERY, most - trees)):
            for booster, split in zip(boosters, splits, strict=True):
                booster.update(split.learn, trees)
            trees += 1
        loss = np.mean([float(b.eval(s.look).rsplit(":", 1)[1]) for b, s in zip(boosters, splits, strict=True)])
        if loss < best:
            best, best_trees = float(loss), trees
    return best, best_trees
