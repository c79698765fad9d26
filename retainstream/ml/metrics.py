"""Figures of merit, each for many weightings of the rows at once: one weighting is the figure, a thousand a bootstrap.

Everything takes ``weights`` of shape (b, n) and returns (b,). Resampling itself lives in ``bootstrap.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from retainstream.ml.report import CalibrationBin, GainPoint

ECE_BINS = 10
_LINE_BLOCKS = 2048  # the calibration line is fitted on so many blocks of neighbouring log-odds at most
_NEWTON_STEPS = 12
_PROBABILITY_EDGE = 1e-7

Metric = Callable[[np.ndarray], np.ndarray]


def clip_probability(p: np.ndarray) -> np.ndarray:
    """Keep probabilities a ten-millionth away from 0 and 1, so that log loss and log-odds exist."""
    return np.asarray(np.clip(p, _PROBABILITY_EDGE, 1 - _PROBABILITY_EDGE))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of clipped probabilities."""
    p = clip_probability(p)
    return np.asarray(np.log(p) - np.log1p(-p))


def sigmoid(margin: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(margin, dtype=np.float64))))


def row_log_loss(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return each row's negative log-likelihood, in nats, shape (n,)."""
    p = clip_probability(np.asarray(p, dtype=np.float64))
    return np.asarray(np.where(y == 1, -np.log(p), -np.log1p(-p)))


def mean_of(values: np.ndarray) -> Metric:
    """Return the metric that averages ``values`` of shape (n,) under each weighting."""

    def metric(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1, dtype=np.float64)
        return np.asarray((weights @ values.astype(weights.dtype)) / total)

    return metric


class Ranking:
    """Metrics of an order of the rows, highest score first; rows with equal scores are one block.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    score : array of shape (n,), without missing values
    """

    def __init__(self, y: np.ndarray, score: np.ndarray) -> None:
        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        self._y = y[self.order].astype(np.float32)
        self._last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))

    def _cumulated(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Churners and rows (weights) up to the end of each block of ties, shape (b, blocks)."""
        sorted_weights = weights[:, self.order]
        rows = np.cumsum(sorted_weights, axis=1, dtype=np.float64)
        churners = np.cumsum(sorted_weights * self._y, axis=1, dtype=np.float64)
        if len(self._last) < rows.shape[1]:
            rows, churners = rows[:, self._last], churners[:, self._last]
        return churners, rows

    def auc(self, weights: np.ndarray) -> np.ndarray:
        """Return the area under the ROC curve, shape (b,)."""
        return _auc(*self._cumulated(weights))

    def evaluate(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return auc, pr_auc (average precision) and top_decile_lift, each of shape (b,)."""
        churners, rows = self._cumulated(weights)
        total = churners[:, -1]
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(rows > 0, churners / rows, 0.0)
            average = (np.diff(churners, axis=1, prepend=0.0) * precision).sum(axis=1) / total
            lift = _at_share(churners, rows, 0.1) / (0.1 * total)
        return {"auc": _auc(churners, rows), "pr_auc": average, "top_decile_lift": lift}

    def found_at(self, weights: np.ndarray, shares: Sequence[float]) -> np.ndarray:
        """Return the share of all churners among the first ``shares`` of rows, shape (b, len(shares)); ties in proportion."""
        churners, rows = self._cumulated(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = [_at_share(churners, rows, share) / churners[:, -1] for share in shares]
        return np.column_stack(found)

    def gains(self, shares: np.ndarray) -> tuple[GainPoint, ...]:
        """Return the gain curve at the given shares of customers reached."""
        found = self.found_at(np.ones((1, len(self.order))), shares.tolist())[0].tolist()
        return tuple(GainPoint(share, part, part / share) for share, part in zip(shares.tolist(), found, strict=True))


def _auc(churners: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Share of (churner, stayer) pairs in the right order, ties counting half, from cumulated counts."""
    stayers = rows - churners
    step = np.diff(churners, axis=1, prepend=0.0)
    not_above = stayers[:, -1:] - stayers
    not_above += 0.5 * np.diff(stayers, axis=1, prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((step * not_above).sum(axis=1) / (churners[:, -1] * stayers[:, -1]))


def _at_share(churners: np.ndarray, rows: np.ndarray, share: float) -> np.ndarray:
    """Churners among the first ``share`` of rows; a block of ties is taken in proportion."""
    found = np.empty(len(rows))
    for b in range(len(rows)):
        found[b] = np.interp(share * rows[b, -1], rows[b], churners[b])
        if share * rows[b, -1] < rows[b, 0]:  # inside the first block, which begins at (0, 0)
            found[b] = churners[b, 0] * share * rows[b, -1] / rows[b, 0]
    return found


class Calibration:
    """Metrics of probabilities: calibration line, expected calibration error, and decisions at a threshold."""

    def __init__(self, y: np.ndarray, probability: np.ndarray, threshold: float) -> None:
        self.order = np.argsort(probability, kind="stable")
        self._y = y[self.order].astype(np.float32)
        self._p = clip_probability(np.asarray(probability, dtype=np.float64)[self.order])
        n = len(y)
        self._bins = np.linspace(0, n, min(ECE_BINS, n) + 1).astype(np.int64)[:-1]
        self._blocks = np.unique(np.linspace(0, n, min(_LINE_BLOCKS, n) + 1).astype(np.int64)[:-1])
        sizes = np.diff(np.append(self._blocks, n))
        self._x = np.add.reduceat(log_odds(self._p), self._blocks) / sizes
        self._first_reached = int(np.searchsorted(self._p, threshold, side="left"))

    def evaluate(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return calibration_slope, calibration_intercept, ece, precision, recall and f1, each of shape (b,)."""
        w = weights[:, self.order]
        wy = w * self._y
        slope, intercept = calibration_line(
            self._x, np.add.reduceat(w, self._blocks, axis=1), np.add.reduceat(wy, self._blocks, axis=1)
        )
        expected = np.add.reduceat(w * self._p.astype(w.dtype), self._bins, axis=1)
        gap = np.abs(np.add.reduceat(wy, self._bins, axis=1) - expected).sum(axis=1)
        reached, hits = (a[:, self._first_reached :].sum(axis=1, dtype=np.float64) for a in (w, wy))
        total, churners = w.sum(axis=1, dtype=np.float64), wy.sum(axis=1, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(reached > 0, hits / reached, 0.0)  # nobody reached: nobody found
            recall = hits / churners
            f1 = 2 * hits / (reached + churners)
        return {
            "ece": gap / total,
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }

    def curve(self) -> tuple[CalibrationBin, ...]:
        """Return the equal-count bins behind the expected calibration error."""
        bins = []
        for y, p in zip(np.split(self._y, self._bins[1:]), np.split(self._p, self._bins[1:]), strict=True):
            low, high = wilson(float(y.sum()), len(y))
            bins.append(CalibrationBin(float(p.mean()), float(y.mean()), low, high, len(y)))
        return tuple(bins)

    def ece_when_perfect(self, rng: np.random.Generator, quantile: float = 0.99, draws: int = 2000) -> float:
        """Return the quantile of the expected calibration error that chance alone gives to perfect probabilities."""
        sizes = np.diff(np.append(self._bins, len(self._p)))
        variance = np.add.reduceat(self._p * (1 - self._p), self._bins)
        gaps = np.abs(rng.standard_normal((draws, len(sizes)))) * np.sqrt(variance)
        return float(np.quantile(gaps.sum(axis=1) / len(self._p), quantile))


def calibration_line(x: np.ndarray, w: np.ndarray, wy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the outcome on log-odds, and intercept with the slope held at 1, for many weightings.

    Parameters
    ----------
    x : array of shape (m,)
        Log-odds of each block of rows.
    w, wy : arrays of shape (b, m)
        Weight of all rows and of the churners in each block.

    Returns
    -------
    slope, intercept : arrays of shape (b,)
        1 and 0 mean calibrated. Both by Newton's method on the logistic likelihood (Cox 1958; Van Calster et al. 2019,
        "Calibration: the Achilles heel of predictive analytics").
    """
    intercept = np.zeros(len(w))
    middle = float(np.median(x))  # centred, so that level and slope hardly disturb each other
    a, slope = log_odds(wy.sum(1) / w.sum(1)), np.zeros(len(w))  # from flat: steep starts can run away
    centred = x - middle
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(x[None, :] + intercept[:, None])
        intercept += np.clip((wy - w * p).sum(1) / np.maximum((w * p * (1 - p)).sum(1), 1e-12), -2, 2)
        p = sigmoid(a[:, None] + slope[:, None] * centred)
        residual, curvature = wy - w * p, w * p * (1 - p)
        g0, g1 = residual.sum(1), residual @ centred
        h00, h01, h11 = curvature.sum(1), curvature @ centred, curvature @ (centred * centred)
        determinant = np.maximum(h00 * h11 - h01 * h01, 1e-12)
        a += np.clip((h11 * g0 - h01 * g1) / determinant, -4, 4)
        slope += np.clip((h00 * g1 - h01 * g0) / determinant, -2, 2)
    return slope, intercept


def wilson(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's (1927) interval of a share."""
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
