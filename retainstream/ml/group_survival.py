"""Do groups of customers stay equally long? Their Kaplan-Meier curves side by side, and the log-rank test.

The curve of one group lives in ``survival.py``. A difference between groups is not a cause: people choose their plans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from retainstream.ml.survival import Evidence, SurvivalCurve, checked_rows, count_at_risk, kaplan_meier, never_at_risk

MINIMUM_EXPECTED = 5.0  # Cochran's rule for a chi-squared figure, on the expected departures of each group


@dataclass(frozen=True)
class LogRank:
    """The log-rank test of groups; arrays are of shape (g,), in the order of ``labels``.

    Attributes
    ----------
    labels : tuple
    observed : int64
    expected : float64
        Departures, and what they would be if all groups left at one common rate.
    chi2, p : float or None
        None when nothing can be compared: fewer than two groups in which anybody could have left.
    df : int
        Groups compared, less one.
    p_adjusted : float or None
        Among the tests of pairs: Holm's p (1979), which allows for there being several; else equal to ``p``.
    evidence : Evidence
        On the smallest of the expected counts of the groups compared.
    """

    labels: tuple[str | int, ...]
    observed: np.ndarray
    expected: np.ndarray
    chi2: float | None
    df: int
    p: float | None
    p_adjusted: float | None
    evidence: Evidence


@dataclass(frozen=True)
class Comparison:
    """Curves of groups and whether they differ.

    Attributes
    ----------
    labels : tuple, rising
    curves : tuple of SurvivalCurve
    table_times : float64 of shape (m,)
    at_risk : int64 of shape (groups, m)
        The number at risk table.
    log_rank : LogRank
    pairs : tuple of LogRank
        Every two groups; empty when there are only two, or when pairs were not asked for.
    """

    labels: tuple[str | int, ...]
    curves: tuple[SurvivalCurve, ...]
    table_times: np.ndarray
    at_risk: np.ndarray
    log_rank: LogRank
    pairs: tuple[LogRank, ...]


def compare(
    durations: np.ndarray,
    events: np.ndarray,
    labels: np.ndarray,
    entry: np.ndarray | None = None,
    *,
    table_times: np.ndarray | None = None,
    pairs: bool = True,
    level: float = 0.95,
) -> Comparison:
    """Draw a curve for each group and test whether all groups leave at the same rate.

    Unweighted log-rank test: Mantel (1966), Cancer Chemotherapy Reports 50, 163-170, for k groups with the
    hypergeometric covariance, as in Kalbfleisch and Prentice (2nd ed. 2002), section 1.4. A group in which no departure
    was to be expected takes no part, and costs no degree of freedom.

    Parameters
    ----------
    durations, events, entry, level
        As in ``kaplan_meier``.
    labels : array of shape (n,) of strings or integers, without missing values
    table_times : float array of shape (m,), optional
        Columns of the number at risk table; none by default.
    pairs : bool
        Also test every two groups, when there are more than two.

    Raises
    ------
    ValueError
        As ``kaplan_meier`` does, and when there is no row.
    """
    labels = np.asarray(labels)
    if labels.shape != np.shape(durations) or not len(labels):
        raise ValueError("Groups are compared by one label for each customer, and at least one customer.")
    kept = np.ones(len(labels), bool) if entry is None else ~never_at_risk(durations, entry)
    names, group = np.unique(labels, return_inverse=True)
    durations, events, entry = checked_rows(durations, events, entry)
    group = group[kept]
    parts = [group == place for place in range(len(names))]
    seen = np.maximum(entry, 0.0)
    curves = tuple(kaplan_meier(durations[part], events[part], seen[part], level=level) for part in parts)
    columns = np.asarray([] if table_times is None else table_times, dtype=np.float64)
    grid = np.unique(durations[events])
    ordered = [(np.sort(durations[part]), np.sort(entry[part])) for part in parts]
    table = np.stack([count_at_risk(*both, columns) for both in ordered])
    at_risk = np.stack([count_at_risk(*both, grid) for both in ordered])
    left = np.zeros_like(at_risk)
    for row, curve in zip(left, curves, strict=True):
        row[np.searchsorted(grid, curve.time)] = curve.events
    known = tuple(names.tolist())
    tested = _log_rank(known, at_risk, left)
    two = tuple(combinations(range(len(names)), 2)) if pairs and len(names) > 2 else ()
    each = [_log_rank((known[a], known[b]), at_risk[[a, b]], left[[a, b]]) for a, b in two]
    return Comparison(known, curves, columns, table, tested, _holm(each))


def _log_rank(labels: tuple[str | int, ...], at_risk: np.ndarray, left: np.ndarray) -> LogRank:
    """Test the groups whose counts at each departure time are given, both of shape (groups, times)."""
    from scipy.special import chdtrc

    total, gone = at_risk.sum(axis=0), left.sum(axis=0)
    some = gone > 0
    at_risk, left, total, gone = at_risk[:, some], left[:, some], total[some], gone[some]
    share = at_risk / total
    expected = share @ gone.astype(np.float64)
    spread = gone * (total - gone) / np.maximum(total - 1, 1)
    weighted = share * spread
    covariance = np.diag(weighted.sum(axis=1)) - weighted @ share.T
    observed = left.sum(axis=1)
    part = np.flatnonzero(expected > 0)
    df = max(len(part) - 1, 0)
    chi2 = None
    if df and spread.any():
        gap, inner = (observed - expected)[part[:-1]], covariance[np.ix_(part[:-1], part[:-1])]
        chi2 = float(gap @ np.linalg.pinv(inner, hermitian=True) @ gap)
    p = None if chi2 is None else float(chdtrc(df, chi2))
    least = float(expected[part].min()) if df else 0.0
    rule = f"A comparison needs {MINIMUM_EXPECTED:g} departures to be expected in each group, at least."
    evidence = Evidence(least >= MINIMUM_EXPECTED, least, MINIMUM_EXPECTED, rule)
    return LogRank(labels, observed, expected, chi2, df, p, p, evidence)


def _holm(tests: list[LogRank]) -> tuple[LogRank, ...]:
    """Adjust the p of several tests (Holm 1979, Scandinavian Journal of Statistics 6, 65-70)."""
    made = [place for place, test in enumerate(tests) if test.p is not None]
    made.sort(key=lambda place: tests[place].p or 0.0)
    adjusted, worst = list(tests), 0.0
    for rank, place in enumerate(made):
        worst = max(worst, min(1.0, (len(made) - rank) * (tests[place].p or 0.0)))
        adjusted[place] = replace(tests[place], p_adjusted=worst)
    return tuple(adjusted)
