"""Value of subscribers: the chance of still being there at the end of each month x the month's margin, discounted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retainstream.ml.lifetime.value import DAYS_OF_A_MONTH, LifetimeValues, require_terms
from retainstream.ml.report import Estimate
from retainstream.ml.survival import SurvivalCurve

_FEWEST = 10  # customers at risk below which a curve is not read but carried on
_TAIL = 12.0  # months before that point whose departures tell how it is carried on


class UnknownStayingError(ValueError):
    """Too few customers have left to say how long others will stay."""


@dataclass(frozen=True)
class Staying:
    """Chance of each customer to be there still at the end of months 1, 2, ...; float64 arrays of shape (n, months).

    Attributes
    ----------
    share : array, 0 to 1, falling along a row
        Rows of NaN where nothing is known.
    low, high : arrays
        What the chance might be as well; equal to ``share`` where nothing is known of its error.
    carried_on : float64 array of shape (n,), 0 to 1
        Share of the months that lie beyond what anything was observed for, where a constant rate of leaving is assumed.
    level : float
        Of ``low`` and ``high``.
    method : str
        Where the chances and their interval come from, as a sentence.
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    carried_on: np.ndarray
    level: float
    method: str


def staying_by_churn(
    probability: np.ndarray,
    horizon_days: float,
    months: int,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    level: float = 0.95,
) -> Staying:
    """Turn each customer's probability of leaving within a horizon into chances of staying, at a constant rate of leaving.

    Parameters
    ----------
    probability : float array of shape (n,), 0 to 1
        Calibrated; NaN where not known.
    horizon_days : float > 0
        Days that the probability is about.
    months : int, 1 to 240
    low, high : float arrays of shape (n,), optional
        Interval of the probability (Venn-Abers p0 and p1, for one).
    level : float
        What the caller says of that interval.

    Returns
    -------
    Staying
        Share (1 - p) ^ (days / horizon). Whoever is likely to leave leaves early, so that a mixture of customers decays ever more slowly,
        as observed curves do; one customer's own rate is taken as constant, which beyond the horizon is an assumption.
    """
    require_terms(months, 0.0, level)
    if not horizon_days > 0:
        raise ValueError("The horizon of a churn probability must be above 0 days.")
    powers = np.arange(1, int(months) + 1) * DAYS_OF_A_MONTH / horizon_days

    def share(chance: np.ndarray) -> np.ndarray:
        chance = np.asarray(chance, dtype=np.float64)
        if ((chance < 0) | (chance > 1)).any():
            raise ValueError("Probabilities of leaving lie between 0 and 1.")
        return np.asarray((1 - chance)[:, None] ** powers)

    expected = share(probability)
    beyond = float(np.mean(np.arange(1, int(months) + 1) * DAYS_OF_A_MONTH > horizon_days))
    return Staying(
        expected,
        expected if high is None else np.fmin(share(high), expected),
        expected if low is None else np.fmax(share(low), expected),
        np.full(len(expected), beyond),
        level,
        f"From each customer's probability of leaving within {horizon_days:g} days, at a constant rate.",
    )


def staying_by_curve(
    curves: Sequence[SurvivalCurve],
    which: np.ndarray,
    tenure: np.ndarray,
    months: int,
    *,
    unit_days: float = DAYS_OF_A_MONTH,
    level: float = 0.95,
) -> Staying:
    """Read chances off the Kaplan-Meier curve of each customer's plan or segment, given how long the customer has stayed already.

    Parameters
    ----------
    curves : sequence of SurvivalCurve
        One for each plan or segment.
    which : int array of shape (n,)
        Place of each customer's curve; below 0 where there is none.
    tenure : float array of shape (n,), 0 or more
        How long each has been there, in the unit of the curves; NaN where not known.
    months : int, 1 to 240
    unit_days : float
        Days in the unit of the curves; months by default.
    level : float in (0, 1)

    Returns
    -------
    Staying
        S(tenure + k) / S(tenure). The interval is Greenwood's of the hazard passed between the two, on the log scale; where nobody left in
        between, it reaches to the three departures that might have been missed ("rule of three"). Beyond the last departure after
        which ten customers remained, the curve is carried on at the rate of its last twelve months.

    Raises
    ------
    UnknownStayingError
        When a curve that is needed rests on too few departures (its own ``evidence``).
    """
    from scipy.special import ndtri

    require_terms(months, 0.0, level)
    month = DAYS_OF_A_MONTH / unit_days
    ahead = np.arange(1, int(months) + 1) * month
    n, z = len(tenure), float(ndtri(0.5 + level / 2))
    passed, low, high = np.full((3, n, len(ahead)), np.nan)
    carried = np.zeros(n)
    told = (which >= 0) & ~np.isnan(tenure)
    for place in np.unique(which[told]):
        rows = np.flatnonzero(told & (which == place))
        hazard = _Hazard(curves[place], _TAIL * month)
        start, end = tenure[rows, None], tenure[rows, None] + ahead
        passed[rows], low[rows], high[rows] = hazard.between(start, end, z)
        carried[rows] = (end > hazard.until).mean(axis=1)
    return Staying(
        np.exp(-passed),
        np.exp(-high),
        np.exp(-low),
        carried,
        level,
        "From the Kaplan-Meier curve of each customer's group, given the time stayed already; Greenwood's interval.",
    )


class _Hazard:
    """Hazard passed up to a time, its variance, and what carries it on beyond ``until``."""

    def __init__(self, curve: SurvivalCurve, tail: float) -> None:
        left, risk = curve.events.astype(np.float64), curve.at_risk.astype(np.float64)
        enough = risk - left >= _FEWEST
        if not (curve.evidence.enough and enough.any()):
            raise UnknownStayingError(f"Too few have left to say how long others stay. {curve.evidence.rule}")
        use = slice(0, int(np.flatnonzero(enough)[-1]) + 1)
        self._time, self._risk, left = curve.time[use], risk[use], left[use]
        if not enough[use].all():  # few at risk early on (late entries): those terms are kept, but never endless
            left = np.minimum(left, np.maximum(self._risk - 1, 0.0))
        self.until = float(self._time[-1])
        self._passed = np.append(0.0, np.cumsum(-np.log1p(-left / self._risk)))
        self._variance = np.append(0.0, np.cumsum(left / (self._risk * np.maximum(self._risk - left, 1.0))))
        length = min(tail, self.until) or 1.0
        begin = int(np.searchsorted(self._time, self.until - length, side="right"))
        self._rate = float(self._passed[-1] - self._passed[begin]) / length
        self._departures = float(left[begin:].sum())

    def between(self, start: np.ndarray, end: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hazard passed between two times, and its interval, so many standard errors wide to each side on the log scale."""
        more = self.passed(end) - self.passed(start)
        spread = np.sqrt(np.maximum(self.variance(end) - self.variance(start), 0.0))
        stretch = np.exp(z * np.divide(spread, more, out=np.zeros_like(more), where=more > 0))
        missed = 3.0 / self.remaining(start)
        return more, more / stretch, np.where(more > 0, more * stretch, missed)

    def passed(self, time: np.ndarray) -> np.ndarray:
        """Minus the logarithm of the share that stays beyond ``time``."""
        beyond = np.maximum(time - self.until, 0.0)
        return np.asarray(self._passed[np.searchsorted(self._time, time, side="right")] + self._rate * beyond)

    def variance(self, time: np.ndarray) -> np.ndarray:
        """Greenwood's sum; beyond the curve, of a rate that rests on so many departures."""
        beyond = self._rate * np.maximum(time - self.until, 0.0)
        own = self._variance[np.searchsorted(self._time, time, side="right")]
        return np.asarray(own + beyond**2 / max(self._departures, 1.0))

    def remaining(self, time: np.ndarray) -> np.ndarray:
        """Customers at risk at the next departure after ``time``, or at the last one."""
        return np.asarray(self._risk[np.minimum(np.searchsorted(self._time, time, side="left"), len(self._risk) - 1)])


def value_subscribers(staying: Staying, monthly_margin: np.ndarray, *, annual_discount: float = 0.1) -> LifetimeValues:
    """Value each subscriber over the months of ``staying``.

    Parameters
    ----------
    staying : Staying
    monthly_margin : float array of shape (n,), 0 or more
        Margin of a month; NaN where not known.
    annual_discount : float >= 0

    Returns
    -------
    LifetimeValues
        In the unit of the margins. A month's margin comes at its end, from those who are still there: sum over k of
        margin x share(k) / (1 + discount) ^ (k / 12).

    Notes
    -----
    A customer's interval is parametric and exact, of the month of leaving: with the chances ``low`` the most months that are reached with a chance
    above 1 - (1 - level) / 2, with the chances ``high`` those reached with a chance above (1 - level) / 2. The interval of the
    total joins two half widths as the root of their squares: customers leave independently (normal, by exact variances), and
    the chances err all in one direction, which is the careful side.
    """
    from scipy.special import ndtri

    margin, share = np.asarray(monthly_margin, dtype=np.float64), staying.share
    months = share.shape[1]
    require_terms(months, annual_discount, staying.level)
    if (margin < 0).any():
        raise ValueError("A monthly margin cannot be negative.")
    worth = (1 + annual_discount) ** (-np.arange(1, months + 1) / 12)
    sums = np.append(0.0, np.cumsum(worth))
    edge = (1 - staying.level) / 2
    known = ~np.isnan(share[:, 0]) & ~np.isnan(margin)
    shortest = sums[(staying.low > 1 - edge).sum(axis=1)]
    longest = sums[(staying.high > edge).sum(axis=1)]
    expected, pessimist, optimist = (chances @ worth for chances in (share, staying.low, staying.high))
    variance = np.maximum(share @ np.diff(sums**2) - expected**2, 0.0)
    value, worst, best = (float((margin * part)[known].sum()) for part in (expected, pessimist, optimist))
    luck = float(ndtri(1 - edge)) * float(np.sqrt((margin**2 * variance)[known].sum()))
    total = Estimate(value, value - float(np.hypot(value - worst, luck)), value + float(np.hypot(best - value, luck)))
    return LifetimeValues(
        value=np.where(known, margin * expected, np.nan),
        low=np.where(known, margin * shortest, np.nan),
        high=np.where(known, margin * longest, np.nan),
        total=total,
        months=months,
        annual_discount=annual_discount,
        level=staying.level,
        method=f"{staying.method} A customer's interval is that of the month of leaving.",
        unknown=int((~known).sum()),
    )
