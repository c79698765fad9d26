"""Who left, when, and labels. Who was active is `standing`, the count by month is `monthly`; all public names are to be had here.

Every window is half-open, as the rule that makes something known is (occurred < as_of): what falls on the as-of time itself belongs to the
future, and a window that closes at the end of the data needs nothing that happens at that end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.asof.columns import DAY_US, NEVER, NO_CODE, REASONS, EventLog, History, SubscriptionLog
from retainstream.ml.asof.monthly import MonthlyChurn, churn_between, churn_by_month
from retainstream.ml.asof.ordering import by_customer
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.asof.standing import Standing, is_activity, standing

__all__ = [
    "Activity",
    "Labels", "MonthlyChurn", "Outcomes", "Standing", "Stays", "by_customer", "churn_between", "churn_by_month", "departures", "labels",
    "standing", "stays",
]  # fmt: skip
LEFT, STAYED, LEFT_OUT = 1, 0, -1
_OTHER = REASONS.index("other")


@dataclass(frozen=True)
class Labels:
    """What became of some customers after one as-of time.

    Attributes
    ----------
    y : int8 array of shape (n,)
        1 left in the window, 0 stayed, -1 left out.
    left_at : int64 array of shape (n,)
        When a customer first left in the way of the rule after it was seen at the as-of time, inside the window or not; NEVER where that is
        not known for certain at the end of the data.
    left_out : dict of str to int
        Why rows are -1: `left_within_lead`; `already_silent` (inactivity, when the rule leaves them out); `already_left` (news came later
        of an end before the as-of time); `corrected` (later statements say that there was no subscription); `window_open`.
    other_reason : int
        Rows with y = 0 who left in the window in another way than the rule's: competing causes.
    """

    y: np.ndarray
    left_at: np.ndarray
    left_out: dict[str, int]
    other_reason: int = 0


@dataclass(frozen=True)
class Stays:
    """Unbroken times of being a customer, as known at one time, sorted by (customer, start).

    Attributes
    ----------
    customer, start : int64 arrays of shape (n,)
    end : int64 array of shape (n,)
        NEVER for one that goes on, or whose end is not yet certain.
    counts : bool array of shape (n,)
        Whether it ended in the way of the rule.
    """

    customer: np.ndarray
    start: np.ndarray
    end: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Activity:
    """What everybody did, sorted by (customer, at).

    Attributes
    ----------
    customer, at : int64 arrays of shape (n,)
    rows : int64 array of shape (n,)
        Positions of the events in their log.
    """

    customer: np.ndarray
    at: np.ndarray
    rows: np.ndarray


class Outcomes:
    """What became of everybody, by what was known at one time; sorts the history once for any number of as-of times.

    Parameters
    ----------
    rule : ChurnRule
    history : History
        May reach beyond `data_end`; what was not known before it is passed over.
    data_end : int
        Microseconds UTC.
    activity : Activity, optional
        Sorted already, for a caller that tries several rules with the same activity.
    """

    def __init__(self, rule: ChurnRule, history: History, data_end: int, activity: Activity | None = None) -> None:
        self.rule, self.history, self.data_end = rule, history, data_end
        self.stays = stays(rule, history, data_end, activity)

    def labels(self, customers: np.ndarray, as_of: int) -> Labels:
        """Return what became of customers that were active at a time; see :func:`labels`."""
        n, rule = len(customers), self.rule
        if as_of + rule.maturity_us > self.data_end:
            return Labels(np.full(n, LEFT_OUT, np.int8), np.full(n, NEVER), {"window_open": n} if n else {})
        end, counts, found = self._stay_at(customers, as_of)
        opens = as_of + rule.lead_days * DAY_US
        closes = opens + rule.horizon_days * DAY_US
        in_window = (end >= opens) & (end < closes)
        y = (in_window & counts).astype(np.int8)
        reasons = {"left_within_lead": (end >= as_of) & (end < opens), "corrected": ~found}
        before = found & (end < as_of)
        if rule.kind != "inactivity":
            reasons["already_left"] = before
        elif rule.already_silent == "leave_out":
            reasons["already_silent"] = before
        else:
            y[before] = LEFT
        for rows in reasons.values():
            y[rows] = LEFT_OUT
        left_out = {why: int(rows.sum()) for why, rows in reasons.items() if rows.any()}
        left_at = np.where(counts, end, NEVER)
        return Labels(y, left_at, left_out, int((in_window & ~counts).sum()))

    def departures(self) -> tuple[np.ndarray, np.ndarray]:
        """Return everybody who left in the way of the rule; see :func:`departures`."""
        left = self.stays.counts & (self.stays.end != NEVER)
        return self.stays.customer[left], self.stays.end[left]

    def churn_by_month(self, newest: int | None = None) -> tuple[MonthlyChurn, ...]:
        """Return the churn of the newest whole months from these very stays: quicker than `churn_by_month`, and so no check of the labels."""
        ended = self.stays.end != NEVER
        left = (self.stays.customer[ended], self.stays.end[ended], self.stays.counts[ended])
        return churn_by_month(self.rule, self.history, self.data_end, left=left, newest=newest)

    def _stay_at(self, customers: np.ndarray, as_of: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return end, whether it counts, and whether there is any, of each customer's last stay that began before a time."""
        rows = np.flatnonzero(self.stays.start < as_of)
        owners = self.stays.customer[rows]
        place = np.searchsorted(owners, customers, side="right") - 1
        if not len(rows):
            return np.full(len(customers), NEVER), np.zeros(len(customers), bool), np.zeros(len(customers), bool)
        found = (place >= 0) & (owners[place] == customers)
        row = rows[np.maximum(place, 0)]
        return np.where(found, self.stays.end[row], NEVER), found & self.stays.counts[row], found


def labels(rule: ChurnRule, history: History, customers: np.ndarray, as_of: int, data_end: int) -> Labels:
    """Return what became of customers after a time, by what was known at the end of the data.

    Parameters
    ----------
    rule : ChurnRule
    history : History
        May reach beyond `data_end`.
    customers : int64 array of shape (n,)
        Rising ids of customers that were active at `as_of`: those of :func:`standing`.
    as_of, data_end : int
        Microseconds UTC. When the window has not closed (as_of + rule.maturity_us > data_end), every row is left out.

    Returns
    -------
    Labels
        In the order of `customers`.

    Notes
    -----
    Left at: the end of the stay that the customer was in (see :func:`stays`). With w = as_of + lead:

    - y = 1 when left_at lies in [w, w + horizon) and, for subscriptions, the reason is one of the rule's; 0 for another reason (counted).
    - left_at in [as_of, w): left within the lead, left out and counted, whatever the reason.
    - left_at < as_of, inactivity: the customer was silent for fewer than N days at as_of and never came back. 1 by default, since at
      as_of nobody can tell such a customer from others; left out with ``already_silent="leave_out"``. See docs/decisions/0005.
    - left_at < as_of, subscriptions: news of the end came after as_of; left out and counted.
    """
    return Outcomes(rule, history, data_end).labels(customers, as_of)


def departures(rule: ChurnRule, history: History, data_end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return everybody who left in the way of the rule, by what was known at the end of the data.

    Returns
    -------
    customer, left_at : int64 arrays of shape (n,)
        Sorted by both. A customer who came back and left again has several rows. Only what is certain: left_at + N (or grace) + settle
        days lie at or before `data_end`.
    """
    return Outcomes(rule, history, data_end).departures()


def stays(rule: ChurnRule, history: History, data_end: int, activity: Activity | None = None) -> Stays:
    """Return everybody's unbroken times of being a customer, by what was known at the end of the data.

    Notes
    -----
    Inactivity: a stay begins with an activity and ends with the last one before a silence of at least N days, that is, one with none in
    (t, t + N); so a customer leaves exactly where there is a later time at which it was not active.

    Subscriptions: periods of a customer that overlap, touch, or start within grace days of the end of the one before are one stay; it ends
    with the one that ends last, whose reason counts (no reason given counts as "other"). A period with ended <= started is void.
    """
    end_is_certain = data_end - rule.confirm_days * DAY_US
    if rule.kind == "inactivity":
        found = _of_activity(rule, activity or activity_of(rule, history.events, data_end))
    else:
        found = _of_subscriptions(rule, history.subscriptions.state_at(data_end))
    return Stays(found.customer, found.start, np.where(found.end <= end_is_certain, found.end, NEVER), found.counts)


def activity_of(rule: ChurnRule, events: EventLog, data_end: int) -> Activity:
    """Return everybody's activity that was known before a time."""
    rows = np.flatnonzero(is_activity(rule, events) & (events.known < data_end))
    rows = rows[by_customer(events.customer[rows])]
    return Activity(events.customer[rows], events.occurred[rows], rows)


def _of_activity(rule: ChurnRule, activity: Activity) -> Stays:
    assert rule.inactive_days is not None
    customer, at = activity.customer, activity.at
    first = _starts(customer)
    first[1:] |= np.diff(at) >= rule.inactive_days * DAY_US
    last = np.append(first[1:], True) if len(first) else first
    return Stays(customer[first], at[first], at[last], np.ones(int(first.sum()), bool))


def _of_subscriptions(rule: ChurnRule, state: SubscriptionLog) -> Stays:
    import pandas as pd

    state = state.take(state.ended > state.started)
    order = np.lexsort((state.ended, state.started, state.customer))
    state = state.take(order)
    latest_end = pd.Series(state.ended).groupby(state.customer).cummax().to_numpy(np.int64)
    first = _starts(state.customer)
    first[1:] |= state.started[1:] - rule.grace_days * DAY_US > latest_end[:-1]
    last = np.append(first[1:], True) if len(first) else first
    end = latest_end[last]
    stay = np.cumsum(first) - 1
    deciding = np.flatnonzero(state.ended == end[stay])
    deciding = deciding[np.argsort(order[deciding])]  # of two that end together the newest statement decides
    reason = np.zeros(len(end), np.int64)
    reason[stay[deciding]] = np.where(state.reason == NO_CODE, _OTHER, state.reason)[deciding]
    counts = np.isin(reason, [REASONS.index(name) for name in rule.reasons])
    return Stays(state.customer[first], state.started[first], end, counts)


def _starts(groups: np.ndarray) -> np.ndarray:
    """Return a mask of the first row of each group of equal, adjacent values."""
    return np.append(True, groups[1:] != groups[:-1]) if len(groups) else np.zeros(0, bool)
