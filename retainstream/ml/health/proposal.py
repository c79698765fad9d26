"""Which weights would have told best who leaves: learnt on earlier dates, judged on later ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.health.backtest import HealthPanel, compare, points_by_date
from retainstream.ml.health.score import Scheme, from_points
from retainstream.ml.metrics import sigmoid
from retainstream.ml.report import Estimate

_FEWEST = 50  # leavers (and stayers) on the earlier dates
_ROUNDS = 4  # missing points and weights are found in turn
_RIDGE = 1e-6
_SPREAD_DRAWS = 2000


class NothingToLearnError(ValueError):
    """The earlier dates do not say which weights would be better."""


@dataclass(frozen=True)
class Proposal:
    """Weights that the past suggests.

    Attributes
    ----------
    weights : tuple of int
        By the scheme's parts; add up to 100.
    intervals : tuple of Estimate
        Of the weights before rounding, 95%: large-sample spread by customer, cut at 0. Wide ones say that parts tell the same.
    current, proposed : Estimate
        AUC on the later dates.
    gain : Estimate
        ``proposed`` minus ``current``, of the same rows.
    learnt, learnt_left, judged, judged_left, purged : int
        Rows and leavers of the earlier and of the later dates; rows of earlier dates whose window reaches into the later ones.
    """

    weights: tuple[int, ...]
    intervals: tuple[Estimate, ...]
    current: Estimate
    proposed: Estimate
    gain: Estimate
    learnt: int
    learnt_left: int
    judged: int
    judged_left: int
    purged: int

    @property
    def better(self) -> bool:
        """Whether the proposal ranks better on later dates beyond chance; otherwise there is no reason to change."""
        return self.gain.low > 0


def propose_weights(
    scheme: Scheme, panel: HealthPanel, *, judged_from: int, window: int, random_state: int = 0
) -> Proposal:
    """Fit a logistic regression of staying on the points, no coefficient below 0, and read weights off it.

    Parameters
    ----------
    scheme : Scheme
        Its thresholds and directions are kept.
    panel : HealthPanel
    judged_from : int
        First date of the later part, in the unit of ``panel.as_of``.
    window : int >= 0
        From a date to the end of the time in which leaving was counted, same unit. An earlier date is learnt from only when its
        window had closed by ``judged_from``.
    random_state : int

    Returns
    -------
    Proposal

    Notes
    -----
    A missing part takes the weighted mean of the row's known points, which is what the score itself makes of it; as that depends on
    the weights, both are found in turn.

    Raises
    ------
    NothingToLearnError
        When fewer than 50 left or stayed on the earlier dates, or when no part goes with staying.
    ValueError
        When all or none left on the later dates.
    """
    given = points_by_date(scheme, panel)
    known = ~np.isnan(from_points(scheme, given).score)
    later = known & (panel.as_of >= judged_from)
    early = known & (panel.as_of + window <= judged_from) & ~later
    purged = int((known & ~later & ~early).sum())
    left = panel.left.astype(bool)
    gone, stayed = int(left[early].sum()), int((~left[early]).sum())
    if min(gone, stayed) < _FEWEST:
        raise NothingToLearnError(
            f"{gone} customers left and {stayed} stayed on the earlier dates; weights are learnt from {_FEWEST} of each."
        )
    slopes, covariance = _fit(scheme, given[early], ~left[early], panel.customer[early])
    whole = whole_weights(slopes)
    judged, rows = _judged(scheme, given[later], whole, panel.only(later), random_state)
    return Proposal(
        weights=whole,
        intervals=_intervals(slopes, covariance, random_state),
        current=judged["current"],
        proposed=judged["proposed"],
        gain=judged["proposed - current"],
        learnt=int(early.sum()),
        learnt_left=gone,
        judged=len(rows.left),
        judged_left=int(rows.left.sum()),
        purged=purged,
    )


def _judged(
    scheme: Scheme, given: np.ndarray, weights: tuple[int, ...], panel: HealthPanel, random_state: int
) -> tuple[dict[str, Estimate], HealthPanel]:
    """Return how the present weights, the new ones and both against each other rank the rows, and the rows that could be judged."""
    signals = {
        "proposed": -from_points(scheme, given, np.array(weights, dtype=np.float64)).score,
        "current": -from_points(scheme, given).score,
    }
    rated = ~np.isnan(signals["proposed"])  # a row may know only parts that lost their weight
    rows = panel.only(rated)
    return compare({name: signal[rated] for name, signal in signals.items()}, rows, random_state), rows


def _intervals(slopes: np.ndarray, covariance: np.ndarray, random_state: int) -> tuple[Estimate, ...]:
    """Return the weights before rounding with the spread that the slopes' covariance gives them; each interval holds its weight."""
    drawn = np.random.default_rng(random_state).multivariate_normal(slopes, covariance, _SPREAD_DRAWS).clip(min=0)
    shares = 100 * drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-12)
    weights = 100 * slopes / slopes.sum()
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    bounds = zip(weights, np.minimum(low, weights), np.maximum(high, weights), strict=True)
    return tuple(Estimate(*map(float, one)) for one in bounds)


def whole_weights(weights: np.ndarray) -> tuple[int, ...]:
    """Round weights of shape (k,) to whole numbers that add up to 100; the largest remainders are rounded up."""
    exact = 100 * np.asarray(weights, dtype=np.float64) / np.sum(weights)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    short = 100 - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:short]] += 1
    return tuple(whole.tolist())


def _fit(scheme: Scheme, given: np.ndarray, stayed: np.ndarray, customer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes of shape (k,), none below 0, and their covariance by customer."""
    weights = scheme.weights
    gaps = np.isnan(given)
    for _ in range(_ROUNDS if gaps.any() else 1):
        own = from_points(scheme, given, weights).score
        own = np.where(np.isnan(own), 50.0, own)
        matrix = np.where(gaps, own[:, None], given) / 100 - 0.5
        level, slopes = _logistic(matrix, stayed)
        if not slopes.sum() > 1e-6:
            raise NothingToLearnError("On the earlier dates no part goes with staying, so no weights can be proposed.")
        weights = slopes
    return slopes, _spread(matrix, stayed, level, slopes, customer)


def _logistic(matrix: np.ndarray, stayed: np.ndarray) -> tuple[float, np.ndarray]:
    """Level and slopes of the likeliest logistic line whose slopes are not below 0."""
    from scipy.optimize import minimize

    y, n = stayed.astype(np.float64), len(stayed)

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = beta[0] + matrix @ beta[1:]
        miss = sigmoid(margin) - y
        value = (np.logaddexp(0.0, margin) - y * margin).mean() + _RIDGE * (beta[1:] ** 2).sum()
        return float(value), np.append(miss.mean(), matrix.T @ miss / n + 2 * _RIDGE * beta[1:])

    start = np.append(np.log(y.mean() / (1 - y.mean())), np.ones(matrix.shape[1]))
    bounds = [(None, None)] + [(0.0, None)] * matrix.shape[1]
    end = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
    return float(end.x[0]), np.asarray(end.x[1:])


def _spread(
    matrix: np.ndarray, stayed: np.ndarray, level: float, slopes: np.ndarray, customer: np.ndarray
) -> np.ndarray:
    """Covariance of the slopes by the sandwich rule, a customer's rows counting as one observation."""
    design = np.column_stack([np.ones(len(matrix)), matrix])
    p = sigmoid(level + matrix @ slopes)
    bread = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]) + _RIDGE * np.eye(design.shape[1]))
    place = np.unique(customer, return_inverse=True)[1]
    pulls = np.zeros((int(place.max()) + 1, design.shape[1]))
    np.add.at(pulls, place, design * (stayed - p)[:, None])
    return np.asarray((bread @ (pulls.T @ pulls) @ bread)[1:, 1:])
