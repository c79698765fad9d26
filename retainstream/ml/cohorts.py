"""Retention grids: of those who came in one period, the share still there in each later one.

Periods are calendar months or weeks as consecutive integers; turning instants into periods of a time zone, and rows
into ``known_at``, is the caller's work. Two grids, which answer two questions:

contract
    Still subscribed at the end of the period? A customer whose contract ends within a period is no longer there in it.
    Who left and came back stays counted as gone, so that a row never rises; returns are the revenue bridge's.
activity
    Did anything within the period? A row may rise again.

Both are as-of: a row counts only when ``known_at < as_of``, where ``known_at`` is the later of the moment at which a
thing happened and the moment at which the product learnt of it (int64 microseconds). Adding rows known later changes
nothing, to the bit. How long customers stay beyond the grid is ``survival.py``'s affair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.survival import check_level

NO_END = int(np.iinfo(np.int64).max)  # the end period of a contract that runs on


@dataclass(frozen=True)
class GridClock:
    """When the grid is read.

    Attributes
    ----------
    as_of : int
        Microseconds; rows known at or after it do not exist.
    last_complete : int
        The last period that is wholly over at the end of the data.
    last : int
        The last period shown; ``last_complete``, or later when a running period is shown as well.
    """

    as_of: int
    last_complete: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.last_complete:
            raise ValueError("The last period shown cannot lie before the last complete one.")


@dataclass(frozen=True)
class Contracts:
    """One row for each contract, int64 arrays of shape (n,); a customer may have several, one after another or at once.

    Attributes
    ----------
    customer : integers
    start, end : periods
        In which the contract began and ended; ``NO_END`` for one that runs on.
    start_known_at, end_known_at : microseconds
        An end that is not known yet leaves the contract running. The latter is ignored without an end.
    """

    customer: np.ndarray
    start: np.ndarray
    end: np.ndarray
    start_known_at: np.ndarray
    end_known_at: np.ndarray


@dataclass(frozen=True)
class Periods:
    """What customers did, or when they joined: int64 arrays of shape (n,) of customer, period and ``known_at`` (microseconds)."""

    customer: np.ndarray
    period: np.ndarray
    known_at: np.ndarray


@dataclass(frozen=True)
class RetentionGrid:
    """Cohorts by age; ``g`` cohorts that have customers, ages 0 to ``a - 1`` in periods since joining.

    Attributes
    ----------
    cohorts : int64 of shape (g,), rising
        Period of joining.
    sizes : int64 of shape (g,)
        Customers who joined.
    retained : int64 of shape (g, a)
        Customers still there; 0 where the period is not reached.
    share : float64 of shape (g, a) within 0 and 1
        ``retained / sizes``; NaN where the period is not reached.
    reached, mature : bool of shape (g, a)
        The period is shown; and it is complete, so that its figure is not of a part of the period.
    age_sizes, age_retained : int64 of shape (a,)
        Sums over the mature cells of each age.
    age_share : float64 of shape (a,)
        Their quotient; NaN for an age without a mature cell.
    left_out : int
        Customers with activity but no known period of joining, when joining was given.
    """

    cohorts: np.ndarray
    sizes: np.ndarray
    retained: np.ndarray
    share: np.ndarray
    reached: np.ndarray
    mature: np.ndarray
    age_sizes: np.ndarray
    age_retained: np.ndarray
    age_share: np.ndarray
    left_out: int = 0

    def intervals(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return the limits of every ``share``, each of shape (g, a): Wilson (1927), JASA 22, 209-212."""
        from scipy.special import ndtri

        check_level(level)
        z2 = float(ndtri(0.5 + level / 2)) ** 2
        n = self.sizes[:, None].astype(np.float64)
        middle = (self.share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (self.share * (1 - self.share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def contract_grid(contracts: Contracts, clock: GridClock) -> RetentionGrid:
    """Return who is still subscribed at the end of each period.

    A customer's cohort is the period of the first contract. Contracts that follow without a break at any period's end
    are one stay; a later stay does not count. So the cells of one calendar period, over all cohorts, sum to the customers
    who have been there ever since they joined.

    Raises
    ------
    ValueError
        When columns differ in length, or a contract ends before it starts.
    """
    _, start, end = _first_stays(contracts, clock)
    cohorts, row, sizes = _cohorts(start)
    width = _width(cohorts, clock)
    left = row * (width + 1) + (end - start)  # gone at this age: not there at the end of that period, nor ever after
    gone = np.bincount(left, minlength=len(cohorts) * (width + 1)).reshape(len(cohorts), width + 1)
    return _grid(cohorts, sizes, sizes[:, None] - np.cumsum(gone[:, :width], axis=1), clock)


def contract_members(
    contracts: Contracts, clock: GridClock, cohort: int, age: int, *, retained: bool = True
) -> np.ndarray:
    """Return the customers whom a cell counts, or with ``retained=False`` those of its cohort whom it does not; rising int64."""
    customer, start, end = _first_stays(contracts, clock)
    _check_cell(clock, cohort, age)
    return np.asarray(customer[(start == cohort) & ((end > cohort + age) == retained)])


def activity_grid(activity: Periods, clock: GridClock, joined: Periods | None = None) -> RetentionGrid:
    """Return who did something within each period.

    Parameters
    ----------
    activity : Periods
        One row for each act, or for each customer and period with any.
    clock : GridClock
    joined : Periods, optional
        When customers joined; the first row known of a customer counts. Acts before joining are ignored. Without it
        a customer joins with the first known act, so that every row starts with a share of 1.
    """
    _, period, home, start, left_out = _active(activity, clock, joined)
    cohorts, row, sizes = _cohorts(start)
    width = _width(cohorts, clock)
    cell = row[home] * width + (period - start[home])
    retained = np.bincount(cell, minlength=len(cohorts) * width).reshape(len(cohorts), width)
    return _grid(cohorts, sizes, retained, clock, left_out)


def activity_members(
    activity: Periods,
    clock: GridClock,
    cohort: int,
    age: int,
    joined: Periods | None = None,
    *,
    retained: bool = True,
) -> np.ndarray:
    """Return the customers whom a cell counts, or with ``retained=False`` those of its cohort whom it does not; rising int64."""
    customer, period, home, start, _ = _active(activity, clock, joined)
    _check_cell(clock, cohort, age)
    there = np.zeros(len(customer), bool)
    there[home[period == cohort + age]] = True
    return np.asarray(customer[(start == cohort) & (there == retained)])


def _first_stays(contracts: Contracts, clock: GridClock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Customer, start and end of each customer's first unbroken stay; ends beyond the last period are cut to the one after."""
    columns = _columns(
        contracts.customer, contracts.start, contracts.end, contracts.start_known_at, contracts.end_known_at
    )
    customer, start, end, known, end_known = columns
    if (end < start).any():
        raise ValueError("A contract cannot end before it starts.")
    ended = (end != NO_END) & (end_known < clock.as_of)
    end = np.where(ended, np.minimum(end, clock.last + 1), clock.last + 1)
    there = (known < clock.as_of) & (start <= clock.last)
    customer, start, end = customer[there], start[there], end[there]
    if not len(customer):
        return customer, start, end
    key, _, lowest, _ = _keys(customer, start, clock)
    order = np.argsort(key)  # rows of one customer and start may come in any order: only the latest end of them matters
    customer, start, end = customer[order], start[order], end[order]
    first = _firsts(customer)
    who = np.cumsum(first) - 1
    lift = who * (clock.last + 2 - lowest)  # above anything of an earlier customer: the running maximum starts anew
    reach = np.maximum.accumulate(end - lowest + lift) - lift + lowest
    broken = np.append(False, start[1:] > reach[:-1]) & ~first
    # Rows up to the first break belong to the first stay; the running count of breaks within a customer tells.
    breaks = np.cumsum(broken)
    first_stay = breaks == breaks[first][who]
    last = np.flatnonzero(first_stay & np.append(~first_stay[1:] | first[1:], True))
    return customer[first], start[first], reach[last]


def _active(
    activity: Periods, clock: GridClock, joined: Periods | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Customers and their cohorts; each period in which one was active, once, with the customer's place; who was left out."""
    who, start, home, period = _first_and_all(activity, clock)
    if joined is None:
        return who, period, home, start, 0
    members, since, _, _ = _first_and_all(joined, clock)
    member = np.isin(who, members)
    home = np.where(member, np.searchsorted(members, who), -1)[home]
    counts = home >= 0
    counts[counts] = period[counts] >= since[home[counts]]
    return members, period[counts], home[counts], since, int((~member).sum())


def _first_and_all(rows: Periods, clock: GridClock) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customers by rising id and the first period of each; every customer's place and period, each pair once."""
    customer, period, known_at = _columns(rows.customer, rows.period, rows.known_at)
    there = (known_at < clock.as_of) & (period <= clock.last)
    key, width, lowest, least = _keys(customer[there], period[there], clock)
    key.sort()
    if len(key):
        key = key[np.append(True, key[1:] != key[:-1])]
    customer, period = np.divmod(key, width)
    customer, period = customer + least, period + lowest
    first = _firsts(customer)
    return customer[first], period[first], np.cumsum(first) - 1, period


def _keys(customer: np.ndarray, period: np.ndarray, clock: GridClock) -> tuple[np.ndarray, int, int, int]:
    """One number for each row that sorts by customer, then period: a single fast sort. Also what takes it apart again."""
    lowest, least = int(period.min(initial=clock.last)), int(customer.min(initial=NO_END))
    width = clock.last + 1 - lowest
    if len(customer) and (int(customer.max()) - least + 1) * width > NO_END:
        raise ValueError("Numbers of customers and periods are too far apart.")
    return (customer - least) * width + (period - lowest), width, lowest, least


def _firsts(customer: np.ndarray) -> np.ndarray:
    """Mark each customer's first row, in a sorted column."""
    marks = np.ones(len(customer), bool)
    marks[1:] = customer[1:] != customer[:-1]
    return marks


def _columns(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns as int64, of one length."""
    made = tuple(np.asarray(column) for column in columns)
    if any(column.shape != (len(made[0]),) or (len(column) and column.dtype.kind not in "iu") for column in made):
        raise ValueError("Customers, periods and times must be whole numbers, in columns of one length.")
    return tuple(column.astype(np.int64) for column in made)


def _cohorts(start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cohorts, each customer's place among them, and their sizes."""
    cohorts, row, sizes = np.unique(start, return_inverse=True, return_counts=True)
    return cohorts, row, sizes.astype(np.int64)


def _width(cohorts: np.ndarray, clock: GridClock) -> int:
    """Ages that the oldest cohort has reached."""
    return clock.last + 1 - int(cohorts.min(initial=clock.last + 1))


def _check_cell(clock: GridClock, cohort: int, age: int) -> None:
    if age < 0 or cohort + age > clock.last:
        raise ValueError("This cell is not in the grid.")


def _grid(
    cohorts: np.ndarray, sizes: np.ndarray, counts: np.ndarray, clock: GridClock, left_out: int = 0
) -> RetentionGrid:
    """Dress the counts, of shape (cohorts, ages), with shares, maturity and sums."""
    period = cohorts[:, None] + np.arange(counts.shape[1])
    reached, mature = period <= clock.last, period <= clock.last_complete
    retained = np.where(reached, counts, 0).astype(np.int64)
    share = np.where(reached, retained / np.maximum(sizes[:, None], 1), np.nan)
    age_sizes = np.where(mature, sizes[:, None], 0).sum(axis=0)
    age_retained = np.where(mature, retained, 0).sum(axis=0)
    age_share = np.where(age_sizes > 0, age_retained / np.maximum(age_sizes, 1), np.nan)
    return RetentionGrid(cohorts, sizes, retained, share, reached, mature, age_sizes, age_retained, age_share, left_out)
