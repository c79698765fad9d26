"""Inner folds in time, and samples that take whole customers. The outer parts are `retainstream.ml.asof.panel`'s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.folds import group_folds, possible_folds

_FEWEST_OF_EACH = 5  # churners and stayers on either side of an inner fold; fewer would steer by luck
_CUSTOMER_FOLDS = 3
_LOOKED_AT = 3  # the last third of the dates is looked at

Pairs = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class InnerFolds:
    """Pairs of row numbers (to learn from, to look at), and how they were made.

    ``time``: what is learned from had closed before the first date looked at. ``time_and_customer``: the dates are too close for that,
    so earlier dates of some customers are learned from and later dates of others looked at: no label stands on both sides.
    ``customer``: there is one date only.
    """

    pairs: Pairs
    by: str


def numbered(customer: np.ndarray) -> np.ndarray:
    """Number customers from 0 without gaps, int64 of the same shape: the groups that resampling draws."""
    return np.asarray(np.unique(customer, return_inverse=True)[1], dtype=np.int64)


def whole_customers(customer: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Choose customers at random, all rows of each, until the next would bring more than ``most`` rows.

    Parameters
    ----------
    customer : int64 array of shape (n,)
    most : int
    rng : numpy Generator
        Not used when all rows fit.

    Returns
    -------
    int64 array of shape (m,), m <= max(most, rows of one customer)
        Rising row numbers.
    """
    if len(customer) <= most:
        return np.arange(len(customer))
    groups = numbered(customer)
    rows_of = np.bincount(groups)
    order = rng.permutation(len(rows_of))
    taken = max(int(np.searchsorted(np.cumsum(rows_of[order]), most, side="right")), 1)
    chosen = np.zeros(len(rows_of), dtype=bool)
    chosen[order[:taken]] = True
    return np.flatnonzero(chosen[groups])


def inner_folds(
    as_of: np.ndarray, customer: np.ndarray, y: np.ndarray, *, maturity_us: int, folds: int, rng: np.random.Generator
) -> InnerFolds:
    """Fold the train window in time: learn from earlier dates, look at later ones; what is learned from grows.

    Parameters
    ----------
    as_of : int64 array of shape (n,)
        Observation dates, microseconds UTC.
    customer : int64 array of shape (n,)
    y : array of shape (n,), 0 or 1
    maturity_us : int
        A date is learned from only when its label window had closed at the first date looked at.
    folds : int >= 1
        At most so many; the last third of the dates is dealt to them in order.
    rng : numpy Generator
        Deals customers to folds, where time alone does not do.

    Raises
    ------
    ValueError
        When not even two folds by customer can each hold a churner and a stayer.
    """
    dates = np.unique(as_of)
    latest = dates[len(dates) - max(len(dates) // _LOOKED_AT, 1) :]
    blocks = [(as_of >= block[0]) & (as_of <= block[-1]) for block in np.array_split(latest, min(folds, len(latest)))]
    purged = [(as_of + maturity_us <= as_of[look].min(), look) for look in blocks]
    if pairs := _usable(purged, y):
        return InnerFolds(pairs, "time")
    fold = _by_customer(customer, y, rng)
    held = [fold == j for j in range(min(folds, int(fold.max()) + 1))]
    late = as_of >= latest[0]
    if pairs := _usable([(~late & ~own, late & own) for own in held], y):
        return InnerFolds(pairs, "time_and_customer")
    return InnerFolds([(np.flatnonzero(~own), np.flatnonzero(own)) for own in held], "customer")


def _by_customer(customer: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    groups = numbered(customer)
    k = possible_folds(y, groups, _CUSTOMER_FOLDS)
    if k < 2:
        raise ValueError("The train window needs at least two customers who left and two who stayed.")
    return group_folds(y, groups, k, rng)


def _usable(masks: Pairs, y: np.ndarray) -> Pairs:
    """Turn masks into row numbers, without the pairs that have too few of a class on a side."""
    pairs = [(np.flatnonzero(learn), np.flatnonzero(look)) for learn, look in masks]
    return [(learn, look) for learn, look in pairs if min(_of_each(y[learn]), _of_each(y[look])) >= _FEWEST_OF_EACH]


def _of_each(y: np.ndarray) -> int:
    churners = int(y.sum())
    return min(churners, len(y) - churners)
