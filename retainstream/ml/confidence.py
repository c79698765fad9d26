"""Venn-Abers intervals: how well the data at hand pin down a probability.

Here live the inductive Venn-Abers predictor, and the interval and the ``confidence`` that people see: the hull of p0, p1 and the calibrated
probability. Two calibrations of one score, the isotonic pair and the calibrator's curve, need not agree; where they do not, that is what is not
known of the probability, and the hull is as wide. Not here: the calibrator that makes the probability, and the share of probabilities outside
[p0, p1], which the training report states.

For a new margin s, p0 is the isotonic regression of the calibration rows plus (s, 0), read at s, and p1 the same with
(s, 1): Vovk, Petej and Fedorova (2015), "Large-scale probabilistic predictors with and without guarantees of validity".
Both are step functions of s, computed once: the value at s is the slope of the greatest convex minorant over the step
that the added row makes in the cumulative sum diagram, and one sweep with a stack finds all slopes, O(n log n) with the
sort. Neighbouring steps of the same value are merged, which loses nothing: the kept form is exact at every margin.
The sums are whole numbers and the slopes their quotients, so that p0 <= p1 and both rise with s, to the bit.

The guarantee of validity assumes exchangeable rows. Out-of-fold margins of K boosters, and the mean margin of a new
customer, are close to that, not equal to it: the interval is a measure of evidence, not a promise.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["VennAbers", "confidence", "hull", "shown"]

Vector = npt.NDArray[np.float64]


def hull(p0: npt.ArrayLike, p1: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Vector, Vector]:
    """Return the smallest interval that holds the Venn-Abers pair and the probability, element by element.

    Parameters
    ----------
    p0, p1, probability : float arrays of one shape, 0..1, p0 <= p1
        NaN in any gives NaN.

    Returns
    -------
    low, high : float64 arrays
        low <= probability <= high, to the bit.
    """
    p = np.asarray(probability, dtype=np.float64)
    return np.asarray(np.minimum(p0, p)), np.asarray(np.maximum(p1, p))


def confidence(low: npt.ArrayLike, high: npt.ArrayLike) -> Vector:
    """Confidence of a prediction, 0..1: 1 - (high - low) of its interval as shown, element by element."""
    return 1.0 - (np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64))


def shown(p0: float, p1: float, probability: float | None) -> tuple[tuple[float, float] | None, float | None]:
    """Return interval and confidence of one score as people see them; None and None where the probability is withheld."""
    if probability is None:
        return None, None
    low, high = min(p0, probability), max(p1, probability)
    return (low, high), 1.0 - (high - low)


@dataclass(frozen=True, eq=False)
class VennAbers:
    """A fitted inductive Venn-Abers predictor.

    Parameters
    ----------
    low_knots : float64 array, shape (a,)
        Margins at which p0 steps up, ascending: p0 takes its next value *at* the knot.
    low : float64 array, shape (a + 1,)
        Values of p0 between the knots, ascending, 0..1.
    high_knots : float64 array, shape (b,)
        Margins at which p1 steps up, ascending: p1 takes its next value *after* the knot.
    high : float64 array, shape (b + 1,)
        Values of p1 between the knots, ascending, 0..1.
    rows : int
        Number of calibration rows.
    """

    low_knots: Vector
    low: Vector
    high_knots: Vector
    high: Vector
    rows: int

    @classmethod
    def fit(cls, margins: npt.ArrayLike, y: npt.ArrayLike) -> VennAbers:
        """Compute both step functions.

        Parameters
        ----------
        margins : float array, shape (n,)
            Margins of rows that their booster never saw (any rising score serves). Finite; n >= 1.
        y : int array, shape (n,)
            0 or 1. One class alone is allowed and gives wide intervals.

        Raises
        ------
        ValueError
            On no rows, unequal lengths, a margin that is not finite, or another label.
        """
        scores, labels = np.asarray(margins, dtype=np.float64), np.asarray(y)
        if scores.ndim != 1 or scores.shape != labels.shape or not len(scores):
            raise ValueError(f"Expected margins and labels of one length, got {scores.shape} and {labels.shape}.")
        if not np.isfinite(scores).all():
            raise ValueError("Margins must be finite numbers.")
        if not np.isin(labels, (0, 1)).all():
            raise ValueError("Labels must be 0 or 1.")
        cuts, place = np.unique(scores, return_inverse=True)
        weight = np.bincount(place)
        ones = np.bincount(place, weights=labels).astype(np.int64)
        top, bottom = _slopes(weight, ones)
        high, high_knots = _merged(top / bottom, cuts)
        # p0 is p1 of the mirrored problem (scores turned round, labels exchanged), subtracted from 1.
        top, bottom = _slopes(weight[::-1], (weight - ones)[::-1])
        low, low_knots = _merged(((bottom - top) / bottom)[::-1], cuts)
        return cls(low_knots, low, high_knots, high, len(scores))

    def interval(self, margins: npt.ArrayLike) -> tuple[Vector, Vector]:
        """Give p0 and p1 for each margin.

        Parameters
        ----------
        margins : float array, shape (n,)
            Infinite margins are allowed; NaN gives NaN.

        Returns
        -------
        p0, p1 : float64 arrays, shape (n,)
            0 <= p0 <= p1 <= 1, both rising with the margin.
        """
        scores = np.asarray(margins, dtype=np.float64)
        p0 = self.low[np.searchsorted(self.low_knots, scores, side="right")]
        p1 = self.high[np.searchsorted(self.high_knots, scores, side="left")]
        unknown = np.isnan(scores)
        if unknown.any():
            p0[unknown] = p1[unknown] = np.nan
        return p0, p1

    def single(self, margin: float) -> tuple[float, float]:
        """Give p0 and p1 for one margin, as :meth:`interval` does, in about a microsecond."""
        if math.isnan(margin):
            return float("nan"), float("nan")
        low_knots, low, high_knots, high = self._lists
        return low[bisect_right(low_knots, margin)], high[bisect_left(high_knots, margin)]

    @cached_property
    def _lists(self) -> tuple[list[float], list[float], list[float], list[float]]:
        return self.low_knots.tolist(), self.low.tolist(), self.high_knots.tolist(), self.high.tolist()

    def to_dict(self) -> dict[str, Any]:
        """Return the step functions as JSON-ready values; nothing is rounded."""
        low_knots, low, high_knots, high = self._lists
        return {"rows": self.rows, "low_knots": low_knots, "low": low, "high_knots": high_knots, "high": high}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VennAbers:
        """Rebuild a predictor from :meth:`to_dict`.

        Raises
        ------
        ValueError
            When the numbers are not two rising step functions within 0..1.
        """
        try:
            names = ("low_knots", "low", "high_knots", "high")
            low_knots, low, high_knots, high = (np.asarray(data[name], dtype=np.float64) for name in names)
            made = cls(low_knots, low, high_knots, high, int(data["rows"]))
        except (KeyError, TypeError) as error:
            raise ValueError("The saved intervals are not complete.") from error
        for knots, values in ((low_knots, low), (high_knots, high)):
            sound = values.ndim == knots.ndim == 1 and len(values) == len(knots) + 1
            if not (sound and np.isfinite(knots).all() and np.all(np.diff(knots) > 0) and np.all(np.diff(values) >= 0)):
                raise ValueError("The saved intervals are not rising steps.")
            if not np.all((values >= 0) & (values <= 1)):
                raise ValueError("The saved intervals leave 0 to 1.")
        return made


def _merged(values: Vector, cuts: Vector) -> tuple[Vector, Vector]:
    """Drop the cuts at which the value stays the same: values (k + 1,) and cuts (k,) to the steps that matter."""
    steps = np.flatnonzero(values[1:] != values[:-1])
    return np.concatenate([values[:1], values[steps + 1]]), cuts[steps]


def _slopes(weight: npt.NDArray[np.int64], ones: npt.NDArray[np.int64]) -> tuple[Vector, Vector]:
    """p1 for a row added before each group of equal scores, and after the last, as numerators and denominators.

    Parameters
    ----------
    weight, ones : int64 arrays, shape (k,)
        Rows, and rows labelled 1, of each group, in ascending order of score.

    Notes
    -----
    With cumulative points ``P_0..P_k``, the row (s, 1) before group i moves ``P_0..P_i`` by (-1, -1). ``hull`` holds the
    greatest convex minorant from the current left end rightwards (last item leftmost). Going on to i + 1 adds the moved
    point ``P_{i+1} - (1, 1)``: above the current segment it changes nothing; below it, it is the new left end, and the
    points that are no longer on the minorant leave. Whole numbers throughout, so the turns are decided exactly.
    """
    xs = [0, *np.cumsum(weight).tolist()]
    ys = [0, *np.cumsum(ones).tolist()]
    hull: list[tuple[int, int]] = []
    for x, y in zip(reversed(xs), reversed(ys), strict=True):
        _push(hull, x, y)
    _push(hull, -1, -1)
    tops, bottoms = [], []
    for x, y in zip(xs[1:], ys[1:], strict=True):
        (x0, y0), (x1, y1) = hull[-1], hull[-2]
        tops.append(y1 - y0)
        bottoms.append(x1 - x0)
        if (y - 1 - y0) * (x1 - x0) < (y1 - y0) * (x - 1 - x0):
            hull.pop()
            _push(hull, x - 1, y - 1)
    (x0, y0), (x1, y1) = hull[-1], hull[-2]
    tops.append(y1 - y0)
    bottoms.append(x1 - x0)
    return np.asarray(tops, dtype=np.float64), np.asarray(bottoms, dtype=np.float64)


def _push(hull: list[tuple[int, int]], x: int, y: int) -> None:
    """Add a point to the left of a convex minorant; points that now lie on or above it leave."""
    while len(hull) > 1:
        (x1, y1), (x2, y2) = hull[-1], hull[-2]
        if (y1 - y) * (x2 - x) < (y2 - y) * (x1 - x):
            break
        hull.pop()
    hull.append((x, y))
