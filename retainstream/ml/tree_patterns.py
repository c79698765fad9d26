"""Path-dependent TreeSHAP for many rows at once, by decision patterns.

Here live the reading of an XGBoost booster's trees and the fast computation. Not here: the checks that make its result
trustworthy (``contributions``), without which it must not be used.

On the way to a leaf with k different features, a row meets the conditions of each of them or does not: k bits, its
pattern. What the leaf adds to each feature depends on the pattern alone, so it is tabulated once, for 2**k patterns, and
looked up for every row. (The idea of decision patterns is that of the Woodelf algorithm; the tables are made here for
all leaves of a tree together, which is what makes it quick for a few thousand rows as well.)

With r_i the share of training weight that goes on towards the leaf at feature i, w the leaf's weight and A the features
whose conditions the row meets, the game is ``v(S) = w * [S within A] * product of r_j, j outside S``, and its Shapley
value ``(1 or 0 - r_i) * w * product(r_j, j outside A, j != i) * G(A without i)`` with
``G(B) = sum over S within B of |S|! (k - |S| - 1)! / k! * product(r_j, j in B, not in S)``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xgboost

__all__ = ["Tree", "pattern_values", "read_trees"]

Floats = npt.NDArray[np.floating[Any]]

_DEEPEST = 10  # a leaf needs k tables of 2**k entries: deeper trees are quicker with pred_contribs
_CHUNK_ROWS = 32_768  # patterns, index and one column fit the processor's cache


@dataclass(frozen=True)
class _Leaf:
    """Where a leaf hangs, and the share of weight that each feature on its path sends towards it."""

    weight: float
    shares: dict[int, float]  # by feature index, in the order of the path's bits, highest first


@dataclass(frozen=True)
class Tree:
    """One tree with at least one split, as arrays by node number (as in XGBoost's JSON)."""

    left: list[int]  # -1 at a leaf
    right: list[int]
    feature: list[int]
    cut: npt.NDArray[np.float32]  # threshold of a split, weight of a leaf
    missing_left: list[bool]
    cover: list[float]


def read_trees(booster: xgboost.Booster) -> list[Tree] | None:
    """Read the trees with at least one split; None when this method cannot serve the booster.

    A tree that is a single leaf contributes to the base only. Not served: other boosters than ``gbtree``, native
    categories, paths with more than 10 splits.
    """
    gradient = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    if gradient["name"] != "gbtree":
        return None
    found = []
    for tree in gradient["model"]["trees"]:
        if tree["categories_nodes"]:
            return None
        made = Tree(
            left=tree["left_children"],
            right=tree["right_children"],
            feature=tree["split_indices"],
            # The JSON number is the shortest text that names a float32: back to float32, not to its decimal value.
            cut=np.asarray(tree["split_conditions"], dtype=np.float32),
            missing_left=[bool(flag) for flag in tree["default_left"]],
            cover=tree["sum_hessian"],
        )
        if _depth(made) > _DEEPEST:
            return None
        if made.left[0] != -1:
            found.append(made)
    return found


def pattern_values(trees: list[Tree], matrix: npt.NDArray[np.float32]) -> Floats:
    """Compute path-dependent TreeSHAP values.

    Parameters
    ----------
    trees : list of Tree
    matrix : float32 array, shape (n, f)
        NaN is missing.

    Returns
    -------
    float32 array, shape (n, f)
        Not finite where a tree has a split that no training row reached.
    """
    rows, width = matrix.shape
    columns = np.asfortranarray(matrix)  # every split reads one column: keep each in one piece
    totals = np.zeros((width, rows), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        for tree in trees:
            tables = _tables(tree)
            for start in range(0, rows, _CHUNK_ROWS):
                part = slice(start, start + _CHUNK_ROWS)
                for node, pattern in _patterns(tree, columns[part]):
                    where = pattern.astype(np.intp)
                    for feature, table in tables[node]:
                        # "wrap" skips the bounds check; a pattern has as many bits as its table has entries.
                        totals[feature, part] += table.take(where, mode="wrap")
    return np.ascontiguousarray(totals.T)


def _patterns(
    tree: Tree, columns: npt.NDArray[np.float32]
) -> Iterator[tuple[int, npt.NDArray[np.unsignedinteger[Any]]]]:
    """Yield a node and the rows' patterns on the way to it: for each leaf, or once for two leaves that are siblings.

    The pattern of a right sibling differs from the left one's by the last bit only, when their feature is new on the
    path; :func:`_tables` folds the two tables into one, at the number of the left leaf.
    """
    small = np.uint8 if _depth(tree) <= 8 else np.uint16
    waiting: list[tuple[int, Any, tuple[int, ...]]] = [(0, np.zeros(len(columns), small), ())]
    while waiting:
        node, pattern, path = waiting.pop()
        if tree.left[node] == -1:
            yield node, pattern
            continue
        feature, column, cut = tree.feature[node], columns[:, tree.feature[node]], tree.cut[node]
        meets = ~(column >= cut) if tree.missing_left[node] else column < cut
        bit = meets.view(np.uint8).astype(small, copy=False)
        if feature in path:
            place = len(path) - 1 - path.index(feature)
            others = small((1 << len(path)) - 1 - (1 << place))
            waiting.append((tree.right[node], pattern & (others | ((bit ^ small(1)) << small(place))), path))
            waiting.append((tree.left[node], pattern & (others | (bit << small(place))), path))
            continue
        longer = (pattern << small(1)) | bit
        if not _twins(tree, node, path):
            waiting.append((tree.right[node], longer ^ small(1), (*path, feature)))
        waiting.append((tree.left[node], longer, (*path, feature)))


def _twins(tree: Tree, node: int, path: tuple[int, ...]) -> bool:
    """Whether both children are leaves and the feature is new on the path."""
    return tree.feature[node] not in path and tree.left[tree.left[node]] == tree.left[tree.right[node]] == -1


def _tables(tree: Tree) -> dict[int, list[tuple[int, Floats]]]:
    """By leaf: ``[(feature index, what each pattern adds (2**k,))]``, siblings folded as :func:`_patterns` says."""
    leaves, folded = _leaves(tree)
    by_length: dict[int, list[int]] = {}
    for node, leaf in leaves.items():
        by_length.setdefault(len(leaf.shares), []).append(node)
    made: dict[int, Floats] = {}
    for length, nodes in by_length.items():
        shares = np.array([list(leaves[node].shares.values()) for node in nodes])
        weights = np.array([leaves[node].weight for node in nodes])
        made.update(zip(nodes, _shapley_tables(shares, weights, length), strict=True))
    for left, right in folded:
        swapped = made.pop(right)
        made[left] = made[left] + swapped[:, np.arange(swapped.shape[1]) ^ 1]
    return {node: list(zip(leaves[node].shares, table.astype(np.float32), strict=True)) for node, table in made.items()}


def _leaves(tree: Tree) -> tuple[dict[int, _Leaf], list[tuple[int, int]]]:
    """All leaves by node number, and the pairs (left, right) of siblings that share a pattern."""
    leaves: dict[int, _Leaf] = {}
    folded = []
    waiting: list[tuple[int, dict[int, float]]] = [(0, {})]
    while waiting:
        node, shares = waiting.pop()
        if tree.left[node] == -1:
            leaves[node] = _Leaf(float(tree.cut[node]), shares)
            continue
        if _twins(tree, node, tuple(shares)):
            folded.append((tree.left[node], tree.right[node]))
        feature = tree.feature[node]
        for child in (tree.left[node], tree.right[node]):
            share = float(np.float64(tree.cover[child]) / tree.cover[node])
            waiting.append((child, {**shares, feature: shares.get(feature, 1.0) * share}))
    return leaves, folded


def _shapley_tables(shares: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], k: int) -> Floats:
    """Tables (m, k, 2**k) of m leaves with k features each: the formula in the module's docstring.

    Feature i owns the bit ``k - 1 - i``: the first on the path has the highest.
    """
    count, size = len(weights), 1 << k
    outside = np.ones((count, size))  # product of the shares of the features that are not in the set
    symmetric = np.zeros((count, size, k + 1))  # e_m: sum over m-subsets of the set, of the product of their shares
    symmetric[:, 0, 0] = 1.0
    sets = np.arange(size)
    for feature in range(k):
        outside *= np.where(sets & (1 << (k - 1 - feature)), 1.0, shares[:, feature, None])
    for position in range(k):  # sets of the lowest bits first, each step doubling them
        half = 1 << position
        below = symmetric[:, :half]
        symmetric[:, half : 2 * half] = below
        symmetric[:, half : 2 * half, 1:] += below[:, :, :-1] * shares[:, k - 1 - position, None, None]
    members = np.array([index.bit_count() for index in range(size)])
    chance = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)] + [0.0])
    taken = members[:, None] - np.arange(k + 1)[None, :]  # |S| when m members of B are left out
    game = (symmetric * np.where(taken >= 0, chance[taken], 0.0)).sum(axis=2)
    tables = np.empty((count, k, size))
    for feature in range(k):
        bit = 1 << (k - 1 - feature)
        without = sets & ~bit
        rest = outside[:, without | bit]  # outside the set, this feature not counted
        met = (sets & bit) != 0
        tables[:, feature] = weights[:, None] * (met - shares[:, feature, None]) * rest * game[:, without]
    return tables


def _depth(tree: Tree) -> int:
    deepest, waiting = 0, [(0, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        if tree.left[node] != -1:
            waiting += [(tree.left[node], depth + 1), (tree.right[node], depth + 1)]
    return deepest
