"""Which products the same customers buy: item-to-item counts with support, confidence, lift and an interval. Pure arithmetic; no order in time is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retainstream.ml.metrics import wilson

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

MIN_BOTH = 10
"""A pair that fewer customers bought is not told: such a share says little, and may tell who it was."""
MOST_ITEMS = 2_000
_Z = 1.959964


@dataclass(frozen=True)
class Pair:
    """How many of those who bought one thing bought another, too.

    Attributes
    ----------
    bought, other : int
        The two items; the pair is directed.
    both, n_bought, n_other, n : int
        Customers who bought both, the first, the other, and anything at all.
    """

    bought: int
    other: int
    both: int
    n_bought: int
    n_other: int
    n: int

    @property
    def support(self) -> float:
        """Return the share (0..1) of all buyers who bought both."""
        return self.both / self.n

    @property
    def confidence(self) -> float:
        """Return the share (0..1) of the buyers of the first who bought the other, too."""
        return self.both / self.n_bought

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval of the confidence."""
        return wilson(self.both, self.n_bought)

    @property
    def lift(self) -> float:
        """Return the confidence over the share of all buyers who bought the other: 1 where the two have nothing to do with each other."""
        return self.confidence * self.n / self.n_other

    @property
    def surely_more(self) -> bool:
        """Tell whether even the lower end of the interval lies above the share of all buyers who bought the other."""
        return self.interval[0] > self.n_other / self.n


def pairs(
    customer: np.ndarray,
    item: np.ndarray,
    *,
    min_both: int = MIN_BOTH,
    most_items: int = MOST_ITEMS,
    most: int | None = None,
) -> tuple[Pair, ...]:
    """Return the pairs of items that enough customers bought.

    Parameters
    ----------
    customer, item : int arrays of shape (m,)
        Who bought what; buying a thing again counts once. No missing values.
    min_both : int >= 1
        How many customers a pair takes.
    most_items : int
        Only so many items, those with most customers, are looked at.
    most : int, optional
        Only so many pairs, those whose lift is highest at the lower end of the interval.

    Returns
    -------
    tuple of Pair
        Both directions of each pair; by the first item, then by the confidence's lower end, the highest first.

    Raises
    ------
    ValueError
        When the arrays differ in length, or `min_both` is below 1.

    Notes
    -----
    Support, confidence and lift as in Agrawal, Imielinski and Swami (1993) and Brin et al. (1997), with a customer as the transaction. The counts are
    the product of the 0/1 matrix of customers by items with itself.
    """
    import numpy as np

    if len(customer) != len(item):
        raise ValueError("Each customer needs an item: the two arrays differ in length.")
    if min_both < 1:
        raise ValueError("A pair takes at least one customer.")
    if not len(customer):
        return ()
    n, items, matrix = _who_bought_what(customer, item)
    counts = np.asarray(matrix.sum(axis=0)).reshape(-1)
    kept = np.flatnonzero(counts >= min_both)
    if len(kept) > most_items:
        kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[:most_items]])
    first, other, both = _bought_by_the_same(matrix[:, kept], min_both)
    n_first, n_other = counts[kept[first]], counts[kept[other]]
    low = _lower_ends(both, n_first)
    if most is not None and len(both) > most:
        best = np.argsort(-(low * n / n_other), kind="stable")[:most]
        first, other, both, n_first, n_other, low = (each[best] for each in (first, other, both, n_first, n_other, low))
    order = np.lexsort((items[kept[other]], -low, items[kept[first]]))
    table = np.column_stack([items[kept[first]], items[kept[other]], both, n_first, n_other])[order]
    return tuple(Pair(a, b, count, n_a, n_b, n) for a, b, count, n_a, n_b in table.tolist())


def _who_bought_what(customer: np.ndarray, item: np.ndarray) -> tuple[int, np.ndarray, csr_matrix]:
    """Return how many customers there are, the items, and the matrix of 0 and 1 of customers by items."""
    import numpy as np
    from scipy import sparse

    people, rows = np.unique(customer, return_inverse=True)
    items, columns = np.unique(item, return_inverse=True)
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.int32), (rows.reshape(-1), columns.reshape(-1))), shape=(len(people), len(items))
    )
    matrix.data[:] = 1  # duplicates were added up
    return len(people), items, matrix


def _bought_by_the_same(matrix: csr_matrix, min_both: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both directions of each pair of columns that enough rows share: the one, the other, how many rows."""
    import numpy as np

    together = (matrix.T @ matrix).tocoo()
    first, other, both = together.row, together.col, together.data.astype(np.int64)
    found = (first != other) & (both >= min_both)
    return first[found], other[found], both[found]


def _lower_ends(successes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the lower ends of Wilson's intervals, as `metrics.wilson` has them one by one."""
    import numpy as np

    share, spread = successes / n, _Z * _Z / n
    half = _Z * np.sqrt(share * (1 - share) / n + spread / (4 * n))
    low: np.ndarray = np.maximum((share + spread / 2 - half) / (1 + spread), 0.0)
    return low
