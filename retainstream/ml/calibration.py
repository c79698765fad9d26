"""From margins to probabilities, and the gate that decides whether these probabilities may be shown.

A calibrator is fitted on out-of-fold margins only. The one for fold k is fitted on the other folds, so every probability
that the gate judges belongs to a row that its calibrator never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retainstream.ml.metrics import row_log_loss, sigmoid
from retainstream.ml.report import CalibrationVerdict, Estimate

FLEXIBLE_CHURNERS = 1000  # isotonic and temperature are considered from so many churners
ECE_ROWS = 5000  # expected calibration error is judged from so many rows
ECE_LIMIT = 0.02
GATE_LEVEL = 0.99  # two intervals, one verdict: together they reject a calibrated model about once in fifty times
GATE_TOLERANCE = 0.02  # a miss this small changes no decision, but a million rows would notice it
GATE_CHURNERS = 30

METHODS = ("sigmoid", "temperature", "isotonic")


@dataclass(frozen=True)
class Calibrator:
    """A monotone map from margin (log-odds) to probability.

    ``sigmoid``: p = 1 / (1 + exp(-(slope * margin + intercept))) (Platt 1999, on log-odds); ``temperature`` is the same
    with intercept 0 (Guo et al. 2017); ``isotonic``: linear between knots (Zadrozny and Elkan 2002).
    """

    method: str
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    def apply(self, margin: np.ndarray) -> np.ndarray:
        """Return probabilities in (0, 1), float64, shape of ``margin``."""
        if self.method == "isotonic":
            return np.asarray(np.interp(margin, self.knots, self.levels))
        return sigmoid(self.slope * np.asarray(margin, dtype=np.float64) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        if self.method == "isotonic":
            return {"method": self.method, "knots": list(self.knots), "levels": list(self.levels)}
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibrator:
        """Rebuild from :meth:`to_dict`."""
        lists: dict[str, Any] = {key: tuple(data[key]) for key in ("knots", "levels") if key in data}
        return cls(**(data | lists))


def fit_calibrator(method: str, margin: np.ndarray, y: np.ndarray) -> Calibrator:
    """Fit one calibrator on margins that were made out of fold.

    Parameters
    ----------
    method : {"sigmoid", "temperature", "isotonic"}
    margin : array of shape (n,), log-odds
    y : array of shape (n,), 0 or 1; both must occur

    Raises
    ------
    ValueError
        On an unknown method.
    """
    margin = np.asarray(margin, dtype=np.float64)
    if method == "isotonic":
        return _fit_isotonic(margin, y)
    if method not in METHODS:
        raise ValueError(f"The calibration method {method!r} is none of {', '.join(METHODS)}.")
    slope, intercept = _fit_line(margin, y, with_intercept=method == "sigmoid")
    return Calibrator(method, slope, intercept)


def _fit_line(margin: np.ndarray, y: np.ndarray, with_intercept: bool) -> tuple[float, float]:
    """Newton's method on the logistic likelihood, with Platt's softened targets: perfect separation stays finite."""
    churners = float(y.sum())
    targets = np.where(y == 1, (churners + 1) / (churners + 2), 1 / (len(y) - churners + 2))
    design = np.column_stack([margin, np.ones_like(margin)]) if with_intercept else margin[:, None]
    beta = np.zeros(design.shape[1])  # from a flat line Newton's steps are safe; from a steep one they may run away

    def loss(candidate: np.ndarray) -> float:
        z = design @ candidate
        return float(np.sum(np.logaddexp(0.0, z) - targets * z))

    before = loss(beta)
    for _ in range(50):
        p = sigmoid(design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(hessian, design.T @ (targets - p))
        after = loss(beta + step)
        while after > before and np.abs(step).max() > 1e-9:  # the loss is convex: a shorter step helps
            step = step / 2
            after = loss(beta + step)
        beta, before = beta + step, after
        if np.abs(step).max() < 1e-9:
            break
    slope = float(max(beta[0], 1e-6))  # never an inverted order: a model that ranks backwards becomes flat
    return slope, float(beta[1]) if with_intercept else 0.0


def _fit_isotonic(margin: np.ndarray, y: np.ndarray) -> Calibrator:
    from sklearn.isotonic import IsotonicRegression

    edge = 1 / (len(y) + 2)  # nobody is certain to stay or to leave on the evidence of n rows
    model = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(margin, y)
    return Calibrator("isotonic", knots=tuple(model.X_thresholds_.tolist()), levels=tuple(model.y_thresholds_.tolist()))


def cross_fit(
    method: str, margin: np.ndarray, y: np.ndarray, fold: np.ndarray, k: int
) -> tuple[list[Calibrator], np.ndarray]:
    """Fit one calibrator per fold on the other folds.

    Returns
    -------
    calibrators : list of k Calibrator
    probability : array of shape (n,)
        Each row's by the calibrator that never saw it.
    """
    calibrators, probability = [], np.empty(len(y))
    for j in range(k):
        held = fold == j
        calibrator = fit_calibrator(method, margin[~held], y[~held])
        calibrators.append(calibrator)
        probability[held] = calibrator.apply(margin[held])
    return calibrators, probability


def choose_method(margin: np.ndarray, y: np.ndarray, fold: np.ndarray, k: int) -> tuple[str, dict[str, float]]:
    """Choose the method: sigmoid, unless there are 1,000 churners and another's held-out log loss is clearly better.

    Clearly: by more than two standard errors of the paired difference.

    Returns
    -------
    method : str
    held_out : dict of str to float
        Log loss of each method that was tried.
    """
    losses = {"sigmoid": row_log_loss(y, cross_fit("sigmoid", margin, y, fold, k)[1])}
    best = "sigmoid"
    if int(y.sum()) >= FLEXIBLE_CHURNERS:
        for method in METHODS[1:]:
            losses[method] = row_log_loss(y, cross_fit(method, margin, y, fold, k)[1])
            gain = losses[best] - losses[method]
            if float(gain.mean()) > 2 * float(gain.std()) / np.sqrt(len(y)):
                best = method
    return best, {method: float(loss.mean()) for method, loss in losses.items()}


def judge(
    *,
    method: str,
    held_out: dict[str, float],
    slope: Estimate,
    intercept: Estimate,
    ece: float,
    ece_by_chance: float,
    rows: int,
    churners: int,
) -> CalibrationVerdict:
    """Decide whether probabilities may be shown.

    Parameters
    ----------
    slope, intercept : Estimate
        With 99% intervals; they must hold 1 and 0, give or take ``GATE_TOLERANCE``.
    ece : float
        Expected calibration error in ten equal-count bins; judged from 5,000 rows against the larger of 0.02 and what
        chance alone gives to perfect probabilities (its 99% quantile, ``ece_by_chance``).
    """
    reasons = []
    if min(churners, rows - churners) < GATE_CHURNERS:
        reasons.append(
            f"There are {churners} churned and {rows - churners} staying customers; calibration needs at least "
            f"{GATE_CHURNERS} of each to be judged."
        )
    for name, estimate, ideal in (("slope", slope, 1.0), ("intercept", intercept, 0.0)):
        low, high = estimate.low - GATE_TOLERANCE, estimate.high + GATE_TOLERANCE
        if not low <= ideal <= high:  # a NaN fails too
            reasons.append(
                f"The calibration {name} is {estimate.value:.2f} (between {estimate.low:.2f} and {estimate.high:.2f}); "
                f"for probabilities that can be trusted this holds {ideal:.0f}."
            )
    limit = max(ECE_LIMIT, ece_by_chance) if rows >= ECE_ROWS else None
    if limit is not None and not ece <= limit:
        reasons.append(
            f"Probabilities miss the observed shares by {ece:.3f} on average; at most {limit:.3f} is allowed."
        )
    return CalibrationVerdict(method, not reasons, tuple(reasons), slope, intercept, ece, limit, dict(held_out), rows)


def mean_probability(calibrators: Sequence[Calibrator], margin: np.ndarray) -> np.ndarray:
    """Probability of rows that no booster saw: the mean of what each fold's calibrator says to their mean margin."""
    return np.asarray(np.mean([calibrator.apply(margin) for calibrator in calibrators], axis=0))
