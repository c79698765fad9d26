"""When in their life customers leave: departures for each month of exposure, by stretch of tenure.

The share that is still there after a time is ``survival.py``'s affair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.survival import MINIMUM_EVENTS, check_level, checked_rows


@dataclass(frozen=True)
class TenureHazards:
    """Departures for each stretch of tenure; arrays of shape (bins,).

    Attributes
    ----------
    start, end : float64
        A bin holds the tenures ``start < t <= end``; the first also holds ``start`` itself.
    events : int64
    exposure : float64
        Time that customers spent within the bin, in the unit of the durations (customer-months when these are months).
    rate, low, high : float64
        Departures for each unit of exposure, with the exact Poisson interval; NaN without exposure.
    level : float
    enough : bool
        At least ``MINIMUM_EVENTS`` departures in the bin.
    """

    start: np.ndarray
    end: np.ndarray
    events: np.ndarray
    exposure: np.ndarray
    rate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    enough: np.ndarray


def tenure_hazards(
    durations: np.ndarray,
    events: np.ndarray,
    edges: np.ndarray,
    entry: np.ndarray | None = None,
    *,
    level: float = 0.95,
) -> TenureHazards:
    """Return the rate of leaving within each stretch of tenure.

    Interval: Garwood (1936), "Fiducial limits for the Poisson distribution", Biometrika 28, 437-442, by quantiles of
    chi-squared: q(a/2, 2d) / 2 and q(1 - a/2, 2d + 2) / 2, divided by the exposure.

    Parameters
    ----------
    durations, events, entry, level
        As in ``kaplan_meier``.
    edges : float array of shape (bins + 1,), strictly rising, at least 0; the last may be infinite

    Raises
    ------
    ValueError
        As ``kaplan_meier`` does, and when the edges do not rise.
    """
    from scipy.special import chdtri

    durations, events, entry = checked_rows(durations, events, entry)
    check_level(level)
    edges = np.asarray(edges, dtype=np.float64)
    if len(edges) < 2 or not (np.diff(edges) > 0).all() or edges[0] < 0:
        raise ValueError("The edges of the tenure bins must rise, from 0 or above.")
    left = np.sort(durations[events])
    upto = np.searchsorted(left, edges, side="right")
    upto[0] = np.searchsorted(left, edges[0], side="left")
    counts = np.diff(upto).astype(np.int64)
    stay, before = (
        np.sort(durations),
        np.sort(np.maximum(entry, 0.0)),
    )  # sorted, so that sums do not depend on the order
    spent = np.diff([np.minimum(stay, edge).sum() - np.minimum(before, edge).sum() for edge in edges])
    tail = (1 - level) / 2
    exposure = np.where(spent > 0, spent, np.nan)
    low = np.where(counts > 0, chdtri(np.maximum(2 * counts, 1), 1 - tail) / 2, 0.0) / exposure
    high = chdtri(2 * counts + 2, tail) / 2 / exposure
    return TenureHazards(
        edges[:-1], edges[1:], counts, spent, counts / exposure, low, high, level, counts >= MINIMUM_EVENTS
    )
