"""Value of repeat buyers: purchases expected by BG/NBD x amount expected by Gamma-Gamma x margin, discounted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.lifetime.spend import GammaGamma, known_spend
from retainstream.ml.lifetime.value import DAYS_OF_A_MONTH, LifetimeValues, require_terms
from retainstream.ml.repeat_buying import BetaGeometricNBD, RepeatSummary
from retainstream.ml.report import Estimate

_CELLS = 1_000_000  # draws x customers that are held at once
_LEAST_CHANCE = 1e-12  # of dropping out; numpy's geometric numbers need one
METHOD = (
    "Simulated: parameters are drawn from their large-sample spread, then for each draw and customer whether it is still there, its own "
    "rate and chance of dropping out, its purchases and their amounts."
)


@dataclass(frozen=True)
class BuyerValues(LifetimeValues):
    """Value of repeat buyers; further arrays of shape (n,).

    Attributes
    ----------
    alive : float64 array, above 0 to 1
        Probability of not having dropped out.
    purchases : float64 array
        Expected in the period, not discounted.
    purchases_low, purchases_high : float64 arrays
        Between which the customer's purchases are expected to lie.
    spend : float64 array
        Expected average amount of a purchase.
    """

    alive: np.ndarray
    purchases: np.ndarray
    purchases_low: np.ndarray
    purchases_high: np.ndarray
    spend: np.ndarray


def value_buyers(
    buying: BetaGeometricNBD,
    spending: GammaGamma,
    summary: RepeatSummary,
    average: np.ndarray,
    *,
    months: float = 12.0,
    margin: float = 1.0,
    annual_discount: float = 0.1,
    unit_days: float = 7.0,
    level: float = 0.95,
    draws: int = 500,
    random_state: int = 0,
) -> BuyerValues:
    """Value each buyer over the months that follow the end of the observation.

    Parameters
    ----------
    buying, spending : fitted models
    summary : RepeatSummary
        In the unit of time of ``buying``.
    average : float64 array of shape (n,)
        Average amount of each customer's repeat purchases; anything where there were none.
    months : float, above 0 to 240
    margin : float, above 0 to 1
        Share of an amount that remains after the cost of what was sold.
    annual_discount : float >= 0
    unit_days : float
        Days in the unit of time of ``buying``.
    level : float in (0, 1)
    draws : int, 20 or more
        The interval of a single customer is as coarse as draws are few.
    random_state : int

    Returns
    -------
    BuyerValues
        In the unit of the amounts.

    Notes
    -----
    Expected values are those of the fitted parameters, in closed form: exact integral over time of discounted purchases x expected
    amount, which assumes that amounts do not go with frequency (``GammaGamma.correlation``). Simulated amounts are discounted by each
    customer's own expected discount, not purchase by purchase.
    """
    require_terms(months, annual_discount, level)
    if not 0 < margin <= 1 or draws < 20:
        raise ValueError("The margin is a share above 0 and at most 1, and at least 20 draws are needed.")
    ahead = months * DAYS_OF_A_MONTH / unit_days
    rate = float(np.log1p(annual_discount)) * unit_days / 365.25
    purchases = buying.expected_purchases(summary, ahead)
    discounted = buying.expected_purchases(summary, ahead, discount=rate)
    spend = spending.expected_spend(summary.frequency, average)
    factor = margin * np.divide(discounted, purchases, out=np.ones_like(purchases), where=purchases > 0)
    value = margin * discounted * spend
    world = _World(buying, spending, ahead, draws, np.random.default_rng(random_state))
    bounds, (low, high) = world.bounds(summary, average, factor, level)
    return BuyerValues(
        value=value,
        low=bounds[0],
        high=bounds[1],
        total=Estimate(float(value.sum()), low, high),
        months=months,
        annual_discount=annual_discount,
        level=level,
        method=METHOD,
        unknown=0,
        alive=buying.probability_alive(summary),
        purchases=purchases,
        purchases_low=bounds[2],
        purchases_high=bounds[3],
        spend=spend,
    )


class _World:
    """Futures under parameters that are drawn once: row d of every chunk is the same world, so that rows of chunks can be summed."""

    def __init__(
        self, buying: BetaGeometricNBD, spending: GammaGamma, ahead: float, draws: int, rng: np.random.Generator
    ) -> None:
        self._r, self._alpha, self._a, self._b = buying.drawn(draws, rng).T[:, :, None]
        self._p, self._q, self._v = spending.drawn(draws, rng).T[:, :, None]
        self._ahead, self._draws, self._rng = ahead, draws, rng

    def bounds(
        self, summary: RepeatSummary, average: np.ndarray, factor: np.ndarray, level: float
    ) -> tuple[np.ndarray, tuple[float, float]]:
        """Return the lower and upper ends of each customer's value and purchases, shape (4, n), and those of the sum of values."""
        n, draws = len(factor), self._draws
        bounds, totals = np.zeros((4, n)), np.zeros(draws)
        levels = [(1 - level) / 2, (1 + level) / 2]
        x, money = known_spend(summary.frequency, average)
        for start in range(0, n, step := max(1, _CELLS // draws)):
            rows = slice(start, start + step)
            bought, amounts = self.futures(summary, x, money, rows)
            worth = amounts * factor[rows]
            totals += worth.sum(axis=1)
            bounds[:2, rows] = np.quantile(worth, levels, axis=0)
            bounds[2:, rows] = np.quantile(bought, levels, axis=0, method="inverted_cdf")
        low, high = np.quantile(totals, levels)
        return bounds, (float(low), float(high))

    def futures(
        self, summary: RepeatSummary, spent: np.ndarray, money: np.ndarray, rows: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw purchases and their summed amounts; both of shape (draws, customers in ``rows``)."""
        rng = self._rng
        x, t, age = summary.frequency[rows], summary.recency[rows], summary.age[rows]
        repeats = np.maximum(x, 1.0)
        odds = self._a / (self._b + repeats - 1) * ((self._alpha + age) / (self._alpha + t)) ** (self._r + x)
        there = rng.random(odds.shape) * (1 + np.where(x > 0, odds, 0.0)) < 1
        world, who = np.nonzero(there)
        r, alpha, a, b = (parameter[world, 0] for parameter in (self._r, self._alpha, self._a, self._b))
        speed = rng.standard_gamma(r + x[who]) / (alpha + age[who])
        leaving = np.maximum(rng.beta(a, b + x[who]), _LEAST_CHANCE)
        times = np.minimum(
            rng.poisson(speed * self._ahead), rng.geometric(leaving)
        )  # the purchase after which it leaves
        some = times > 0
        world, who, times = world[some], who[some], times[some]
        p, q, v = (parameter[world, 0] for parameter in (self._p, self._q, self._v))
        inverse = rng.standard_gamma(q + p * spent[rows][who]) / (v + spent[rows][who] * money[rows][who])
        bought, amounts = np.zeros(there.shape), np.zeros(there.shape)
        bought[world, who] = times
        amounts[world, who] = rng.standard_gamma(p * times) / inverse
        return bought, amounts
