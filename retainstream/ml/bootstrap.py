"""Intervals by resampling groups of rows: copies of a row are drawn together, every metric sees the same draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from retainstream.ml.report import Estimate

_CHUNK_CELLS = 4_000_000  # rows x draws held at once: 16 MB of float32

Metrics = dict[str, np.ndarray]


def draws_for(n: int) -> int:
    """Return how many draws are made for n rows: 1,000, 500 above 10,000 rows, 200 above 100,000."""
    return 1000 if n <= 10_000 else 500 if n <= 100_000 else 200


def weightings(groups: np.ndarray, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield chunks of shape (b, n), float32: how often each row is in each of ``draws`` resamplings of the groups."""
    n, n_groups = len(groups), int(groups.max()) + 1
    alone = n_groups == n
    chunk = max(1, min(draws, _CHUNK_CELLS // n))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        weights = np.empty((size, n), dtype=np.float32)
        for b in range(size):
            times = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
            weights[b] = times if alone else times[groups]
        yield weights


def resample(
    evaluate: Callable[[np.ndarray], Metrics],
    groups: np.ndarray,
    draws: int,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> tuple[dict[str, float], Metrics]:
    """Evaluate metrics on the rows as they are and on resamplings.

    Parameters
    ----------
    evaluate : callable
        Takes weights of shape (b, n), returns arrays of shape (b,) by name.
    groups : int64 array of shape (n,)
        Rows of a group are drawn together.
    draws : int
        Number of resamplings.
    rng : numpy Generator
    progress : callable, optional
        Told the share that is done.

    Returns
    -------
    values : dict of float
    replicates : dict of arrays of shape (draws,)
    """
    values = {name: float(array[0]) for name, array in evaluate(np.ones((1, len(groups)))).items()}
    parts: list[Metrics] = []
    done = 0
    for weights in weightings(groups, draws, rng):
        parts.append(evaluate(weights))
        done += len(weights)
        if progress is not None:
            progress(done / draws)
    return values, {name: np.concatenate([part[name] for part in parts]) for name in values}


def interval(value: float, replicates: np.ndarray, level: float = 0.95) -> Estimate:
    """Return the percentile interval; draws in which the metric does not exist (one class only) are left out."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def recentred(value: float, replicates: np.ndarray) -> Estimate:
    """Return the interval of a figure that resampling inflates (a mean of absolute gaps), moved back onto the figure.

    Drawing rows again adds noise to gaps that are noise already, so that the plain interval can lie wholly above the
    figure. The draws are shifted by the difference of their median and the figure; a gap is never below 0.
    """
    known = replicates[np.isfinite(replicates)]
    shifted = known - (np.median(known) - value) if len(known) else known
    return interval(value, np.maximum(shifted, 0.0))
