"""How shops that have no contracts know who is still a customer: the BG/NBD model of repeat buying, fitted by our own code.

Customers buy at a rate of their own until, after a purchase, they silently drop out. How often they come back is told here; what they
spend, and so are worth, in ``lifetime``.

Fader, Hardie and Lee (2005), '"Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model', Marketing Science 24(2), 275-284.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

_EDGE = 12.0  # logarithms of the parameters are searched within -12 and 12
_FLAT = 1e-6  # a gradient of the mean log-likelihood below this is a maximum found
_NODES = 24  # points of the integral over time; in log time the integrand is smooth, so that these give ten digits
_STEP = 1e-4  # of the logarithms, where the gradient is differenced

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From logarithms of parameters to the mean log-likelihood and its gradient by those logarithms."""


@dataclass(frozen=True)
class RepeatSummary:
    """What the model needs to know of each customer; float64 arrays of shape (n,), in the unit of time that the caller chose.

    Attributes
    ----------
    customer : int64 array of shape (n,)
    frequency : whole numbers, 0 or more
        Repeat purchases: days with a purchase but for the first.
    recency : 0 or more
        From the first purchase to the last.
    age : at least ``recency``
        From the first purchase to the end of the observation ("T").
    """

    customer: np.ndarray
    frequency: np.ndarray
    recency: np.ndarray
    age: np.ndarray


class NotConvergedError(ValueError):
    """The likelihood has no maximum within reach; figures of the last step would mean nothing."""


def summarise(customer: np.ndarray, day: np.ndarray, end: float, *, unit_days: float = 7.0) -> RepeatSummary:
    """Sum purchases up, several in a day being one.

    Parameters
    ----------
    customer : int64 array of shape (m,)
    day : int64 array of shape (m,)
        Whole days; all before ``end``.
    end : float
        End of the observation, in days.
    unit_days : float
        Days of the unit of time of the result; weeks by default.

    Returns
    -------
    RepeatSummary
        One row for each customer with a purchase, by rising id.
    """
    pairs = np.unique(np.column_stack([customer, day]).astype(np.int64), axis=0)
    who, start, count = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    first, last = pairs[start, 1], pairs[start + count - 1, 1]
    return RepeatSummary(who, count - 1.0, (last - first) / unit_days, (end - first) / unit_days)


def maximum(objective: Objective, starts: tuple[np.ndarray, ...], n: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Find the logarithms of positive parameters that are the likeliest.

    Parameters
    ----------
    objective : callable
        Mean log-likelihood and its gradient at logarithms of shape (k,).
    starts : tuple of arrays of shape (k,)
        Where the search begins; the best end counts, of equal ones the first.
    n : int
        Customers behind the mean.
    what : str
        What is fitted, for the sentence of an error.

    Returns
    -------
    logs : float64 array of shape (k,)
    covariance : float64 array of shape (k, k)
        Of the logarithms, by the inverse of the observed information: how far other samples of n customers would move them.

    Raises
    ------
    NotConvergedError
        When the search ends at the edge of the parameters' range, or where the likelihood is not curved downwards on all sides.
    """
    from scipy.optimize import minimize

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(logs)
        return (-value, -gradient) if np.isfinite(value) else (1e10, np.zeros_like(logs))

    ends = [
        minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_EDGE, _EDGE)] * len(start),
            options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-8},
        )
        for start in starts
    ]
    logs = np.asarray(min(ends, key=lambda end: round(float(end.fun), 10)).x)
    for _ in range(4):  # Newton's steps, for the last digits
        curvature = _curvature(objective, logs)
        if np.abs(logs).max() >= _EDGE - _STEP or not np.linalg.eigvalsh(curvature)[0] > 0:
            raise NotConvergedError(f"The {what} does not fit these purchases: its likelihood has no maximum.")
        logs = logs + np.clip(np.linalg.solve(curvature, objective(logs)[1]), -0.1, 0.1)
    if not np.abs(objective(logs)[1]).max() <= _FLAT:
        raise NotConvergedError(f"The search for the {what} of these purchases did not come to an end.")
    return logs, np.asarray(np.linalg.inv(_curvature(objective, logs)) / n)


def _curvature(objective: Objective, logs: np.ndarray) -> np.ndarray:
    """Negative second derivatives of the mean log-likelihood, by central differences of its gradient."""
    steps = np.eye(len(logs)) * _STEP
    rows = [(objective(logs - step)[1] - objective(logs + step)[1]) / (2 * _STEP) for step in steps]
    return np.asarray((np.array(rows) + np.array(rows).T) / 2)


@dataclass(frozen=True)
class BetaGeometricNBD:
    """A fitted BG/NBD model.

    Attributes
    ----------
    r, alpha : float > 0
        Buying rates among customers follow a gamma distribution of shape r and rate alpha.
    a, b : float > 0
        Chances of dropping out after a purchase follow a beta distribution.
    log_likelihood : float
        Of all customers together, in nats.
    n : int
    covariance : float64 array of shape (4, 4), or None for a model that was not fitted
        Of the logarithms of r, alpha, a, b.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n: int
    covariance: np.ndarray | None = field(default=None, compare=False, repr=False)

    @classmethod
    def fit(cls, summary: RepeatSummary) -> BetaGeometricNBD:
        """Maximise the likelihood; raises NotConvergedError when there is no maximum (for example when nobody ever came back)."""
        x, t, age = summary.frequency, summary.recency, summary.age
        if not len(x) or x.max() <= 0:
            raise NotConvergedError("No customer bought twice, so repeat buying cannot be learnt from.")
        scale = float(age.max()) / 10 or 1.0  # as in the paper's own hint: times of about 1 are easy on the search
        starts = (np.zeros(4), np.array([-1.0, 0.0, -0.5, 1.0]))
        logs, covariance = maximum(_objective(x, t / scale, age / scale), starts, len(x), "BG/NBD model")
        r, alpha, a, b = (float(value) for value in np.exp(logs))
        found = np.array([r, alpha * scale, a, b])
        total = len(x) * _objective(x, t, age)(np.log(found))[0]
        return cls(r, alpha * scale, a, b, float(total), len(x), covariance)

    def drawn(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Return parameters as other samples of customers might have given them; float64 of shape (draws, 4), columns r, alpha, a, b.

        Logarithms are drawn from the normal distribution of a large sample, ``covariance``.
        """
        if self.covariance is None:
            raise ValueError("This model was not fitted, so nothing is known of the spread of its parameters.")
        return drawn(np.log([self.r, self.alpha, self.a, self.b]), self.covariance, draws, rng)

    def probability_alive(self, summary: RepeatSummary) -> np.ndarray:
        """Return the probability that each customer has not dropped out by the end of the observation; float64 of shape (n,).

        It is 1 for a customer who never came back: in this model nobody leaves before a second purchase (Fader, Hardie and Lee 2008,
        "Computing P(alive) using the BG/NBD model").
        """
        x, t, age = summary.frequency, summary.recency, summary.age
        repeats = np.maximum(x, 1.0)
        odds = (
            np.log(self.a)
            - np.log(self.b + repeats - 1)
            + (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + t))
        )
        return np.asarray(np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0))

    def expected_purchases(self, summary: RepeatSummary, ahead: float, *, discount: float = 0.0) -> np.ndarray:
        """Return the repeat purchases that each customer is expected to make in the time ahead.

        Parameters
        ----------
        summary : RepeatSummary
            In the unit of time of the fit.
        ahead : float >= 0
            Length of the period after the end of the observation, same unit.
        discount : float >= 0
            Continuous rate for the unit of time; a purchase at time s counts exp(-discount s). At 0 purchases are just counted.

        Returns
        -------
        float64 array of shape (n,)

        Notes
        -----
        Without discount this is equation 10 of the paper. It is computed as the integral over time of the expected buying rate,
        P(alive) (r + x) / (alpha + T) 2F1(r + x + 1, a; a + b + x; -s / (alpha + T)), because the closed form divides by a - 1 and
        its 2F1 loses digits for frequent buyers.
        """
        if ahead < 0 or discount < 0:
            raise ValueError("The time ahead and the discount cannot be negative.")
        pairs, place = np.unique(
            summary.frequency + 1j * summary.age, return_inverse=True
        )  # recency is in P(alive) alone
        if_alive = self._bought_if_alive(pairs.real, pairs.imag, ahead, discount)[place]
        return np.asarray(if_alive * self.probability_alive(summary))

    def _bought_if_alive(self, x: np.ndarray, age: np.ndarray, ahead: float, discount: float) -> np.ndarray:
        from scipy.special import hyp2f1

        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        width = np.log1p(ahead / (self.alpha + age))[:, None] / 2
        stretched = np.exp(width * (1 + nodes))  # 1 + s / (alpha + T) at each point
        moment = (self.alpha + age)[:, None] * (stretched - 1)
        share = hyp2f1(self.a + self.b - self.r - 1, self.a, self.a + self.b + x[:, None], 1 - 1 / stretched)
        rate = stretched ** (1 - self.a) * share * np.exp(-discount * moment)
        return np.asarray((self.r + x) * ((rate * width) @ weights))


def drawn(logs: np.ndarray, covariance: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return positive parameters whose logarithms are normal; float64 of shape (draws, k)."""
    root = np.linalg.cholesky(covariance)
    return np.asarray(np.exp(np.clip(logs + rng.standard_normal((draws, len(logs))) @ root.T, -_EDGE, _EDGE)))


def _objective(x: np.ndarray, t: np.ndarray, age: np.ndarray) -> Objective:
    """Mean log-likelihood and its gradient: equation 6 of the paper, in the form that its authors' note gives for computing.

    Terms of the frequency alone are computed once for each frequency.
    """
    from scipy.special import digamma, gammaln

    counts, times = np.unique(x, return_counts=True)
    again, n, repeats = x > 0, len(x), np.maximum(x, 1.0)

    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, a, b = parameters = np.exp(logs)
        log_age, log_last = np.log(alpha + age), np.log(alpha + t)
        still = -(r + x) * log_age
        gone = np.where(again, np.log(a) - np.log(b + repeats - 1) - (r + x) * log_last, -np.inf)
        either = np.logaddexp(still, gone)
        weight = np.exp(gone - either)
        value = gammaln(r + counts) - gammaln(r) + r * np.log(alpha)
        value += gammaln(a + b) + gammaln(b + counts) - gammaln(b) - gammaln(a + b + counts)
        rates = ((digamma(r + counts) - digamma(r)) * times).sum() + n * np.log(alpha)
        chances = ((digamma(a + b) - digamma(a + b + counts)) * times).sum()
        stays = ((digamma(b + counts) - digamma(b)) * times).sum()
        gradient = [
            rates - ((1 - weight) * log_age + weight * log_last).sum(),
            n * r / alpha - ((r + x) * ((1 - weight) / (alpha + age) + weight / (alpha + t))).sum(),
            chances + weight.sum() / a,
            chances + stays - (weight / (b + repeats - 1)).sum(),
        ]
        return float((value * times).sum() + either.sum()) / n, np.array(gradient) * parameters / n

    return objective
