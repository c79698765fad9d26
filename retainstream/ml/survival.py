"""How long customers stay: Kaplan-Meier curves with intervals, and how many customers each point of them rests on.

Times are in whatever unit the caller chose, counted from the day a customer joined. Who counts as having left, and on
which day, is decided elsewhere. Groups are compared in ``group_survival.py``, rates of leaving by tenure are in
``tenure.py``, the table of months by cohort is in ``cohorts.py``.

A customer is at risk at time t when ``entry < t <= duration``. Somebody who had been a customer before the data begin
enters late (left truncation): without the entry time the curve would be too good, for those who left earlier were
never seen. An entry time of 0 means seen from the very start, so at risk at time 0 as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MINIMUM_EVENTS = 10  # a curve of fewer departures is drawn, but marked
_HALF = 0.5 + 1e-12  # a product of fractions that should be one half may miss it by rounding


@dataclass(frozen=True)
class Evidence:
    """Whether there is enough to read something into a figure; too little is said, not raised.

    Attributes
    ----------
    enough : bool
    have, needed : float
        Departures that there are, and that the rule asks for.
    rule : str
        The rule in one sentence.
    """

    enough: bool
    have: float
    needed: float
    rule: str


@dataclass(frozen=True)
class CurvePoints:
    """A curve read off at given times; float64 arrays of shape (m,), NaN where the data say nothing."""

    time: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class RestrictedMean:
    """Mean time as a customer within the first ``horizon``, in the unit of the durations, with standard error and interval."""

    horizon: float
    mean: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier curve; arrays are of shape (k,), one place for each distinct time at which somebody left.

    Attributes
    ----------
    time : float64, rising
    survival : float64 within 0 and 1
        Share still there just after ``time``; before the first departure it is 1.
    low, high : float64
        Pointwise log(-log) interval; NaN where the share is 0, for which there is none.
    standard_error : float64
        Greenwood's, of the share; NaN where the share is 0.
    at_risk, events : int64
        Customers at risk just before, and departures at, ``time``.
    n, n_events : int
        Customers with any time at risk, and departures among them.
    follow_up : float
        The longest duration; NaN when there is nobody. Nothing is known beyond it.
    median, median_low, median_high : float or None
        First time at which the share (or its interval's limit) is at or below one half; None when it never is.
    level : float
        Coverage of the intervals.
    evidence : Evidence
    """

    time: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    n: int
    n_events: int
    follow_up: float
    median: float | None
    median_low: float | None
    median_high: float | None
    level: float
    evidence: Evidence

    def at(self, times: np.ndarray) -> CurvePoints:
        """Read the curve off at ``times`` of shape (m,); beyond the longest duration it is NaN, unless nobody remained."""
        times = np.asarray(times, dtype=np.float64)
        place = np.searchsorted(self.time, times, side="right")
        gone = bool(len(self.survival)) and self.survival[-1] == 0
        known = (times >= 0) & ((times <= self.follow_up) | gone)
        read = (np.where(known, np.append(1.0, part)[place], np.nan) for part in (self.survival, self.low, self.high))
        return CurvePoints(times, *read)

    def restricted_mean(self, horizon: float) -> RestrictedMean | None:
        """Return the area under the curve up to ``horizon``; None when nobody was followed for so long.

        Variance as in Klein and Moeschberger, Survival Analysis (2nd ed. 2003), section 4.5: for each departure time
        the squared area that lies after it, weighted by Greenwood's term. The interval is the normal one.
        """
        from scipy.special import ndtri

        if not horizon > 0:
            raise ValueError("The horizon of a restricted mean must be above 0.")
        if not (horizon <= self.follow_up or (len(self.survival) and self.survival[-1] == 0)):
            return None
        inside = self.time <= horizon
        edges = np.concatenate([[0.0], self.time[inside], [horizon]])
        areas = np.append(1.0, self.survival[inside]) * np.diff(edges)
        after = np.cumsum(areas[::-1])[::-1][1:]
        weight = _greenwood(self.at_risk[inside], self.events[inside])
        error = float(np.sqrt((after[after > 0] ** 2 * weight[after > 0]).sum()))
        mean, z = float(areas.sum()), float(ndtri(0.5 + self.level / 2))
        return RestrictedMean(horizon, mean, error, max(mean - z * error, 0.0), min(mean + z * error, horizon))


def kaplan_meier(
    durations: np.ndarray, events: np.ndarray, entry: np.ndarray | None = None, *, level: float = 0.95
) -> SurvivalCurve:
    """Estimate the share of customers that stay beyond each time.

    Kaplan and Meier (1958), "Nonparametric estimation from incomplete observations", JASA 53, 457-481:
    S(t) = product over times u <= t of (1 - d_u / n_u). Variance by Greenwood (1926): S(t)^2 times the sum of
    d_u / (n_u (n_u - d_u)). Interval on the log(-log) scale, S^exp(+-z s / log S), which stays within 0 and 1
    (Kalbfleisch and Prentice 1980); of the median by Brookmeyer and Crowley (1982), read off that interval.

    Parameters
    ----------
    durations : float array of shape (n,), at least 0, without missing values
        Time from joining to leaving or, for those still there, to the end of the data.
    events : bool array of shape (n,)
        True for those who left.
    entry : float array of shape (n,), at most ``durations``, optional
        Time since joining at which each customer was first seen; see the top of this module. A row whose entry equals
        its duration was never at risk and counts nowhere.
    level : float within 0 and 1

    Returns
    -------
    SurvivalCurve
        The same to the bit in whatever order the rows come.

    Raises
    ------
    ValueError
        When lengths differ, a value is missing or negative, or an entry comes after its duration.
    """
    durations, events, entry = checked_rows(durations, events, entry)
    check_level(level)
    time, count = np.unique(durations[events], return_counts=True)
    at_risk = count_at_risk(np.sort(durations), np.sort(entry), time)
    survival = np.cumprod(1 - count / at_risk)
    low, high, error = _interval(survival, np.cumsum(_greenwood(at_risk, count)), level)
    left = int(events.sum())
    return SurvivalCurve(
        time=time,
        survival=survival,
        low=low,
        high=high,
        standard_error=error,
        at_risk=at_risk,
        events=count.astype(np.int64),
        n=len(durations),
        n_events=left,
        follow_up=float(durations.max()) if len(durations) else float("nan"),
        median=_first_at_half(time, survival),
        median_low=_first_at_half(time, low),
        median_high=_first_at_half(time, high),
        level=level,
        evidence=_evidence(left, time, survival, durations),
    )


def number_at_risk(durations: np.ndarray, times: np.ndarray, entry: np.ndarray | None = None) -> np.ndarray:
    """Return how many customers are at risk just before each of ``times``; int64 of shape (m,), for the table under a chart."""
    durations, _, entry = checked_rows(durations, np.zeros(len(durations), bool), entry)
    return count_at_risk(np.sort(durations), np.sort(entry), np.asarray(times, dtype=np.float64))


def _evidence(left: int, time: np.ndarray, survival: np.ndarray, durations: np.ndarray) -> Evidence:
    """Enough departures, and no early moment at which the few who had been seen by then had all left."""
    collapsed = left and survival[-1] == 0 and bool((durations > time[survival == 0][0]).any())
    if collapsed:
        rule = f"Everybody seen by {time[survival == 0][0]:g} had left while others were not seen yet: start the curve later."
        return Evidence(False, left, MINIMUM_EVENTS, rule)
    rule = f"A curve needs {MINIMUM_EVENTS} customers who left, at least."
    return Evidence(left >= MINIMUM_EVENTS, left, MINIMUM_EVENTS, rule)


def checked_rows(
    durations: np.ndarray, events: np.ndarray, entry: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check the rows and leave out those never at risk; entries at 0 become minus infinity."""
    durations = np.asarray(durations, dtype=np.float64)
    events = np.asarray(events, dtype=bool)
    start = np.zeros(len(durations)) if entry is None else np.asarray(entry, dtype=np.float64)
    if not durations.shape == events.shape == start.shape or durations.ndim != 1:
        raise ValueError("Durations, departures and entries must be columns of one length.")
    if not (
        np.isfinite(durations).all() and np.isfinite(start).all() and (durations >= 0).all() and (start >= 0).all()
    ):
        raise ValueError("Durations and entries must be known, finite and at least 0.")
    if (start > durations).any():
        raise ValueError("A customer cannot be seen for the first time after the end of the time as a customer.")
    kept = ~never_at_risk(durations, start)
    return durations[kept], events[kept], np.where(start[kept] > 0, start[kept], -np.inf)


def never_at_risk(durations: np.ndarray, entry: np.ndarray) -> np.ndarray:
    """First seen in the very moment of leaving: says nothing."""
    return np.asarray((np.asarray(entry) > 0) & (np.asarray(entry) == np.asarray(durations)))


def check_level(level: float) -> None:
    """Raise ValueError unless the coverage of an interval lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError("The level of an interval must lie between 0 and 1.")


def count_at_risk(durations: np.ndarray, entry: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Customers with entry < t <= duration for each t; both columns sorted, each on its own."""
    come, gone = (np.searchsorted(column, times, side="left") for column in (entry, durations))
    return np.asarray(come - gone, dtype=np.int64)


def _greenwood(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return d / (n (n - d)); infinite where all who were at risk leave."""
    stay = (at_risk - events).astype(np.float64)
    return np.asarray(np.divide(events / at_risk, stay, out=np.full(len(stay), np.inf), where=stay > 0))


def _interval(survival: np.ndarray, greenwood: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits of the log(-log) interval and Greenwood's standard error, NaN where nobody remains."""
    from scipy.special import ndtri

    some = survival > 0
    share, spread = np.where(some, survival, 0.5), np.sqrt(np.where(some, greenwood, 1.0))
    stretch = np.exp(float(ndtri(0.5 + level / 2)) * spread / -np.log(share))
    limits = (share**stretch, share ** (1 / stretch), share * spread)
    low, high, error = (np.where(some, part, np.nan) for part in limits)
    return low, high, error


def _first_at_half(time: np.ndarray, curve: np.ndarray) -> float | None:
    below = np.flatnonzero(curve <= _HALF)  # NaN is not below
    return float(time[below[0]]) if len(below) else None
