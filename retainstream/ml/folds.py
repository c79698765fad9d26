"""Which row is judged by which booster: seeded, stratified folds that keep copies of a row together.

A copy of a training row in the judged fold would be recognised rather than predicted. Rows with the same features
(whatever their label) therefore share a fold, unless they are so many that they are a common combination of few coarse
values rather than copies of a record.
"""

from __future__ import annotations

import numpy as np

_COMMON_SHARE = 0.005  # a combination held by more rows than this share (and more than 10) is no copy of a record
_COMMON_ROWS = 10


def row_groups(matrix: np.ndarray) -> np.ndarray:
    """Number the rows so that rows with equal features have equal numbers.

    Parameters
    ----------
    matrix : float32 array of shape (n, f)
        NaN equals NaN.

    Returns
    -------
    int64 array of shape (n,)
        Group numbers from 0, without gaps. Rows of a very common combination each get a number of their own.
    """
    n = len(matrix)
    keys = np.zeros(n, dtype=np.uint64)
    for j in range(matrix.shape[1]):
        column = matrix[:, j].astype(np.float32) + np.float32(0)  # -0.0 becomes 0.0
        column[np.isnan(column)] = np.nan  # one bit pattern for missing
        keys = _mix(keys ^ column.view(np.uint32).astype(np.uint64))
    _, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
    common = counts[groups] > max(_COMMON_ROWS, _COMMON_SHARE * n)
    if common.any():
        groups = groups.copy()
        groups[common] = len(counts) + np.arange(int(common.sum()))
        _, groups = np.unique(groups, return_inverse=True)
    return np.asarray(groups, dtype=np.int64)


def _mix(keys: np.ndarray) -> np.ndarray:
    """One round of the splitmix64 finaliser (Steele, Lea, Flood 2014) with its increment: order of columns matters."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(keys ^ (keys >> np.uint64(31)))


def group_folds(y: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal whole groups to folds so that rows and churners are spread evenly.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    groups : int64 array of shape (n,), numbered from 0 without gaps
    folds : int >= 2
    rng : numpy Generator
        Decides everything that is left to chance.

    Returns
    -------
    int8 array of shape (n,)
        Fold number of each row, 0 to ``folds - 1``.

    Notes
    -----
    Groups are sorted by their number of churners, then their size, at random within both, and dealt in turn: within
    each kind of group the folds differ by at most one group.
    """
    size = np.bincount(groups)
    churners = np.bincount(groups, weights=y, minlength=len(size)).astype(np.int64)
    order = np.lexsort((rng.random(len(size)), size, churners))
    dealt = np.empty(len(size), dtype=np.int8)
    dealt[order] = (np.arange(len(size)) % folds).astype(np.int8)
    return np.asarray(rng.permutation(folds).astype(np.int8)[dealt[groups]])


def possible_folds(y: np.ndarray, groups: np.ndarray, folds: int) -> int:
    """Return how many folds (at most ``folds``) can each hold a churner and a stayer; 0 or 1 means none can."""
    churners, stayers = (len(np.unique(groups[y == label])) for label in (1, 0))
    return int(min(folds, churners, stayers))
