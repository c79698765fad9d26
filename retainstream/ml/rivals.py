"""The simple rivals that stand beside the model, on the same folds, and columns that seem to give the answer away.

A rival's probabilities are out of fold like the model's. Comparing them is ``training.py``'s work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.features import FeatureSpec, infer_features
from retainstream.ml.folds import group_folds, possible_folds, row_groups
from retainstream.ml.logistic import fit_logistic
from retainstream.ml.report import Giveaway

if TYPE_CHECKING:
    import pandas as pd

RIVAL_ROWS = 50_000
GIVEAWAY_AUC = 0.98
_GIVEAWAY_ROWS = 20_000
_PURE_ROWS = 30  # a value that only churners have counts from so many rows ...
_PURE_SHARE = 0.25  # ... and from this share of all churners
_BINS = 32
_SMOOTHING = 5.0
_LOOKED_AT = 2  # inner folds of each fold that choose the penalty of the logistic regression
_EDGE = 1e-4


@dataclass(frozen=True)
class Rival:
    """Probabilities of one rival for rows that it never saw, shape (n,).

    ``score`` is what ranks the rows, where calibrating made ties or there is a finer order; else the probabilities do.
    """

    name: str
    title: str
    probability: np.ndarray
    feature: str | None = None
    score: np.ndarray | None = None

    @property
    def order(self) -> np.ndarray:
        """What ranks the rows."""
        return self.probability if self.score is None else self.score


def base_rate(y: np.ndarray) -> Rival:
    """Everybody gets the churn rate of all rows: AUC 0.5, and the log loss that a model must beat."""
    return Rival("base_rate", "The same churn rate for everybody", np.full(len(y), float(y.mean())))


def best_single_feature(y: np.ndarray, fold: np.ndarray, base: np.ndarray, specs: Sequence[FeatureSpec]) -> Rival:
    """The one feature with the highest out-of-fold AUC; the pick favours the rival, not the model."""
    best, best_auc, best_probability = 0, -1.0, np.full(len(y), y.mean())
    for j in range(base.shape[1]):
        probability = single_feature(y, fold, base[:, j])
        auc = area_under_roc(y, probability)
        if auc > best_auc:
            best, best_auc, best_probability = j, auc, probability
    spec = specs[best]
    return Rival("best_single_feature", f"Only {spec.title}", best_probability, spec.name)


def single_feature(y: np.ndarray, fold: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Out-of-fold churn rate by one column alone: smoothed rates in up to 32 bins, missing being a bin of its own.

    Any shape of dependence counts, not only a rising one. Probabilities, shape (n,).
    """
    edges = bin_edges(column)
    bins = binned(column, edges)
    probability = np.empty(len(y))
    for k in np.unique(fold):
        held = fold == k
        probability[held] = bin_rates(bins[~held], y[~held], len(edges) + 2)[bins[held]]
    return probability


def bin_edges(column: np.ndarray, bins: int = _BINS) -> np.ndarray:
    """Return rising edges of up to ``bins`` bins of equal count; a column of few values gets one bin for each."""
    known = column[~np.isnan(column)]
    values = np.unique(known)
    return values if len(values) <= bins else np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))


def binned(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return each value's bin, int64 of shape (n,): 0 to ``len(edges)``, and ``len(edges) + 1`` where it is missing."""
    bins = np.searchsorted(edges, column, side="right")
    bins[np.isnan(column)] = len(edges) + 1
    return np.asarray(bins, dtype=np.int64)


def bin_rates(bins: np.ndarray, y: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the churn rate of each bin, smoothed with five rows of the overall rate; shape (n_bins,)."""
    count = np.bincount(bins, minlength=n_bins)
    churned = np.bincount(bins, weights=y, minlength=n_bins)
    return np.asarray((churned + _SMOOTHING * float(y.mean())) / (count + _SMOOTHING))


def area_under_roc(y: np.ndarray, score: np.ndarray) -> float:
    """Return the AUC of a score, ties counting half; NaN when one class is absent."""
    from retainstream.ml.metrics import Ranking

    return float(Ranking(y, score).evaluate(np.ones((1, len(y))))["auc"][0])


def logistic_regression(
    y: np.ndarray, fold: np.ndarray, base: np.ndarray, specs: Sequence[FeatureSpec], seed: int
) -> Rival:
    """Logistic regression as `retainstream.ml.logistic` fits it, out of fold; the other folds, two looked at in turn, choose its penalty.

    Its probabilities stay as they are: folds are dealt at random, and the penalty with the smallest log loss leaves nothing to mend.
    """
    names = np.unique(fold).tolist()
    probability = np.empty(len(y))
    for k in names:
        held, others = fold == k, [j for j in names if j != k]
        own = fold[~held]
        inner = [(np.flatnonzero(own != j), np.flatnonzero(own == j)) for j in others[:_LOOKED_AT] if len(others) > 1]
        probability[held] = fit_logistic(base[~held], y[~held], specs, inner, seed)(base[held])
    return Rival("logistic_regression", "Logistic regression", probability)


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log-odds, kept within those of 0.0001 and 0.9999: a rival that says never would bend its calibration line."""
    p = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(p / (1 - p)))


def suspects(y: np.ndarray, fold: np.ndarray, base: np.ndarray, *, auc_from: float = GIVEAWAY_AUC) -> dict[int, float]:
    """Columns that seem to give the answer away, with their own out-of-fold AUC.

    A column is suspect when alone it reaches an AUC of ``auc_from``, or when one of its values (or its being missing) belongs to
    churners only and covers a quarter of them (at least 30 rows).

    Returns
    -------
    dict of int to float
        Column position to AUC.
    """
    found = {}
    for j in range(base.shape[1]):
        auc = area_under_roc(y, single_feature(y, fold, base[:, j]))
        if auc >= auc_from or _has_pure_value(y, base[:, j]):
            found[j] = auc
    return found


def _has_pure_value(y: np.ndarray, column: np.ndarray) -> bool:
    values, codes = np.unique(column, return_inverse=True)  # NaNs are one value
    if len(values) > len(y) // 3:
        return False
    count = np.bincount(codes)
    churned = np.bincount(codes, weights=y)
    needed = max(_PURE_ROWS, _PURE_SHARE * float(y.sum()))
    return bool(((churned == count) & (count >= needed)).any())


def giveaways(X: pd.DataFrame, y: np.ndarray, features: Sequence[FeatureSpec] | None = None) -> list[Giveaway]:
    """Warn about columns that seem to give the answer away, before anything is trained for good.

    Parameters
    ----------
    X : DataFrame of shape (n, f)
        Missing values allowed; that a value is missing counts as a signal of its own.
    y : array of shape (n,), 0 or 1
        Both must occur.
    features : sequence of FeatureSpec, optional
        Guessed from the frame when not given.

    Returns
    -------
    list of Giveaway
        Worst first, usually empty. ``auc_with`` and ``auc_without`` are of a small model on all columns, and on all but
        every listed one. Above 20,000 rows a seeded sample is read.
    """
    specs = list(features) if features is not None else infer_features(X)
    labels = np.asarray(y).astype(np.int8)
    rng = np.random.default_rng(0)
    if len(labels) > _GIVEAWAY_ROWS:
        rows = np.sort(rng.permutation(len(labels))[:_GIVEAWAY_ROWS])
        X, labels = X.iloc[rows], labels[rows]
    base = CategoryEncoder(specs).fit_levels(X).base(X)
    groups = row_groups(base)
    folds = possible_folds(labels, groups, 3)
    if folds < 2:
        return []
    fold = group_folds(labels, groups, folds, rng)
    found = suspects(labels, fold, base)
    return compare_without(labels, fold, base, specs, found) if found else []


def compare_without(
    y: np.ndarray, fold: np.ndarray, base: np.ndarray, specs: Sequence[FeatureSpec], found: dict[int, float]
) -> list[Giveaway]:
    """Score a small model with and without the suspect columns, on the same folds."""
    everything = list(range(base.shape[1]))
    auc_with = _small_model_auc(y, fold, base, specs, everything)
    auc_without = _small_model_auc(y, fold, base, specs, [j for j in everything if j not in found])
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Giveaway(specs[j].name, auc, auc_with, auc_without) for j, auc in ranked]


def _small_model_auc(
    y: np.ndarray, fold: np.ndarray, base: np.ndarray, specs: Sequence[FeatureSpec], columns: list[int]
) -> float:
    from retainstream.ml.tuning import DEFAULTS, boost

    if not columns:
        return 0.5
    score = np.empty(len(y))
    kept = [specs[j] for j in columns]
    levels = {specs[j].name: int(np.nanmax(base[:, j], initial=-1)) + 1 for j in columns if specs[j].kind == "category"}
    for k in np.unique(fold):
        held = fold == k
        encoder = CategoryEncoder(kept)
        encoder.levels = {name: [""] * count for name, count in levels.items()}  # only their number matters here
        encoder.add_order(base[~held][:, columns], y[~held])
        matrix = encoder.matrix(base[:, columns], 0)
        booster = boost(matrix[~held], y[~held], {**DEFAULTS, "n_estimators": 100, "learning_rate": 0.1}, 1, 0)
        score[held] = booster.inplace_predict(matrix[held], predict_type="margin")
    return area_under_roc(y, score)
