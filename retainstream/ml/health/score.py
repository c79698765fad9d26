"""From facts about customers to a score of 0 to 100 whose parts can be seen: points of each part x its weight.

Whether a score says anything of who leaves is judged in ``backtest.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Part:
    """One part of a health score.

    Parameters
    ----------
    name : str
        Short and unique within a scheme.
    title : str
        As a person reads it.
    weight : float >= 0
        Only the relation of weights counts.
    good : "high" or "low"
        Which end of the values is healthy; for percentiles alone, as thresholds say it themselves.
    thresholds : tuple of (value, points), optional
        Two or more, by rising value, points from 0 to 100: straight lines between them, level outside. Without them a value's points are
        its percentile among the customers it is compared with: 100 x (share below + half the share equal), turned round for "low".

    Raises
    ------
    ValueError
        For a weight, direction or thresholds outside these rules.
    """

    name: str
    title: str
    weight: float
    good: Literal["high", "low"] = "high"
    thresholds: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"The weight of {self.title} cannot be negative.")
        if self.good not in ("high", "low"):
            raise ValueError(f'What is good for {self.title} is "high" or "low".')
        if self.thresholds is None:
            return
        values, given = np.array(self.thresholds, dtype=np.float64).reshape(-1, 2).T
        if len(values) < 2 or not (np.diff(values) > 0).all() or not np.isfinite(values).all():
            raise ValueError(f"The thresholds of {self.title} must be two or more values, each above the one before.")
        if not ((given >= 0) & (given <= 100)).all():
            raise ValueError(f"The points of {self.title} must lie from 0 to 100.")


@dataclass(frozen=True)
class Band:
    """Scores from ``lowest`` up to the next band."""

    name: str
    lowest: float


BANDS = (Band("critical", 0), Band("weak", 40), Band("fair", 60), Band("good", 80))


@dataclass(frozen=True)
class Scheme:
    """What a health score is made of.

    Parameters
    ----------
    parts : tuple of Part
        At least one with a weight above 0, no name twice.
    bands : tuple of Band
        From 0 upwards.

    Raises
    ------
    ValueError
        Otherwise.
    """

    parts: tuple[Part, ...]
    bands: tuple[Band, ...] = BANDS

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError("Two parts of a health score have the same name.")
        if not sum(part.weight for part in self.parts) > 0:
            raise ValueError("At least one part of a health score needs a weight above 0.")
        edges = [band.lowest for band in self.bands]
        if not edges or edges[0] != 0 or edges[-1] >= 100 or (np.diff(edges) <= 0).any():
            raise ValueError("Bands begin at 0 and rise, the last one below 100.")

    @property
    def weights(self) -> np.ndarray:
        """Weights of the parts, adding up to 100; float64 of shape (k,)."""
        given = np.array([part.weight for part in self.parts], dtype=np.float64)
        return np.asarray(100 * given / given.sum())


@dataclass(frozen=True)
class HealthScores:
    """Scores of n customers in k parts.

    Attributes
    ----------
    score : float64 array of shape (n,), 0 to 100
        NaN where no part with a weight is known.
    confidence : float64 array of shape (n,), 0 to 1
        Share of the weight whose parts are known; the others' weight is spread over these.
    band : int8 array of shape (n,)
        Place in the scheme's bands; -1 without a score.
    points : float64 array of shape (n, k), 0 to 100
        NaN where a value is missing.
    contributions : float64 array of shape (n, k)
        What each part brings; a row adds up to its score. 0 for a part that is not known.
    lost : float64 array of shape (n, k)
        What each known part falls short of; a row adds up to 100 less its score.
    """

    score: np.ndarray
    confidence: np.ndarray
    band: np.ndarray
    points: np.ndarray
    contributions: np.ndarray
    lost: np.ndarray


def points(scheme: Scheme, values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Turn values into points.

    Parameters
    ----------
    scheme : Scheme
    values : float array of shape (n, k)
        NaN is missing.
    reference : float array of shape (m, k), optional
        Customers that percentiles are taken among: keep one to compare days. By default those of ``values``.

    Returns
    -------
    float64 array of shape (n, k), 0 to 100
        NaN where a value is missing, and for a percentile among nobody.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(scheme.parts):
        raise ValueError(f"Values must have one column for each of the {len(scheme.parts)} parts.")
    among = values if reference is None else np.asarray(reference, dtype=np.float64)
    found = np.empty_like(values)
    for j, part in enumerate(scheme.parts):
        column = values[:, j]
        if part.thresholds is not None:
            edges, given = np.array(part.thresholds, dtype=np.float64).T
            found[:, j] = np.interp(column, edges, given)
        else:
            share = _percentile(column, among[:, j])
            found[:, j] = share if part.good == "high" else 100 - share
        found[np.isnan(column), j] = np.nan
    return found


def _percentile(column: np.ndarray, among: np.ndarray) -> np.ndarray:
    """100 x (share of ``among`` below + half the share equal)."""
    known = np.sort(among[~np.isnan(among)])
    if not len(known):
        return np.full(len(column), np.nan)
    distinct = known[np.append(True, known[1:] != known[:-1])]
    below = np.searchsorted(known, distinct, side="left")
    upto = np.append(below[1:], len(known))
    middle = (below + upto) / 2  # of those equal to each distinct value
    place = np.searchsorted(distinct, column, side="left")
    inside = np.minimum(place, len(distinct) - 1)
    equal = (place < len(distinct)) & (distinct[inside] == column)
    under = np.append(below, len(known))[place]
    return np.asarray(100 * np.where(equal, middle[inside], under) / len(known))


def score(
    scheme: Scheme,
    values: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> HealthScores:
    """Score customers.

    Parameters
    ----------
    scheme : Scheme
    values : float array of shape (n, k)
        NaN is missing: the part's weight goes to the known parts in proportion, and confidence falls.
    reference : float array of shape (m, k), optional
        As for :func:`points`.
    weights : float array of shape (k,) or (n, k), optional
        Instead of the scheme's, such as those of each customer's segment; 0 or more.

    Returns
    -------
    HealthScores
    """
    return from_points(scheme, points(scheme, values, reference), weights)


def from_points(scheme: Scheme, given: np.ndarray, weights: np.ndarray | None = None) -> HealthScores:
    """Weigh points of shape (n, k) as :func:`score` does."""
    own = np.broadcast_to(scheme.weights if weights is None else weights, given.shape)
    if not (own >= 0).all():
        raise ValueError("Weights cannot be negative or missing.")
    present = np.where(np.isnan(given), 0.0, own)
    known, total = present.sum(axis=1), own.sum(axis=1)
    some = known > 0
    share = np.divide(present, known[:, None], out=np.zeros_like(present), where=some[:, None])
    contributions = share * np.nan_to_num(given)
    result = np.where(some, np.clip(contributions.sum(axis=1), 0.0, 100.0), np.nan)
    edges = np.array([band.lowest for band in scheme.bands])
    band = np.where(some, np.searchsorted(edges, np.nan_to_num(result), side="right") - 1, -1).astype(np.int8)
    confidence = np.divide(known, total, out=np.zeros_like(known), where=total > 0)
    return HealthScores(result, confidence, band, given, contributions, 100 * share - contributions)
