"""What later drift checks will need of the training data and cannot rebuild: bins, counts, and how much is mere noise.

Only the reference is made here. Comparing a later population with it is not this module's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retainstream.ml.features import FeatureSpec

_NUMBER_BINS = 10
_MARGIN_BINS = 20
_LISTED_LEVELS = 50
_NOISE_DRAWS = 200

Reference = dict[str, Any]


def population_stability(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Population stability index of counts over the same bins; 0 is equal, 0.1 is commonly called a shift.

    Parameters
    ----------
    expected : array of shape (k,)
    actual : array of shape (..., k)
        Counts. Half a row is added to each bin, so that an empty one stays finite.

    Returns
    -------
    array of shape (...)
        Sum of (a - e) log(a / e) over the bins' shares, in nats (the Jeffreys divergence).
    """
    e = (expected + 0.5) / (expected.sum() + 0.5 * len(expected))
    a = (actual + 0.5) / (actual.sum(axis=-1, keepdims=True) + 0.5 * len(expected))
    return np.asarray(((a - e) * np.log(a / e)).sum(axis=-1))


def drift_reference(
    base: np.ndarray,
    margin: np.ndarray,
    specs: Sequence[FeatureSpec],
    levels: dict[str, list[str]],
    rng: np.random.Generator,
) -> Reference:
    """Freeze the training population.

    Parameters
    ----------
    base : float32 array of shape (n, f)
        Numbers as they are, categories as positions in ``levels``; NaN is missing or unknown.
    margin : array of shape (n,)
        Out-of-fold margins.
    specs : sequence of FeatureSpec
    levels : dict of str to list of str
    rng : numpy Generator

    Returns
    -------
    dict
        JSON-ready. ``features[name]`` has ``edges`` (numbers: bin i holds edges[i-1] <= v < edges[i]) or ``levels``
        (categories, the 50 most frequent and then "other"), ``counts`` with missing as the last, and ``noise``:
        the 95% quantile of the stability index between the reference and resamplings of it with ``rows`` rows.
        ``margin`` has the same for the score.
    """
    features = {}
    for j, spec in enumerate(specs):
        if spec.kind == "category":
            features[spec.name] = _category(base[:, j], levels[spec.name], rng)
        else:
            features[spec.name] = _number(base[:, j], _NUMBER_BINS, rng)
    return {"rows": len(base), "features": features, "margin": _number(margin, _MARGIN_BINS, rng)}


def _number(column: np.ndarray, bins: int, rng: np.random.Generator) -> Reference:
    known = column[~np.isnan(column)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    counts = np.append(counts, len(column) - len(known))
    return {"edges": edges.astype(float).tolist(), "counts": counts.tolist(), "noise": _noise(counts, rng)}


def _category(column: np.ndarray, levels: list[str], rng: np.random.Generator) -> Reference:
    known = column[~np.isnan(column)].astype(np.int64)
    by_level = np.bincount(known, minlength=len(levels))
    listed = np.argsort(-by_level, kind="stable")[:_LISTED_LEVELS]
    other = len(known) - int(by_level[listed].sum())
    counts = np.append(by_level[listed], [other, len(column) - len(known)])
    return {"levels": [levels[i] for i in listed], "counts": counts.tolist(), "noise": _noise(counts, rng)}


def _noise(counts: np.ndarray, rng: np.random.Generator) -> float:
    rows = int(counts.sum())
    if rows == 0:
        return 0.0
    draws = rng.multinomial(rows, counts / rows, size=_NOISE_DRAWS)
    return float(np.quantile(population_stability(counts, draws), 0.95))
