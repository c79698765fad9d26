"""Where recurring revenue went: the bridge from one period's end to the next, in exact integers, and how much of it stayed.

Rules, in the order in which they decide:

* A subscription pays at a period's end when ``start < boundary <= end``: it runs in the last moment of the period. One
  that ends exactly at midnight of the first still pays for the month before, and leaves in the month that begins.
* A customer's revenue is the sum of all subscriptions. Only its level at the ends of two neighbouring periods counts, so
  what happens and is undone within a period nets to nothing: leaving and coming back within a month at the same price
  is no movement, at another price an expansion or contraction; joining and leaving again within a month is not seen.
* From nothing to something is ``new`` for a customer who never before the period had a subscription that costs
  anything (so a free trial that becomes paid is new), else ``reactivation``. From something to nothing is ``churn``,
  up is ``expansion``, down ``contraction``.

It is as-of: a start or an end counts only when it happened, and was known, before ``as_of``; a later row changes
nothing, to the bit. A month closed at a moment is the bridge as of that moment. One currency at a time; which
subscriptions are meant, and the boundaries of periods in a time zone, are the caller's affair.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

NO_END = int(np.iinfo(np.int64).max)  # the end of a subscription that runs on
KINDS = ("new", "expansion", "contraction", "churn", "reactivation")
_NEW, _EXPANSION, _CONTRACTION, _CHURN, _REACTIVATION = range(len(KINDS))


@dataclass(frozen=True)
class Subscriptions:
    """Spans at one price, int64 arrays of shape (n,); a change of price is an end and a start in the same moment.

    Attributes
    ----------
    customer : integers
    start, end : microseconds
        The span holds ``start`` and not ``end``; ``NO_END`` when it runs on.
    revenue : minor units of one currency for a month, at least 0
    start_known_at, end_known_at : microseconds
        When the product learnt of it. An end that is not known yet leaves the span running; the latter is ignored
        without an end.
    """

    customer: np.ndarray
    start: np.ndarray
    end: np.ndarray
    revenue: np.ndarray
    start_known_at: np.ndarray
    end_known_at: np.ndarray


@dataclass(frozen=True)
class Movements:
    """One row for each customer whose revenue differs between the ends of two neighbouring periods; by period, then customer.

    Attributes
    ----------
    period : int64 of shape (m,)
        Place of the period in the bridge.
    customer : int64 of shape (m,)
    kind : int64 of shape (m,)
        Place in ``KINDS``.
    before, after : int64 of shape (m,)
        Monthly revenue in minor units; the movement is their difference.
    """

    period: np.ndarray
    customer: np.ndarray
    kind: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def of(self, period: int, kind: str) -> Movements:
        """Return the rows behind one figure of the bridge; raises ValueError for a kind that is none."""
        some = (self.period == period) & (self.kind == KINDS.index(kind))
        return Movements(*(part[some] for part in (self.period, self.customer, self.kind, self.before, self.after)))


@dataclass(frozen=True)
class Bridge:
    """Revenue from each period's opening to its closing; ``p`` periods, amounts in minor units for a month.

    ``opening + movements.sum(axis=1) == closing`` and ``closing[i] == opening[i + 1]``, exactly; the same for customers.

    Attributes
    ----------
    boundaries : int64 of shape (p + 1,)
        Microseconds; period i is from ``boundaries[i]`` up to ``boundaries[i + 1]``.
    complete : bool of shape (p,)
        The period is over at ``data_end``; figures of a running period are as far as it went.
    opening, closing : int64 of shape (p,)
    movements : int64 of shape (p, 5)
        By kind, in the order of ``KINDS``; contraction and churn are at most 0.
    counts : int64 of shape (p, 5)
        Customers who moved, by kind.
    opening_customers, closing_customers : int64 of shape (p,)
        Customers who pay more than nothing.
    net_retention, gross_retention : float64 of shape (p,)
        Of the revenue at the opening, what the same customers bring at the closing: all of it (so above 1 when they
        grow), and each at most what it was. Reactivations are not in it. NaN when there was no revenue.
    net_trailing, gross_trailing : float64 of shape (p,)
        The same over ``trailing`` periods: customers paying that many period ends ago, then and now. Who left
        and returned in between counts as what it is now. NaN where the bridge does not reach back so far.
    trailing : int
    table : Movements
    """

    boundaries: np.ndarray
    complete: np.ndarray
    opening: np.ndarray
    movements: np.ndarray
    closing: np.ndarray
    counts: np.ndarray
    opening_customers: np.ndarray
    closing_customers: np.ndarray
    net_retention: np.ndarray
    gross_retention: np.ndarray
    net_trailing: np.ndarray
    gross_trailing: np.ndarray
    trailing: int
    table: Movements


def bridge(
    subscriptions: Subscriptions, boundaries: np.ndarray, *, as_of: int, data_end: int, trailing: int = 12
) -> Bridge:
    """Split the change of monthly recurring revenue between period ends into its kinds.

    Parameters
    ----------
    subscriptions : Subscriptions
    boundaries : int64 array of shape (p + 1,), microseconds, strictly rising
        Midnights at which periods meet; at least two.
    as_of : int
        Microseconds; what happened or became known at or after it does not exist.
    data_end : int
        Microseconds; end of the last complete day of the data.
    trailing : int
        Periods of the trailing retention: 12 for months, 52 for weeks.

    Raises
    ------
    ValueError
        When columns differ in length, a subscription ends before it starts or costs less than nothing, or boundaries
        do not rise.
    """
    boundaries = np.asarray(boundaries, dtype=np.int64)
    if len(boundaries) < 2 or not (np.diff(boundaries) > 0).all() or trailing < 1:
        raise ValueError("The boundaries of the periods must rise, and there must be two at least.")
    customer, start, end, revenue = _known_spans(subscriptions, as_of)
    periods = len(boundaries) - 1
    enter, leave = (np.searchsorted(boundaries, moment, side="right") for moment in (start, end))
    levels = _levels(enter, leave, revenue, periods)
    names, who = np.unique(customer, return_inverse=True)
    moved, place, before, after = _changes(who, enter, leave, revenue, periods)
    kind = _kinds(before, after, _first(who, start, len(names))[moved] < boundaries[np.maximum(place - 1, 0)])
    inside = np.flatnonzero((place > 0) & (place <= periods))
    inside = inside[np.argsort(place[inside], kind="stable")]
    table = Movements(place[inside] - 1, names[moved[inside]], kind[inside], before[inside], after[inside])
    movements, counts = _figures(table, periods)
    paying = np.cumsum(_sums(place, np.sign(after) - np.sign(before), periods + 2))[: periods + 1]
    net, gross = _trailing(moved, place, after, periods, trailing)
    lost = movements[:, _CONTRACTION] + movements[:, _CHURN]
    return Bridge(
        boundaries=boundaries,
        complete=boundaries[1:] <= data_end,
        opening=levels[:-1],
        movements=movements,
        closing=levels[1:],
        counts=counts,
        opening_customers=paying[:-1],
        closing_customers=paying[1:],
        net_retention=_share(levels[:-1] + lost + movements[:, _EXPANSION], levels[:-1]),
        gross_retention=_share(levels[:-1] + lost, levels[:-1]),
        net_trailing=net,
        gross_trailing=gross,
        trailing=trailing,
        table=table,
    )


def _known_spans(spans: Subscriptions, as_of: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customer, start, end and revenue of the spans that cost something, as far as they were known."""
    columns = (spans.customer, spans.start, spans.end, spans.revenue, spans.start_known_at, spans.end_known_at)
    made = [np.asarray(column) for column in columns]
    if any(column.shape != (len(made[0]),) or (len(column) and column.dtype.kind not in "iu") for column in made):
        raise ValueError("Customers, times and amounts must be whole numbers, in columns of one length.")
    customer, start, end, revenue, start_known, end_known = (column.astype(np.int64) for column in made)
    if (end < start).any():
        raise ValueError("A subscription cannot end before it starts.")
    if (revenue < 0).any():
        raise ValueError("A subscription cannot cost less than nothing.")
    end = np.where((end < as_of) & (end_known < as_of), end, NO_END)
    some = (start < as_of) & (start_known < as_of) & (revenue > 0) & (start < end)
    return customer[some], start[some], end[some], revenue[some]


def _sums(place: np.ndarray, amount: np.ndarray, size: int) -> np.ndarray:
    """Sum integers by place; bincount would go through floating point."""
    total = np.zeros(size, np.int64)
    np.add.at(total, place, amount)
    return total


def _levels(enter: np.ndarray, leave: np.ndarray, revenue: np.ndarray, periods: int) -> np.ndarray:
    """Revenue of everybody at each boundary, straight from the spans; the movements must add up to it."""
    steps = _sums(enter, revenue, periods + 2) - _sums(leave, revenue, periods + 2)
    return np.asarray(np.cumsum(steps)[: periods + 1])


def _changes(
    who: np.ndarray, enter: np.ndarray, leave: np.ndarray, revenue: np.ndarray, periods: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customer, boundary, level before and after, wherever a customer's level differs from the boundary before.

    By customer, then boundary; customers are places from 0 on. A boundary beyond the last ends every span, so each
    customer's changes sum to nothing, and one running sum over all rows is each customer's own level.
    """
    seen = enter < leave
    width = periods + 2
    key = np.concatenate([who[seen] * width + enter[seen], who[seen] * width + leave[seen]])
    amount = np.concatenate([revenue[seen], -revenue[seen]])
    order = np.argsort(key)  # rows of one key are summed, so their order does not matter
    key, amount = key[order], amount[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    amount = np.add.reduceat(amount, starts) if len(starts) else amount
    after = np.cumsum(amount)
    moved = amount != 0
    who, place = np.divmod(key[starts[moved]], width)
    return who, place, after[moved] - amount[moved], after[moved]


def _first(who: np.ndarray, start: np.ndarray, customers: int) -> np.ndarray:
    """When each customer's first span starts."""
    found = np.full(customers, NO_END)
    np.minimum.at(found, who, start)
    return found


def _kinds(before: np.ndarray, after: np.ndarray, paid_earlier: np.ndarray) -> np.ndarray:
    return np.select(
        [(before == 0) & paid_earlier, before == 0, after == 0, after > before],
        [_REACTIVATION, _NEW, _CHURN, _EXPANSION],
        _CONTRACTION,
    )


def _figures(table: Movements, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Amounts and customers by period and kind."""
    shape = (periods, len(KINDS))
    cell = table.period * len(KINDS) + table.kind
    amounts = _sums(cell, table.after - table.before, shape[0] * shape[1])
    return amounts.reshape(shape), np.bincount(cell, minlength=len(amounts)).reshape(shape).astype(np.int64)


def _trailing(
    who: np.ndarray, place: np.ndarray, after: np.ndarray, periods: int, trailing: int
) -> tuple[np.ndarray, np.ndarray]:
    """Net and gross retention over several periods; ``who`` is each change's customer, as a place from 0 on."""
    net, gross = np.full(periods, np.nan), np.full(periods, np.nan)
    level = np.zeros(int(who.max(initial=-1)) + 1, np.int64)
    past: deque[np.ndarray] = deque(maxlen=trailing)
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], np.arange(periods + 2))
    for boundary in range(periods + 1):
        rows = order[edges[boundary] : edges[boundary + 1]]
        level[who[rows]] = after[rows]
        if len(past) == trailing:
            then = past[0]
            base = then.sum()
            if base:
                net[boundary - 1] = np.where(then > 0, level, 0).sum() / base
                gross[boundary - 1] = np.minimum(then, level).sum() / base
        past.append(level.copy())
    return net, gross


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0))
