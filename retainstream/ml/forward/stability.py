"""The model date by date, and what a team would have found by reaching so many customers on each date.

The figures of the test window as a whole are `retainstream.ml.evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from retainstream.ml.bootstrap import Metrics, draws_for, interval, resample
from retainstream.ml.economics import Economics
from retainstream.ml.metrics import Ranking, wilson
from retainstream.ml.report import Capacity, DatePoint, Estimate
from retainstream.ml.tuning import Split, booster_parameters

CAPACITY_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
_DATE_DRAWS = 200
_DATE_DRAWS_LARGE = 100
_LARGE_DATE = 20_000


def day_of(instant: int) -> str:
    """Return the UTC day of an instant in microseconds, ISO."""
    return datetime.fromtimestamp(instant / 1_000_000, tz=UTC).date().isoformat()


def by_date(
    part: str,
    as_of: np.ndarray,
    y: np.ndarray,
    margin: np.ndarray,
    probability: np.ndarray | None,
    rng: np.random.Generator,
) -> list[DatePoint]:
    """Judge the rows of each observation date alone.

    Parameters
    ----------
    part : str
        ``inner``, ``calibrate`` or ``test``.
    as_of : int64 array of shape (n,), microseconds UTC
    y : array of shape (n,), 0 or 1
    margin : array of shape (n,), log-odds from what never saw the row
    probability : array of shape (n,), optional
        Calibrated by what never saw the row.
    rng : numpy Generator
        Draws the intervals of the AUC; a date has a customer once at most, so rows are drawn.

    Returns
    -------
    list of DatePoint
        Rising in time. The AUC of a date with one class is NaN.
    """
    points = []
    for date in np.unique(as_of).tolist():
        rows = np.flatnonzero(as_of == date)
        outcome = y[rows]
        churned, n = int(outcome.sum()), len(rows)
        low, high = wilson(churned, n)
        points.append(
            DatePoint(
                as_of=date,
                day=day_of(date),
                part=part,
                n=n,
                n_churned=churned,
                observed=Estimate(churned / n, low, high),
                mean_probability=None if probability is None else float(probability[rows].mean()),
                auc=_auc(outcome, margin[rows], rng),
            )
        )
    return points


def _auc(y: np.ndarray, margin: np.ndarray, rng: np.random.Generator) -> Estimate:
    if not 0 < int(y.sum()) < len(y):
        return Estimate(float("nan"), float("nan"), float("nan"))
    ranking = Ranking(y, margin)
    draws = _DATE_DRAWS if len(y) <= _LARGE_DATE else _DATE_DRAWS_LARGE
    values, replicates = resample(lambda weights: {"auc": ranking.auc(weights)}, np.arange(len(y)), draws, rng)
    return interval(values["auc"], replicates["auc"])


def inner_points(
    splits: Sequence[Split],
    looks: Sequence[np.ndarray],
    as_of: np.ndarray,
    y: np.ndarray,
    parameters: dict[str, float],
    *,
    n_jobs: int,
    seed: int,
    rng: np.random.Generator,
) -> list[DatePoint]:
    """Judge the chosen parameters on the dates that the inner folds looked at; ``looks`` are those rows of ``as_of`` and ``y``."""
    import xgboost

    points = []
    for split, look in zip(splits, looks, strict=True):
        settings = booster_parameters(parameters, n_jobs, seed)
        booster = xgboost.train(settings, split.learn, int(parameters["n_estimators"]))
        margin = booster.predict(split.look, output_margin=True)
        points += by_date("inner", as_of[look], y[look], margin, None, rng)
    return points


def capacities(
    as_of: np.ndarray,
    y: np.ndarray,
    margin: np.ndarray,
    groups: np.ndarray,
    economics: Economics,
    rng: np.random.Generator,
) -> tuple[Capacity, ...]:
    """What reaching the riskiest customers of each date would have found, with intervals.

    Parameters
    ----------
    as_of : int64 array of shape (n,), microseconds UTC
    y : array of shape (n,), 0 or 1
    margin : array of shape (n,), log-odds
    groups : int64 array of shape (n,)
        Customers, numbered without gaps; drawn together.
    economics : Economics
    rng : numpy Generator

    Returns
    -------
    tuple of Capacity
        For 1, 2, 5, 10, 20 and 30% of customers.

    Notes
    -----
    A team works month by month, so customers compete within their date: rows are ranked by their place in it.
    """
    dates = np.unique(as_of)
    ranking = Ranking(y, _place_within_date(as_of, margin))
    saved = economics.acceptance * economics.value

    def evaluate(weights: np.ndarray) -> Metrics:
        found = ranking.found_at(weights, CAPACITY_SHARES)
        churners = (weights @ y.astype(np.float64)) / len(dates)
        reached = weights.sum(axis=1, dtype=np.float64) / len(dates)
        metrics: Metrics = {}
        for i, share in enumerate(CAPACITY_SHARES):
            metrics[f"found.{share}"] = found[:, i]
            metrics[f"gain.{share}"] = saved * found[:, i] * churners - economics.cost * share * reached
        return metrics

    values, replicates = resample(evaluate, groups, draws_for(len(y)), rng)
    return tuple(
        _capacity(share, values, replicates, len(y) / len(dates), y.sum() / len(dates)) for share in CAPACITY_SHARES
    )


def _capacity(
    share: float, values: dict[str, float], replicates: Metrics, customers: float, churners: float
) -> Capacity:
    part = interval(values[f"found.{share}"], replicates[f"found.{share}"])
    found = float(part.value * churners)
    return Capacity(
        share_reached=share,
        reached=float(share * customers),
        churners_found=found,
        precision=found / float(share * customers),
        share_churners=part,
        lift=Estimate(part.value / share, part.low / share, part.high / share),
        net_gain=interval(values[f"gain.{share}"], replicates[f"gain.{share}"]),
    )


def _place_within_date(as_of: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Share of a date's rows that rank below, ties in the middle; float64 of shape (n,)."""
    from scipy.stats import rankdata

    place = np.empty(len(margin))
    for date in np.unique(as_of):
        rows = np.flatnonzero(as_of == date)
        place[rows] = rankdata(margin[rows]) / (len(rows) + 1)
    return place
