"""How shops that have no contracts know who is still a customer: the BG/NBD model of repeat buying, fitted by our own code.

Customers buy at a rate of their own until, after a purchase, they silently drop out. What a customer is worth is not this module's work.

Fader, Hardie and Lee (2005), '"Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model', Marketing Science 24(2), 275-284.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EDGE = 12.0  # logarithms of the parameters are searched within -12 and 12


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
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n: int

    @classmethod
    def fit(cls, summary: RepeatSummary) -> BetaGeometricNBD:
        """Maximise the likelihood; raises NotConvergedError when there is no maximum (for example when nobody ever came back)."""
        from scipy.optimize import minimize

        x, t, age = summary.frequency, summary.recency, summary.age
        if not len(x) or x.max() <= 0:
            raise NotConvergedError("No customer bought twice, so repeat buying cannot be learnt from.")
        scale = float(age.max()) / 10 or 1.0  # as in the paper's own hint: times of about 1 are easy on the search

        def loss(logs: np.ndarray) -> float:
            value = -float(_log_likelihood(np.exp(logs), x, t / scale, age / scale).mean())
            return value if np.isfinite(value) else 1e10

        best = None
        for start in (np.zeros(4), np.array([-1.0, 0.0, -0.5, 1.0])):
            found = minimize(loss, start, method="L-BFGS-B", bounds=[(-_EDGE, _EDGE)] * 4, options={"maxiter": 2000})
            polished = minimize(
                loss, found.x, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-11}
            )
            if best is None or polished.fun < best.fun:
                best = polished
        assert best is not None
        if not best.success or np.abs(best.x).max() >= _EDGE:
            raise NotConvergedError("The BG/NBD model does not fit these purchases: its likelihood has no maximum.")
        r, alpha, a, b = (float(value) for value in np.exp(best.x))
        total = float(_log_likelihood(np.array([r, alpha * scale, a, b]), x, t, age).sum())
        return cls(r, alpha * scale, a, b, total, len(x))

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


def _log_likelihood(parameters: np.ndarray, x: np.ndarray, t: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Log-likelihood of each customer, equation 6 of the paper, in the form that its authors' note gives for computing."""
    from scipy.special import gammaln

    r, alpha, a, b = parameters
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    still = -(r + x) * np.log(alpha + age)
    gone = np.log(a) - np.log(b + np.maximum(x, 1.0) - 1) - (r + x) * np.log(alpha + t)
    return np.asarray(common + np.where(x > 0, np.logaddexp(still, gone), still))
