"""The simple rivals of a model that looks forward, and what a split that ignores time would have claimed for it.

Rivals learn from the train window, are calibrated on the next and judged on the test window, like the model. How each one is fitted is
`retainstream.ml.rivals`' where snapshot training has it too, the logistic regression `retainstream.ml.logistic`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retainstream.ml.asof.dictionary import RECENCY
from retainstream.ml.calibration import fit_calibrator
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.features import FeatureSpec
from retainstream.ml.forward.folds import Pairs, numbered, whole_customers
from retainstream.ml.logistic import fit_logistic
from retainstream.ml.report import RandomSplit
from retainstream.ml.rivals import RIVAL_ROWS, Rival, area_under_roc, bin_edges, bin_rates, binned, log_odds
from retainstream.ml.tuning import boost

_FOREST_TREES = 100
_FOREST_LEAF = 20
_RECENCY_BINS = 100
_APART = 1e-9
_RANDOM_SPLIT_ROWS = 60_000
_JUDGED_SHARE = 0.25


@dataclass(frozen=True)
class Rows:
    """Rows of a window: a base matrix, float32 of shape (n, f), and their labels, shape (n,)."""

    base: np.ndarray
    y: np.ndarray


def fit_rivals(
    learn: Rows,
    calibrate: Rows,
    judged: np.ndarray,
    encoder: CategoryEncoder,
    *,
    inner: Pairs,
    n_jobs: int,
    seed: int,
) -> list[Rival]:
    """Fit every rival on rows of the train window, calibrate it on the next one as the model is, and score rows of the test window.

    Parameters
    ----------
    learn, calibrate : Rows
    judged : float32 array of shape (m, f)
        Base matrix of the rows to score; no label of theirs is seen.
    encoder : CategoryEncoder
        With one order of the levels, made on the train window.
    inner : list of (learn, look)
        Folds in time within ``learn``, which choose the penalty of the logistic regression.
    n_jobs, seed : int

    Returns
    -------
    list of Rival
        Base rate (of the calibrate window, the newest that is known), recency alone (where there is such a feature), best single feature,
        logistic regression, random forest. Probabilities of shape (m,) are the rival's log-odds on a line that was fitted on the calibrate window;
        ``score`` is what the rival said itself.
    """
    specs, names = encoder.specs, [spec.name for spec in encoder.specs]
    asked = np.vstack([calibrate.base, judged])
    found = [_best_single(learn.base, learn.y, asked, specs)]
    if RECENCY in names:
        j = names.index(RECENCY)
        alone = monotone_rate(learn.base[:, j], learn.y, asked[:, j])
        found.insert(0, Rival("recency", f"Only {specs[j].title}", alone, RECENCY))
    logistic = fit_logistic(learn.base, learn.y, specs, inner, seed)(asked)
    found.append(Rival("logistic_regression", "Logistic regression", logistic))
    forest = _forest(encoder.matrix(learn.base, 0), learn.y, encoder.matrix(asked, 0), n_jobs, seed)
    found.append(Rival("random_forest", "Random forest", forest))
    base_rate = np.full(len(judged), float(calibrate.y.mean()))
    return [
        Rival("base_rate", "The same churn rate for everybody", base_rate),
        *(_calibrated(rival, calibrate.y) for rival in found),
    ]


def _calibrated(rival: Rival, y: np.ndarray) -> Rival:
    """Fit a line on the first rows, whose labels are given, and return the rival for those after them."""
    raw, known = rival.probability, len(y)
    line = fit_calibrator("sigmoid", log_odds(raw[:known]), y)
    return replace(rival, probability=line.apply(log_odds(raw[known:])), score=raw[known:])


def monotone_rate(column: np.ndarray, y: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Churn rate by one number alone, never turning: smoothed rates of 100 bins, made monotone, and a line between the bins.

    Whether it rises or falls is read off the training rows. Values that the line makes equal, such as all beyond the largest it was fitted on, are
    told apart by the value itself, a billionth of the way. Missing values have the rate of their own. Shape of ``judged``.
    """
    from sklearn.isotonic import IsotonicRegression

    edges = bin_edges(column, _RECENCY_BINS)
    bins = binned(column, edges)
    rates = bin_rates(bins, y, len(edges) + 2)
    missing = np.isnan(judged)
    found = np.full(len(judged), rates[-1])
    known = ~np.isnan(column)
    if known.any():
        count = np.bincount(bins[known], minlength=len(rates))
        used = np.flatnonzero(count)
        centre = np.bincount(bins[known], weights=column[known], minlength=len(rates))[used] / count[used]
        lines = [IsotonicRegression(increasing=rises, out_of_bounds="clip") for rises in (True, False)]
        misses = [
            float(count[used] @ (line.fit_transform(centre, rates[used], sample_weight=count[used]) - rates[used]) ** 2)
            for line in lines
        ]
        rises = misses[0] <= misses[1]
        asked = judged[~missing].astype(np.float64)
        # A short history knows short silences only: a rival that took all longer ones for equal would be beaten by anything.
        place = np.unique(asked, return_inverse=True)[1] / max(len(asked), 1)
        found[~missing] = lines[0 if rises else 1].predict(asked) + (_APART if rises else -_APART) * place
    return found


def _best_single(learn: np.ndarray, y: np.ndarray, judged: np.ndarray, specs: Sequence[FeatureSpec]) -> Rival:
    """Return the one feature that ranks the training rows best by binned rates, any shape of dependence allowed."""
    best, best_auc = 0, -1.0
    for j in range(learn.shape[1]):
        edges = bin_edges(learn[:, j])
        bins = binned(learn[:, j], edges)
        auc = area_under_roc(y, bin_rates(bins, y, len(edges) + 2)[bins])
        if auc > best_auc:
            best, best_auc = j, auc
    edges = bin_edges(learn[:, best])
    rates = bin_rates(binned(learn[:, best], edges), y, len(edges) + 2)
    probability = rates[binned(judged[:, best], edges)]
    return Rival("best_single_feature", f"Only {specs[best].title}", probability, specs[best].name)


def _forest(matrix: np.ndarray, y: np.ndarray, judged: np.ndarray, n_jobs: int, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=_FOREST_TREES, min_samples_leaf=_FOREST_LEAF, max_features="sqrt", max_samples=0.5, n_jobs=n_jobs,
        random_state=seed,
    )  # fmt: skip
    rows = np.sort(np.random.default_rng([seed, 11]).permutation(len(y))[:RIVAL_ROWS])
    forest.fit(matrix[rows], y[rows])
    forest.set_params(n_jobs=1)  # threads add up the trees in the order they come, and the last bit would differ
    return np.asarray(forest.predict_proba(judged)[:, 1])


def random_splits(
    base: np.ndarray,
    y: np.ndarray,
    customer: np.ndarray,
    encoder: CategoryEncoder,
    parameters: dict[str, float],
    *,
    n_jobs: int,
    seed: int,
    rng: np.random.Generator,
) -> tuple[RandomSplit, ...]:
    """Judge the same model on splits at random, by row and by customer: the figure that leaking time would have given.

    By row, a customer's neighbouring months stand on both sides. By customer they do not, but the future still teaches about the
    past: a season, a price rise.
    """
    groups = numbered(customer)
    n_groups = int(groups.max()) + 1
    held_by = {
        "row": rng.random(len(y)) < _JUDGED_SHARE,
        "customer": (rng.random(n_groups) < _JUDGED_SHARE)[groups],
    }
    found = []
    for by, held in held_by.items():
        if y[held].min(initial=1) == y[held].max(initial=0) or y[~held].min(initial=1) == y[~held].max(initial=0):
            continue
        own = encoder.without_orders()
        own.add_order(base[~held], y[~held])
        booster = boost(own.matrix(base[~held], 0), y[~held], parameters, n_jobs, seed)
        margin = booster.inplace_predict(own.matrix(base[held], 0), predict_type="margin")
        found.append(RandomSplit(by, area_under_roc(y[held], margin), int((~held).sum()), int(held.sum())))
    return tuple(found)


def random_split_rows(customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose the rows for :func:`random_splits`: whole customers, 60,000 rows at most."""
    return whole_customers(customer, _RANDOM_SPLIT_ROWS, rng)
