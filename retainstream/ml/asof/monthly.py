"""How many customers left in each month, counted by a sweep over everybody's periods.

It shares no code with the labels (`outcomes`) on purpose: it is the other side of the check that a training's share of churners agrees
with the churn that was observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from retainstream.ml.asof.columns import DAY_US, NEVER, NO_CODE, REASONS, History
from retainstream.ml.asof.ordering import by_customer, distinct
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.asof.standing import is_activity, standing


@dataclass(frozen=True)
class MonthlyChurn:
    """One calendar month, UTC, or another stretch of time.

    Attributes
    ----------
    month : str
        Such as "2026-03"; of another stretch its first day.
    active : int
        Customers that were active at its start, announced ends among them.
    left : int
        Those of `active` who left within it, in the way of the rule; dated at the last activity or the subscription's end. A silent one
        who came back and left once more is not counted again.
    rate : float
        left / active; 0 to 1.
    silent : int
        Inactivity: those of `active` who had already done their last before it started. They left in an earlier month.
    announced : int
        Subscriptions: those of `active` whose end was already known when it started; they are in no panel.
    left_announced : int
        Those of `left` who are among `announced`.
    """

    month: str
    active: int
    left: int
    rate: float
    silent: int = 0
    announced: int = 0
    left_announced: int = 0

    @property
    def label_share(self) -> float:
        """Share of churners among the rows that a panel would have at its start with this stretch as the window, without a lead; 0 to 1.

        Silent customers count as leaving, announced ones are left out. NaN without rows.
        """
        rows = self.active - self.announced
        return (self.left + self.silent - self.left_announced) / rows if rows else float("nan")


Left = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Customer, left_at, and whether it was in the way of the rule; of every time that anybody left, in any order."""


def churn_by_month(
    rule: ChurnRule, history: History, data_end: int, *, left: Left | None = None, newest: int | None = None
) -> tuple[MonthlyChurn, ...]:
    """Return the churn of every whole month, oldest first, as far as it is certain.

    Parameters
    ----------
    rule : ChurnRule
        Its horizon and lead do not matter here.
    history : History
        May reach beyond `data_end`; what was not known before it is passed over.
    data_end : int
        Microseconds UTC. A month counts when it ended N (or grace) + settle days before.
    left : triple of arrays, optional
        Who left when, for a caller that has counted it already and wants no check; counted here by default.
    newest : int, optional
        Only so many of the newest months.

    Returns
    -------
    tuple of MonthlyChurn
        Months at whose start nobody was active are left out.
    """
    history = _known(history, data_end)
    if rule.kind == "inactivity":
        first = int(history.events.occurred[0]) if len(history.events) else data_end
    else:
        first = int(history.subscriptions.started.min()) if len(history.subscriptions) else data_end
    certain = data_end - rule.confirm_days * DAY_US
    months = [(start, stop) for start, stop in _months(first, data_end) if stop <= certain]
    months = months[-newest:] if newest else months
    return tuple(
        MonthlyChurn(**{**vars(row), "month": row.month[:7]})
        for row in _between(rule, history, left or _left(rule, history, data_end), months)
        if row.active
    )


def churn_between(
    rule: ChurnRule, history: History, data_end: int, stretches: list[tuple[int, int]]
) -> tuple[MonthlyChurn, ...]:
    """Return the churn of given stretches [start, stop) of time; see :func:`churn_by_month`. Whether they are certain is the caller's affair."""
    history = _known(history, data_end)
    return _between(rule, history, _left(rule, history, data_end), stretches)


def _known(history: History, moment: int) -> History:
    """Cut events and subscriptions; profiles and who is known at all do not matter here."""
    return replace(history, events=history.events.cut(moment), subscriptions=history.subscriptions.cut(moment))


def _between(
    rule: ChurnRule, history: History, left: Left, stretches: list[tuple[int, int]]
) -> tuple[MonthlyChurn, ...]:
    customer, left_at, counts = left
    found = []
    for start, stop in stretches:
        seen = standing(rule, history, start)
        everybody = distinct(np.concatenate([seen.customers, seen.announced]))
        within = (left_at >= start) & (left_at < stop)
        gone = np.intersect1d(distinct(customer[within & counts]), everybody, assume_unique=True)
        silent = np.empty(0, np.int64)
        if rule.inactive_days is not None:
            before = (left_at < start) & (left_at > start - rule.inactive_days * DAY_US)
            silent = np.intersect1d(distinct(customer[before]), everybody, assume_unique=True)
            gone = np.setdiff1d(gone, silent, assume_unique=True)
        n = len(everybody)
        found.append(
            MonthlyChurn(
                str(np.datetime64(start, "us").astype("datetime64[D]")), n, len(gone), len(gone) / n if n else 0.0,
                len(silent), len(seen.announced), len(np.intersect1d(gone, seen.announced, assume_unique=True)),
            )
        )  # fmt: skip
    return tuple(found)


def _months(first: int, last: int) -> Iterator[tuple[int, int]]:
    at = datetime.fromtimestamp(first / 1e6, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = int(at.timestamp()) * 1_000_000
    while start < last:
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        stop = int(at.timestamp()) * 1_000_000
        yield start, stop
        start = stop


def _periods(rule: ChurnRule, history: History, data_end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return customer, begin, end (shifted by the days of silence or grace that it takes to be gone) and reason of every period."""
    if rule.inactive_days is not None:
        rows = is_activity(rule, history.events)
        at = history.events.occurred[rows]
        return history.events.customer[rows], at, at + rule.inactive_days * DAY_US, np.zeros(len(at), np.int8)
    state = history.subscriptions.state_at(data_end)
    state = state.take(state.ended > state.started)
    gone = np.where(
        state.ended == NEVER, NEVER, np.minimum(state.ended, NEVER - 366 * DAY_US) + rule.grace_days * DAY_US
    )
    return state.customer, state.started, gone, state.reason


def _left(rule: ChurnRule, history: History, data_end: int) -> Left:
    return _sweep(rule, *_periods(rule, history, data_end))


def _sweep(rule: ChurnRule, customer: np.ndarray, begin: np.ndarray, gone: np.ndarray, reason: np.ndarray) -> Left:
    """Return customer, left_at and whether the reason counts of each time that a customer's last running period ended.

    Every period adds one at its beginning and takes one away at its end; who is at zero is gone. A silence of exactly N days is one, so
    there the end comes first; a subscription that starts on the last day of the grace continues, so there the beginning does.
    """
    n = len(customer)
    who, at = np.concatenate([customer, customer]), np.concatenate([begin, gone])
    step = np.repeat(np.array([1, -1], np.int8), n)
    first_of_two = -1 if rule.inactive_days is not None else 1
    moment = np.minimum(at, NEVER // 2 - 1) * 2 + (step != first_of_two)
    order = np.argsort(moment, kind="stable")  # quick, since beginnings and ends are sorted already
    order = order[by_customer(who[order])]
    level = np.cumsum(step[order], dtype=np.int64)  # everybody's steps add up to 0, so each customer starts anew
    ended = order[(level == 0) & (at[order] != NEVER)] - n
    shift = (rule.inactive_days or rule.grace_days) * DAY_US
    why = reason[ended]
    known = np.where(why == NO_CODE, REASONS.index("other"), why)
    counts = np.isin(known, [REASONS.index(name) for name in rule.reasons])
    if rule.inactive_days is not None:
        counts = np.ones(len(ended), bool)
    return customer[ended], gone[ended] - shift, counts
