"""Whether there is enough history to train on, when there should be, and whether a panel agrees with the churn that was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.asof.columns import DAY_US, EventLog, History
from retainstream.ml.asof.dates import (
    CLOSER_DAYS,
    EVERY_DAYS,
    FEW_TRAINING_DATES,
    LATER,
    Parts,
    TooLittleHistory,
    most_dates,
    parts_of,
)
from retainstream.ml.asof.outcomes import churn_between
from retainstream.ml.assessment import Verdict

if TYPE_CHECKING:
    from retainstream.ml.asof.panel import Panel, Split

LEAST = {"train": 50, "calibrate": 20, "test": 20}
"""Customers who left, and who stayed, that each window needs. Percentages need more (`calibration.GATE_CHURNERS`); the report says so then."""
MONTH_DAYS = 30.4375
_PREVALENCE_RATIO = 1.5
_PREVALENCE_SIGMAS = 4.0
_KIND_DAYS = 60  # how far back the pace of a kind of event is read
_KIND_PRESENT = 0.9  # of those days with an event: then three days without one are no accident
_KIND_SILENT_DAYS = 3
_KIND_MISSED = 10  # events that should have come by its pace: with fewer, chance alone may silence a rare kind
_LOOK_AHEAD_DAYS, _LOOK_AHEAD_STEP = 3 * 365, 7  # a date further off than three years is no date


@dataclass(frozen=True)
class Sufficiency:
    """Whether a training is worth its name.

    Attributes
    ----------
    verdict : Verdict
        Its sentence says what is missing.
    sufficient_on : int or None
        Microseconds UTC at which data should suffice at today's pace; None when they do, or when there is no pace to go by.
    """

    verdict: Verdict
    sufficient_on: int | None = None


def history_too_short(missing: TooLittleHistory, data_end: int) -> Sufficiency:
    """Return when a history will be long enough that has no room for three windows yet."""
    days = max(missing.needed_days - missing.have_days, 1)
    on = data_end + days * DAY_US
    message = f"{missing.message} It should suffice on {_day(on)}, in about {_span(days)}."
    needs = {"needed_days": float(missing.needed_days), "have_days": float(missing.have_days)}
    return Sufficiency(Verdict(False, "too_little_history", message, needs), on)


def enough(panel: Panel, split: Split) -> Sufficiency:
    """Say whether each window holds enough customers who left and who stayed, treated ones aside.

    The date is the first at which every window would hold leavers enough at the pace of the panel's own dates, calibration and test taking as many
    dates as a training may give them (`dates.LATER`). Where too few leave in the most, there is no such date, and the sentence says so.
    """
    lacks: list[tuple[int, str, int, int, str]] = []
    for name, needed in LEAST.items():
        rows = getattr(split, name)
        rows = rows[~panel.treated[rows]]
        for outcome, what in ((1, "customers who left"), (0, "customers who stayed")):
            have = len(np.unique(panel.customer[rows][panel.y[rows] == outcome]))
            if have < needed:
                lacks.append((needed - have, name, have, needed, what))
    if not lacks:
        left = int(panel.y.sum())
        return Sufficiency(
            Verdict(True, "ok", f"{len(panel):,} rows, {left:,} of customers who left: enough to train on.")
        )
    missing, name, have, needed, what = max(lacks)
    window = {"train": "training", "calibrate": "calibration", "test": "test"}[name]
    message = f"The {window} window has {have:,} {what}; at least {needed} are needed, so {missing} are missing."
    on = None
    if all(of.endswith("left") for *_, of in lacks):
        days = _days_until(panel)
        if days is None:
            message += (
                " At today's pace they will never be there: more customers, or a longer horizon, would bring them."
            )
        else:
            on = panel.data_end + days * DAY_US
            message += f" At today's pace they should be there on {_day(on)}, in about {_span(days)}."
    code = "too_few_churners" if what.endswith("left") else "too_few_stayers"
    return Sufficiency(Verdict(False, code, message, {"needed": needed, "have": have, "missing": missing}), on)


def _days_until(panel: Panel) -> int | None:
    """Return in how many days the windows should hold enough leavers; None when not within three years."""
    seen = np.unique(panel.customer[panel.y == 1]).size
    span = (panel.dates[-1] - panel.dates[0]) / DAY_US + panel.rule.horizon_days if panel.dates else 0
    if not seen or not span:
        return None
    # Before the next date nearly the same customers would be looked at.
    for days in range(max(panel.every_days, _LOOK_AHEAD_STEP), _LOOK_AHEAD_DAYS + 1, _LOOK_AHEAD_STEP):
        for later in LATER:
            parts = _parts_in(panel, days, later)
            covered = {name: _covered_days(getattr(parts, name), panel.rule.horizon_days) for name in LEAST}
            if all(seen / span * covered[name] >= least for name, least in LEAST.items()):
                return days
    return None


def _parts_in(panel: Panel, days: int, later: int) -> Parts:
    """Return the windows that there will be in so many days, chosen as `dates.calendar` does."""
    first, newest = panel.dates[0], panel.dates[-1] + days * DAY_US
    best = Parts((), (), ())
    for step in (max(panel.every_days, EVERY_DAYS), *CLOSER_DAYS):
        found = parts_of(tuple(range(newest, first - 1, -step * DAY_US))[::-1], panel.rule, later)
        if found is not None and len(found.train) > len(best.train):
            best = found
        if len(best.train) >= FEW_TRAINING_DATES:
            break
    kept = max(1, most_dates(later) - len(best.calibrate) - len(best.test))
    return Parts(best.train[-kept:], best.calibrate, best.test)


def _covered_days(dates: Sequence[int], horizon_days: int) -> float:
    """Return how many days the label windows of some rising dates cover together; in each of them somebody leaves for the first time."""
    steps = np.diff(dates) / DAY_US
    return float(np.minimum(steps, horizon_days).sum() + horizon_days) if len(dates) else 0.0


def prevalence(history: History, panel: Panel) -> Verdict:
    """Compare the share of leavers among the panel's rows with the churn that is counted directly, date by date.

    The two are computed by different code from the same history (`asof.monthly` sweeps over periods, labels look at windows), so a panel that
    was filtered, joined or balanced wrongly shows. A lead takes leavers out of both.
    """
    rule = panel.rule
    lead, length = rule.lead_days * DAY_US, rule.horizon_days * DAY_US
    counted = churn_between(
        rule, history, panel.data_end, [(date + lead, date + lead + length) for date in panel.dates]
    )
    rows = np.array([int((panel.as_of == date).sum()) for date in panel.dates], float)
    observed = np.array([month.label_share for month in counted])
    if rule.kind == "inactivity" and rule.already_silent == "leave_out":
        observed = np.array([month.left / max(month.active - month.silent, 1) for month in counted])
    usable = np.isfinite(observed) & (rows > 0)
    if not usable.any():
        return Verdict(True, "ok", "There is no observed churn rate to compare with.")
    expected = float((rows * np.where(usable, observed, 0.0)).sum() / rows[usable].sum())
    share, n = float(panel.y.mean()), float(rows.sum())
    needs = {"panel": share, "observed": expected}
    ratio = (share + 1e-9) / (expected + 1e-9)
    spread = float(np.sqrt(max(expected * (1 - expected), 1e-9) / n))
    if 1 / _PREVALENCE_RATIO <= ratio <= _PREVALENCE_RATIO or abs(share - expected) <= _PREVALENCE_SIGMAS * spread:
        return Verdict(
            True, "ok", f"{share:.1%} of the rows left; the churn that was counted says {expected:.1%}.", needs
        )
    return Verdict(
        False,
        "prevalence_disagrees",
        f"{share:.1%} of the training rows left, but the churn counted directly over the same windows is {expected:.1%}: "
        "rows are missing or counted twice. Check imports of the last days, and whether customers were left out.",
        needs,
    )


def stopped_kinds(history: History, data_end: int) -> tuple[str, ...]:
    """Return kinds of event that came nearly every day and then stopped while others went on: the data stopped, not the customers.

    A rare kind may pause by chance: at its own pace at least `_KIND_MISSED` events must be missing (a Poisson count of 10 is 0 once in 22,000).

    Parameters
    ----------
    history : History
    data_end : int
        Microseconds UTC; the last days before it are looked at.
    """
    events: EventLog = history.events
    first_day = data_end // DAY_US - _KIND_DAYS
    recent = events.take((events.known < data_end) & (events.occurred >= first_day * DAY_US))
    if not len(recent):
        return ()
    day = recent.occurred // DAY_US - first_day
    present = np.zeros((len(events.kinds), _KIND_DAYS + 1), bool)
    present[recent.kind, day] = True
    others = np.asarray(present.any(axis=0))
    counts = np.bincount(recent.kind, minlength=len(present))
    found = []
    for kind in range(len(present)):
        days = present[kind]
        seen = np.flatnonzero(days)
        if not len(seen):
            continue
        last = int(seen[-1])
        silent, pace = int(others[last + 1 :].sum()), counts[kind] / (last + 1 - seen[0])
        if (
            silent >= _KIND_SILENT_DAYS
            and silent * pace >= _KIND_MISSED
            and last >= _KIND_DAYS // 3
            and days[int(seen[0]) : last + 1].mean() >= _KIND_PRESENT
        ):
            found.append(events.kinds[kind])
    return tuple(found)


def _day(moment: int) -> str:
    return str(np.datetime64(moment, "us").astype("datetime64[D]"))


def _span(days: int) -> str:
    if days < 60:
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{round(days / MONTH_DAYS)} months"
