"""A proposed churn definition from a history, with the figures behind it. Its words are the service's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retainstream.ml.asof.columns import DAY_US, NEVER, NO_CODE, REASONS, History
from retainstream.ml.asof.dates import FEW_TRAINING_DATES, TooLittleHistory, needed_days
from retainstream.ml.asof.gaps import Silences, silences, thinned
from retainstream.ml.asof.outcomes import Activity, Outcomes, activity_of
from retainstream.ml.asof.panel import outline
from retainstream.ml.asof.rules import ChurnRule, RuleKind
from retainstream.ml.asof.standing import is_activity

CANDIDATE_DAYS = (7, 14, 21, 30, 45, 60, 90, 120, 180)
ACCEPTED_RETURNS = 0.15
LEAST_OF_EACH = 10
MONTHS = 12
LONGEST_SETTLING = 90
_PROMPT_DAYS = 1 / 24


@dataclass(frozen=True)
class Grounds:
    """What a training would have under one rule.

    Attributes
    ----------
    rule : ChurnRule
    departures : int
        Certain ones on record.
    churn_per_month : float, optional
        Customers who left in a month by those active at its start, over the newest 12 whole months together; 0 to 1, None without any.
    months : int
        How many months that are.
    rows, churners, dates : int
        Of the panel; 0 where three parts in time do not fit.
    training_dates : int
        Dates of the part that is learnt from.
    fits : bool
        Three parts in time fit.
    trainable : bool
        They do, and each part has at least ten rows that left and ten that stayed.
    problem : str, optional
        Why it is not trainable.
    """

    rule: ChurnRule
    departures: int
    churn_per_month: float | None
    months: int
    rows: int
    churners: int
    dates: int
    training_dates: int
    fits: bool
    trainable: bool
    problem: str | None

    @property
    def needed_days(self) -> int:
        """Days of history that three parts take at least."""
        return needed_days(self.rule)


@dataclass(frozen=True)
class Lateness:
    """How late news arrives.

    Attributes
    ----------
    p99_days : float, optional
        99 of 100 rows arrive within so many days; None without rows.
    n : int
    settle_days : int
        Whole days to wait for it: 0 when it takes less than an hour, at most 90.
    """

    p99_days: float | None
    n: int
    settle_days: int


@dataclass(frozen=True)
class Candidate:
    """One number of days of silence: how often a customer comes back after it, and what training would have."""

    came_back: float | None
    silences: int
    grounds: Grounds


@dataclass(frozen=True)
class InactivityProposal:
    """The proposed rule, and what it was chosen from.

    Attributes
    ----------
    chosen : Candidate
    candidates : tuple of Candidate
        By rising days.
    silences : Silences
    lateness : Lateness
    """

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    silences: Silences
    lateness: Lateness


@dataclass(frozen=True)
class SubscriptionProposal:
    """The proposed rule, and what every way of leaving would give.

    Attributes
    ----------
    chosen : Grounds
    by_kind : tuple of Grounds
        One for each kind of rule about subscriptions.
    ends, without_reason : int
        Ended subscriptions, and those of them for which no reason was given.
    lateness : Lateness
    """

    chosen: Grounds
    by_kind: tuple[Grounds, ...]
    ends: int
    without_reason: int
    lateness: Lateness


def propose_inactivity(
    history: History, *, data_end: int, horizon_days: int = 30, lead_days: int = 0, activity: tuple[str, ...] = ()
) -> InactivityProposal:
    """Choose the days of silence after which a customer counts as gone, from the customers' own silences.

    Parameters
    ----------
    history : History
    data_end : int
        Microseconds UTC, the start of a day.
    horizon_days, lead_days : int
    activity : tuple of str
        As in `ChurnRule`.

    Returns
    -------
    InactivityProposal
        Chosen is the smallest number of days after which at most 15 % came back, among those that can be trained from three dates or more. Is
        there none: the largest of those; then likewise among those that can be trained from fewer dates; and when none can be, the smallest
        after which at most 15 % came back, or else the smallest that was not watched for long enough to tell: nothing speaks against it, and it
        needs the least history.
        Candidates are 7 to 180 days and the days within which 95 of 100 silences end.
    """
    history = history.cut(data_end)
    model = ChurnRule("inactivity", horizon_days, lead_days, inactive_days=1, activity=activity)
    done = activity_of(model, history.events, data_end)
    counted = silences(done, data_end)
    late = lateness_of_events(model, history)
    few = thinned(done)  # quicker for every rule, and nobody's silence becomes another one
    usual = counted.quantile(0.95)
    days = sorted({*CANDIDATE_DAYS, *([min(usual, 730)] if usual else [])})
    candidates = []
    for n in days:
        rule = replace(model, inactive_days=n, settle_days=late.settle_days)
        candidates.append(Candidate(counted.came_back(n), counted.reached(n), grounds(rule, history, data_end, few)))
    return InactivityProposal(_chosen(candidates), tuple(candidates), counted, late)


def _chosen(candidates: list[Candidate]) -> Candidate:
    """Return what `propose_inactivity` proposes.

    A long silence leaves few dates to learn from, and those at the very start, where nobody can have been silent for long: on a shop's year (90 days,
    one date) the model ranked worse than days since the last purchase, at 60 days and five dates better.
    """
    settled = [each for each in candidates if each.came_back is not None and each.came_back <= ACCEPTED_RETURNS]
    trainable = [each for each in candidates if each.grounds.trainable]
    for among in ([each for each in trainable if each.grounds.training_dates >= FEW_TRAINING_DATES], trainable):
        few_return = [each for each in among if each in settled]
        if among:
            return few_return[0] if few_return else among[-1]
    open_ = [each for each in candidates if each.came_back is None]
    return (settled or open_ or candidates[-1:])[0]


def propose_subscription(
    history: History, kind: RuleKind, *, data_end: int, horizon_days: int = 30, lead_days: int = 0
) -> SubscriptionProposal:
    """Describe the ways in which subscriptions end, and make a rule of one of them.

    An end without a reason counts as "other". Where most ends that may be cancellations have none, a `cancel` rule counts "other" as well.
    """
    history = history.cut(data_end)
    late = lateness_of_ends(history)
    state = history.subscriptions.state_at(data_end)
    ended = state.take((state.ended <= data_end) & (state.ended > state.started))
    voluntary = int((ended.reason == REASONS.index("voluntary")).sum())
    unexplained = int(np.isin(ended.reason, (NO_CODE, REASONS.index("other"))).sum())
    found = []
    for name in ("cancel", "payment_failure", "trial_end", "non_renewal"):
        reasons = ("voluntary", "other") if name == "cancel" and unexplained > voluntary else ()
        rule = ChurnRule(name, horizon_days, lead_days, reasons=reasons, settle_days=late.settle_days)
        found.append(grounds(rule, history, data_end))
    chosen = next(each for each in found if each.rule.kind == kind)
    return SubscriptionProposal(chosen, tuple(found), len(ended), int((ended.reason == NO_CODE).sum()), late)


def weigh(rule: ChurnRule, history: History, *, data_end: int) -> Candidate:
    """Return what any one rule would give; `came_back` is None and `silences` 0 for a rule about subscriptions.

    Parameters
    ----------
    rule : ChurnRule
    history : History
    data_end : int
        Microseconds UTC, the start of a day.
    """
    history = history.cut(data_end)
    if rule.inactive_days is None:
        return Candidate(None, 0, grounds(rule, history, data_end))
    done = activity_of(rule, history.events, data_end)
    counted = silences(done, data_end)
    found = grounds(rule, history, data_end, thinned(done))
    return Candidate(counted.came_back(rule.inactive_days), counted.reached(rule.inactive_days), found)


def grounds(rule: ChurnRule, history: History, data_end: int, activity: Activity | None = None) -> Grounds:
    """Return what a training would have under a rule; `history` holds nothing that was known later than `data_end`."""
    outcomes = Outcomes(rule, history, data_end, activity)
    months = outcomes.churn_by_month(MONTHS)
    active = sum(month.active for month in months)
    rate = sum(month.left for month in months) / active if active else None
    known = (rule, len(outcomes.departures()[0]), rate, len(months))
    try:
        plan = outline(history, rule, data_end=data_end, outcomes=outcomes)
    except TooLittleHistory as refused:
        return Grounds(*known, 0, 0, 0, 0, fits=False, trainable=False, problem=refused.message)
    parts, problem = plan.calendar.parts, None
    for name, dates in (("training", parts.train), ("calibration", parts.calibrate), ("test", parts.test)):
        y = plan.y[np.isin(plan.as_of, dates)]
        left, stayed = int(y.sum()), int(len(y) - y.sum())
        if min(left, stayed) < LEAST_OF_EACH:
            problem = (
                f"Too few for {name}: {left:,} rows that left and {stayed:,} that stayed; each takes {LEAST_OF_EACH}."
            )
            break
    sizes = (len(plan.y), int(plan.y.sum()), len(parts.dates), len(parts.train))
    return Grounds(*known, *sizes, fits=True, trainable=problem is None, problem=problem)


def lateness_of_events(rule: ChurnRule, history: History) -> Lateness:
    """Return how long after its occurrence activity arrives."""
    rows = is_activity(rule, history.events)
    return _lateness(history.events.received[rows] - history.events.occurred[rows])


def lateness_of_ends(history: History) -> Lateness:
    """Return how long after a subscription's end the first news of that end arrives; news that comes before is prompt."""
    said = history.subscriptions
    said = said.take(said.ended != NEVER)
    order = np.lexsort((said.received, said.ended, said.subscription))
    codes, ended = said.subscription[order], said.ended[order]
    first = np.append(True, (codes[1:] != codes[:-1]) | (ended[1:] != ended[:-1])) if len(order) else order
    rows = order[first] if len(order) else order
    return _lateness(said.received[rows] - said.ended[rows])


def _lateness(lag_us: np.ndarray) -> Lateness:
    if not len(lag_us):
        return Lateness(None, 0, 0)
    days = float(np.quantile(np.maximum(lag_us, 0), 0.99)) / DAY_US
    return Lateness(days, len(lag_us), 0 if days < _PROMPT_DAYS else min(LONGEST_SETTLING, int(np.ceil(days))))
