"""What customers had at a time: their subscription, plan, price and their changes, and the newest version of their profile.

Both logs are coded and sorted once, for any number of as-of times. Columns are float64 of shape (customers + 2,), as in `windows`: the
last but one belongs to nobody. Whether a customer counts as active for a churn definition is `outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retainstream.ml.asof.columns import DAY_US, NEVER, ProfileLog, SubscriptionLog
from retainstream.ml.asof.windows import codes_of

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

MONTH_US = DAY_US * 365.25 / 12


@dataclass(frozen=True)
class Terms:
    """What held of each customer's subscriptions at a time; every array is of shape (customers + 2,).

    Attributes
    ----------
    age_months : float64
        Since the first of the subscriptions that follow one another with no more than a day between, up to the current one; NaN without one.
        A month is a twelfth of 365.25 days.
    plan : int64
        Position in the log's `plans`; -1 without a current subscription or plan.
    price : float64
        A month's price of the current subscription, in minor units; NaN without one.
    price_before : float64
        Price at the start of the window, or the customer's first where that is later, in minor units.
    price_now : float64
        The newest price that was stated.
    price_changed : float64
        Days since a stated price differed from the one before; NaN when it never did.
    plan_changes : float64
        How often a stated plan differed from the one before; 0 without any.
    earlier : float64
        Subscriptions that had ended.
    first_start : int64
        When the first subscription began, NEVER without one.
    """

    age_months: Floats
    plan: Ints
    price: Floats
    price_before: Floats
    price_now: Floats
    price_changed: Floats
    plan_changes: Floats
    earlier: Floats
    first_start: Ints


class SubscriptionTables:
    """Statements about subscriptions, coded and sorted once.

    Parameters
    ----------
    log : SubscriptionLog
        In any order; statements about others than `people` are ignored.
    people : int64 array of shape (n,)
        Ids, rising.
    """

    def __init__(self, log: SubscriptionLog, people: Ints) -> None:
        self.width = len(people) + 2
        code = codes_of(people, log.customer)
        log, code = log.take(code < len(people)), code[code < len(people)]
        by_subscription = np.lexsort((log.order, log.received, log.subscription))
        log, code = log.take(by_subscription), code[by_subscription]
        # A statement of the same moment as an earlier one corrects it: what it replaces was never so, and what it says nothing of stays.
        corrected = (log.subscription[1:] == log.subscription[:-1]) & (log.received[1:] == log.received[:-1])
        for at in np.flatnonzero(corrected & (np.isnan(log.price_minor[1:]) | (log.plan[1:] < 0))):
            if np.isnan(log.price_minor[at + 1]):
                log.price_minor[at + 1] = log.price_minor[at]
            if log.plan[at + 1] < 0:
                log.plan[at + 1] = log.plan[at]
        stands = np.append(~corrected, True)[: len(log)]
        self.log, self.code = log.take(stands), code[stands]
        log, code = self.log, self.code
        self._same = np.append(log.subscription[1:] == log.subscription[:-1], False)[: len(log)]  # as the next row's
        opens = np.append(True, ~self._same[:-1])[: len(log)]
        # A subscription's first statement says what held from its start, a later one what holds from its arrival.
        self._effective = np.where(opens, log.started, np.maximum(log.received, log.started))
        self._by_start = np.lexsort((log.order, log.ended, log.started, code))
        self._by_step = np.lexsort((log.order, self._effective, code))
        self._ends, self._end_rank = np.unique(log.ended, return_inverse=True)

    def at(self, as_of: int, window_days: int = 90) -> Terms:
        """Return what held before an instant, as far as it was known then.

        Parameters
        ----------
        as_of : int
            Microseconds UTC.
        window_days : int
            How far back the price is compared.
        """
        log = self.log
        seen = log.received < as_of
        # Statements about one subscription stand in the order of their arrival, so what is known of it is a head of them.
        newest = seen & ~(self._same & np.append(seen[1:], False)[: len(log)])
        held = newest & (log.started < as_of)
        steps = self._by_step[(seen & (log.started < as_of))[self._by_step]]
        rows = self._by_start[held[self._by_start]]
        current = np.full(self.width, -1)
        active = rows[log.ended[rows] > as_of]
        current[self.code[active]] = active  # of several the last one stays: the newest start
        has = current >= 0
        age = np.full(self.width, np.nan)
        since = np.zeros(len(log), dtype=np.int64)
        since[rows] = self._run_starts(rows)
        age[has] = (as_of - since[current[has]]) / MONTH_US
        plan = np.full(self.width, -1)
        plan[has] = log.plan[current[has]]
        price = np.full(self.width, np.nan)
        price[has] = log.price_minor[current[has]]
        ended = np.bincount(self.code[rows[log.ended[rows] <= as_of]], minlength=self.width).astype(np.float64)
        first = np.full(self.width, NEVER)
        first[self.code[rows[::-1]]] = log.started[rows[::-1]]
        before, now, changed = self._prices(steps, as_of, window_days)
        return Terms(age, plan, price, before, now, changed, self._plan_changes(steps), ended, first)

    def _run_starts(self, rows: Ints) -> Ints:
        """Return, for subscriptions sorted by customer and start, when the unbroken run began to which each belongs."""
        if len(rows) == 0:
            return np.zeros(0, dtype=np.int64)
        code, started = self.code[rows], self.log.started[rows]
        base = len(self._ends)
        # Customers rise, so a running greatest of (customer, rank of the end) never looks back to another customer.
        greatest = np.maximum.accumulate(code * base + self._end_rank[rows])
        opens = np.append(True, code[1:] != code[:-1])
        opens[1:] |= started[1:] - DAY_US > self._ends[greatest[:-1] % base]
        return np.asarray(started[np.maximum.accumulate(np.where(opens, np.arange(len(rows)), 0))])

    def _prices(self, steps: Ints, as_of: int, window_days: int) -> tuple[Floats, Floats, Floats]:
        """Return the price before the window, the newest, and the days since it changed."""
        steps = steps[np.isfinite(self.log.price_minor[steps])]
        code, price, effective = self.code[steps], self.log.price_minor[steps], self._effective[steps]
        before, now, changed = (np.full(self.width, np.nan) for _ in range(3))
        now[code] = price
        before[code[::-1]] = price[::-1]
        old = effective < as_of - window_days * DAY_US
        before[code[old]] = price[old]
        moved = np.flatnonzero((code[1:] == code[:-1]) & (price[1:] != price[:-1])) + 1
        changed[code[moved]] = (as_of - effective[moved]) / DAY_US
        return before, now, changed

    def _plan_changes(self, steps: Ints) -> Floats:
        steps = steps[self.log.plan[steps] >= 0]
        code, plan = self.code[steps], self.log.plan[steps]
        moved = code[1:][(code[1:] == code[:-1]) & (plan[1:] != plan[:-1])]
        return np.bincount(moved, minlength=self.width).astype(np.float64)


class ProfileTables:
    """Versions of profiles, coded and sorted once; parameters as `SubscriptionTables`."""

    def __init__(self, log: ProfileLog, people: Ints) -> None:
        self.width = len(people) + 2
        code = codes_of(people, log.customer)
        rows = np.lexsort((log.order, log.known, code))
        self.rows = rows[code[rows] < len(people)]
        self.code, self.known = code[self.rows], log.known[self.rows]

    def at(self, as_of: int) -> Ints:
        """Return the row of each customer's newest version that was known before an instant, -1 without one: shape (customers + 2,)."""
        newest = np.full(self.width, -1)
        seen = self.known < as_of
        newest[self.code[seen]] = self.rows[seen]
        return newest
