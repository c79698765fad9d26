"""Who was a customer at a time, by what was known then. What became of them is `outcomes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.asof.columns import DAY_US, NEVER, EventLog, History, SubscriptionLog
from retainstream.ml.asof.ordering import distinct
from retainstream.ml.asof.rules import BILLING, ChurnRule

TRIAL_PLAN = "trial"


@dataclass(frozen=True)
class Standing:
    """The customers of one as-of time.

    Attributes
    ----------
    customers : int64 array of shape (n,)
        Rising ids of those who were active and of whom no end was known: the population that is learnt from and scored.
    announced : int64 array of shape (m,)
        Rising ids of those who were active but whose end was already known. They are in no panel and are not scored.
    """

    customers: np.ndarray
    announced: np.ndarray


def standing(rule: ChurnRule, history: History, as_of: int) -> Standing:
    """Return who was active at a time, by what was known before it.

    Parameters
    ----------
    rule : ChurnRule
    history : History
        May reach beyond `as_of`; what occurred or was received at `as_of` or later is passed over.
    as_of : int
        Microseconds UTC.

    Returns
    -------
    Standing

    Notes
    -----
    Inactivity of N days: active is who did something in (as_of - N, as_of), that is, who was silent for fewer than N days. Nobody announces
    a silence, so `announced` is empty.

    Subscriptions: active is who has a subscription with started < as_of < ended by its newest statement that was received before as_of.
    Whoever has only such subscriptions whose end is known is announced. `trial_end` takes only those whose running subscriptions are all
    trials (the plan is called trial, or the price is 0), and there nobody is announced: that a trial will end is known from its first day.
    """
    if rule.kind == "inactivity":
        return Standing(_recently_active(rule, history.events, as_of), np.empty(0, np.int64))
    running = history.subscriptions.state_at(as_of)
    running = running.take(running.ended > as_of)
    open_ended = distinct(running.customer[running.ended == NEVER])
    everybody = distinct(running.customer)
    if rule.kind == "trial_end":
        paying = running.customer[~is_trial(running)]
        return Standing(np.setdiff1d(everybody, paying), np.empty(0, np.int64))
    return Standing(open_ended, np.setdiff1d(everybody, open_ended, assume_unique=True))


def is_activity(rule: ChurnRule, events: EventLog) -> np.ndarray:
    """Return which events are activity under an inactivity rule: a mask of shape (n,)."""
    return np.asarray(_counting(rule, events.kinds)[events.kind])


def is_trial(subscriptions: SubscriptionLog) -> np.ndarray:
    """Return which statements are about a trial: a mask of shape (n,)."""
    plans = np.array([*(plan.strip().lower() == TRIAL_PLAN for plan in subscriptions.plans), False], bool)
    return np.asarray(plans[subscriptions.plan] | (subscriptions.price_minor == 0))


def _counting(rule: ChurnRule, kinds: tuple[str, ...]) -> np.ndarray:
    """Return which kinds of event are activity, and False for no kind at last."""
    named = set(rule.activity)
    return np.array([*(kind in named if named else kind not in BILLING for kind in kinds), False], bool)


def _recently_active(rule: ChurnRule, events: EventLog, as_of: int) -> np.ndarray:
    assert rule.inactive_days is not None
    oldest = as_of - rule.inactive_days * DAY_US
    first, last = np.searchsorted(events.occurred, [oldest + 1, as_of])
    recent = slice(int(first), int(last))  # a view: events are sorted by time
    seen = (events.received[recent] < as_of) & _counting(rule, events.kinds)[events.kind[recent]]
    return distinct(events.customer[recent][seen])
