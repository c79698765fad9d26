"""Logistic regression as a fair rival: what somebody who knows the method would fit, not the bare call.

Long tails are taken in by a logarithm, missing values get the median and a flag, everything is standardised and kept within bounds, and the
penalty is chosen on inner folds that the caller deals: in time where the training looks forward. Who judges it is the caller's affair too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.features import FeatureSpec
from retainstream.ml.metrics import row_log_loss

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Pair = tuple[np.ndarray, np.ndarray]
Scorer = Callable[[np.ndarray], np.ndarray]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of scikit-learn's C that are tried, the strongest penalty first: the variance that a standardised column's weight is allowed before the
data speak, which is why the choice of a sample holds for all rows."""
_USUAL = 1e-2  # where no inner fold can be judged
_SKEWED = 1.0  # |skewness| from which a logarithm is tried
_BOUND = 5.0  # standard deviations beyond which a value says no more
_CHOICE_ROWS = 20_000  # rows that an inner fold learns from, at most
_ONE_HOT_LEVELS = 64
_MOST_STEPS = 1_000


@dataclass(frozen=True)
class Design:
    """From a base matrix to standardised columns; everything is frozen on the rows it was made from.

    Attributes
    ----------
    numbers, categories : int64 arrays
        Positions of columns in the base matrix.
    bent : bool array, shape of ``numbers``
        Columns read as sign(x) log(1 + |x|), because their tail is shorter so.
    centre, mean, spread : float64 arrays, shape of ``numbers``
        Median that stands for a missing value, and what standardises; of the bent values.
    flagged : bool array, shape of ``numbers``
        Columns with missing values, which get a 0/1 column besides.
    levels : tuple of arrays
        For each category the codes that have a 0/1 column: the 64 most common.
    """

    numbers: np.ndarray
    categories: np.ndarray
    bent: np.ndarray
    centre: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    flagged: np.ndarray
    levels: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, base: np.ndarray, specs: Sequence[FeatureSpec]) -> Design:
        """Freeze a design on rows of a base matrix, float array of shape (n, f); NaN is missing."""
        is_category = np.array([spec.kind == "category" for spec in specs], dtype=bool)
        numbers, categories = np.flatnonzero(~is_category), np.flatnonzero(is_category)
        values = base[:, numbers].astype(np.float64)
        missing = np.isnan(values)
        bent = np.array([_is_bent(column[~np.isnan(column)]) for column in values.T], dtype=bool)
        values[:, bent] = _bend(values[:, bent])
        centre = np.array(
            [np.median(column[~gap]) if not gap.all() else 0.0 for column, gap in zip(values.T, missing.T, strict=True)]
        )
        filled = np.where(missing, centre, values)
        spread = filled.std(axis=0)
        spread[spread == 0] = 1.0
        levels = tuple(_common_levels(base[:, j]) for j in categories)
        return cls(
            numbers, categories, bent, centre, filled.mean(axis=0), spread, np.asarray(missing.any(axis=0)), levels
        )

    def matrix(self, base: np.ndarray) -> np.ndarray:
        """Return the design matrix of any rows, float64; no value lies further than five standard deviations off."""
        values = base[:, self.numbers].astype(np.float64)
        missing = np.isnan(values)
        values[:, self.bent] = _bend(values[:, self.bent])
        values = np.where(missing, self.centre, values)
        parts = [
            np.clip((values - self.mean) / self.spread, -_BOUND, _BOUND),
            missing[:, self.flagged].astype(np.float64),
        ]
        parts += [
            (base[:, [j]] == codes).astype(np.float64) for j, codes in zip(self.categories, self.levels, strict=True)
        ]
        return np.hstack(parts)


def fit_logistic(
    base: np.ndarray, y: np.ndarray, specs: Sequence[FeatureSpec], inner: Sequence[Pair], seed: int
) -> Scorer:
    """Fit with the penalty that the inner folds prefer.

    Parameters
    ----------
    base : float array of shape (n, f)
        Base matrix; NaN is missing, categories are codes.
    y : array of shape (n,), 0 or 1; both must occur
    specs : sequence of FeatureSpec
    inner : sequence of (learn, look)
        Row numbers; a pair with one class on either side is passed over.
    seed : int
        Of the rows that a large inner fold learns from.

    Returns
    -------
    callable
        Takes a base matrix of shape (m, f), gives probabilities of shape (m,).
    """
    design = Design.of(base, specs)
    model = _model(_chosen_strength(base, y, specs, inner, seed)).fit(design.matrix(base), y)
    return lambda rows: np.asarray(model.predict_proba(design.matrix(rows))[:, 1])


def _chosen_strength(
    base: np.ndarray, y: np.ndarray, specs: Sequence[FeatureSpec], inner: Iterable[Pair], seed: int
) -> float:
    """Return the C with the smallest log loss over all rows that were looked at; of equal ones the stronger penalty."""
    loss = np.zeros(len(STRENGTHS))
    rng = np.random.default_rng([seed, 13])
    for learn, look in inner:
        rows = np.sort(rng.permutation(learn)[:_CHOICE_ROWS])
        if min(_classes(y[rows]), _classes(y[look])) < 2:
            continue
        design = Design.of(base[rows], specs)
        known, asked = design.matrix(base[rows]), design.matrix(base[look])
        model = _model(STRENGTHS[0], warm=True)  # each fit begins where the one with the stronger penalty ended
        for place, strength in enumerate(STRENGTHS):
            model.set_params(C=strength).fit(known, y[rows])
            loss[place] += row_log_loss(y[look], model.predict_proba(asked)[:, 1]).sum()
    return STRENGTHS[int(np.argmin(loss))] if loss.any() else _USUAL


def _model(strength: float, *, warm: bool = False) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=_MOST_STEPS, warm_start=warm)


def _classes(y: np.ndarray) -> int:
    return len(np.unique(y))


def _bend(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _is_bent(known: np.ndarray) -> bool:
    """Whether a column has a long tail that the logarithm shortens."""
    skew = _skewness(known)
    return abs(skew) > _SKEWED and abs(_skewness(_bend(known))) < abs(skew)


def _skewness(values: np.ndarray) -> float:
    if len(values) < 3 or (spread := float(values.std())) == 0:
        return 0.0
    return float((((values - values.mean()) / spread) ** 3).mean())


def _common_levels(column: np.ndarray) -> np.ndarray:
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return np.asarray(values[np.argsort(-counts, kind="stable")][:_ONE_HOT_LEVELS])
