"""Predicted against what came, on a period that no model had seen: by tenths, and beside the plainest prediction there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.bootstrap import draws_for, interval, resample
from retainstream.ml.metrics import mean_of
from retainstream.ml.repeat_buying import RepeatSummary
from retainstream.ml.report import Estimate
from retainstream.ml.rfm import tied_parts

TENTHS = 10


@dataclass(frozen=True)
class HoldOutPart:
    """Customers whose predictions lie in one tenth; equal predictions stay together, so that tenths may be unequal or missing.

    Attributes
    ----------
    part : int
        1 for the lowest predictions to 10.
    n : int
    predicted, actual : float
        Means of the tenth's customers.
    """

    part: int
    n: int
    predicted: float
    actual: float


@dataclass(frozen=True)
class HoldOut:
    """How good predictions were; intervals are 95%, by resampling customers.

    Attributes
    ----------
    n : int
        Customers whose prediction, baseline and result are all known.
    mae, baseline_mae : Estimate
        Mean absolute error of the model, and of the baseline.
    difference : Estimate
        Model minus baseline, of the same customers: below 0 the model is nearer, and surely so when ``high`` is below 0.
    predicted, actual : float
        Sums of all customers.
    ratio : float
        ``predicted / actual``; NaN when nothing came.
    parts : tuple of HoldOutPart, rising
    covered : float or None
        Share of customers whose result lies within the given interval, ends included; None without intervals.
    """

    n: int
    mae: Estimate
    baseline_mae: Estimate
    difference: Estimate
    predicted: float
    actual: float
    ratio: float
    parts: tuple[HoldOutPart, ...]
    covered: float | None

    @property
    def better(self) -> bool:
        """Whether the model is nearer than the baseline beyond chance."""
        return self.difference.high < 0


def past_rate(summary: RepeatSummary, ahead: float) -> np.ndarray:
    """Predict that everybody goes on buying as until now: frequency / age x time ahead; 0 for customers of age 0; shape (n,)."""
    x, age = summary.frequency, summary.age
    return np.asarray(np.divide(x, age, out=np.zeros_like(age, dtype=np.float64), where=age > 0) * ahead)


def judge(
    predicted: np.ndarray,
    actual: np.ndarray,
    baseline: np.ndarray,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    random_state: int = 0,
) -> HoldOut:
    """Compare predictions with results.

    Parameters
    ----------
    predicted, actual, baseline : float arrays of shape (n,)
        One row for each customer, in one unit (purchases, or money); rows with a missing value in any of them are left out.
    low, high : float arrays of shape (n,), optional
        Each customer's interval.
    random_state : int

    Returns
    -------
    HoldOut

    Raises
    ------
    ValueError
        When no row is complete.
    """
    rows = ~(np.isnan(predicted) | np.isnan(actual) | np.isnan(baseline))
    if not rows.any():
        raise ValueError("There is no customer with a prediction and a result, so nothing can be judged.")
    model, came, plain = (np.asarray(column, dtype=np.float64)[rows] for column in (predicted, actual, baseline))
    errors = {"model": np.abs(model - came), "baseline": np.abs(plain - came)}
    errors["difference"] = errors["model"] - errors["baseline"]
    metrics = {name: mean_of(error) for name, error in errors.items()}
    values, replicates = resample(
        lambda weights: {name: metric(weights) for name, metric in metrics.items()},
        np.arange(len(came)),
        draws_for(len(came)),
        np.random.default_rng(random_state),
    )
    found = {name: interval(values[name], replicates[name]) for name in values}
    part = tied_parts(model, TENTHS)
    parts = tuple(
        HoldOutPart(
            int(one), int((part == one).sum()), float(model[part == one].mean()), float(came[part == one].mean())
        )
        for one in np.unique(part)
    )
    covered = None
    if low is not None and high is not None:
        covered = float(((low[rows] <= came) & (came <= high[rows])).mean())
    total, result = float(model.sum()), float(came.sum())
    ratio = total / result if result else float("nan")
    return HoldOut(
        len(came), found["model"], found["baseline"], found["difference"], total, result, ratio, parts, covered
    )
