"""Observation dates and their three parts in time. Filling them with customers is `panel`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.asof.standing import is_activity

EVERY_DAYS = 30
CLOSER_DAYS = (14, 7)
LEAST_HISTORY_DAYS, USUAL_HISTORY_DAYS = 7, 90
MAX_DATES = 24
"""Most observation dates of the three parts together, where calibration and test take two each; `most_dates` says how many with more."""
LATER = (2, 4, 6)
"""How many dates calibration and test each take at most. A training takes more only where too few customers leave in fewer."""
FEW_TRAINING_DATES = 3
_MANY_TRAINING_DATES = 6
_STRAY_SHARE = 0.001


class TooLittleHistory(ValueError):
    """The history is too short for three parts in time.

    Attributes
    ----------
    needed_days, have_days : int
        Days of history that a training takes at least under the rule, and those that there are.
    """

    def __init__(self, message: str, needed_days: int, have_days: int) -> None:
        super().__init__(message)
        self.message, self.needed_days, self.have_days = message, needed_days, have_days


@dataclass(frozen=True)
class Parts:
    """Observation dates of the three parts, each rising; those in between belong to none."""

    train: tuple[int, ...]
    calibrate: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def dates(self) -> tuple[int, ...]:
        """All of them, rising."""
        return self.train + self.calibrate + self.test


@dataclass(frozen=True)
class Calendar:
    """Observation dates that leave room for three parts.

    Attributes
    ----------
    dates : tuple of int
        Rising; those that fall between two parts are among them.
    parts : Parts
    every_days : int
        Their distance.
    note : str, optional
        Said when they are closer than was asked for, or when the later parts take more than two dates each.
    later : int
        One of `LATER`, by which the parts were chosen.
    """

    dates: tuple[int, ...]
    parts: Parts
    every_days: int
    note: str | None = None
    later: int = LATER[0]


def observation_dates(
    rule: ChurnRule, data_start: int, data_end: int, every_days: int = EVERY_DAYS, history_days: int | None = None
) -> tuple[int, ...]:
    """Return the dates at which customers are observed: the newest whose window has closed, and back from it.

    Parameters
    ----------
    rule : ChurnRule
    data_start, data_end : int
        First instant that is known of, and the end of complete data; microseconds UTC.
    every_days : int
        Distance of two dates.
    history_days : int, optional
        Days of history before the first date. By default 90, the longest window of the usual features, but no more than a quarter of what
        lies before the newest date (a short history is better spent on labels than on long windows), and at least 7.

    Returns
    -------
    tuple of int
        Rising; empty when no window has closed.
    """
    newest = data_end - rule.maturity_us
    if history_days is None:
        quarter = (newest - data_start) // DAY_US // 4
        history_days = int(min(max(quarter, LEAST_HISTORY_DAYS), USUAL_HISTORY_DAYS))
    first = data_start + history_days * DAY_US
    return tuple(range(newest, first - 1, -every_days * DAY_US))[::-1]


def parts_of(dates: tuple[int, ...], rule: ChurnRule, later: int = LATER[0]) -> Parts | None:
    """Divide dates into train < calibrate < test; None when there is no room.

    Purged: date + maturity (lead, horizon, the days of silence or grace, settling) of every date of a part lies at or before the first date
    of the next part, so no window of a part reaches into the next one. The test takes the last `later` dates and calibration as many, while six are
    left for training; else two fewer each, and at last one each. Training takes every date that is left.
    """
    sizes = [(n, n, _MANY_TRAINING_DATES) for n in range(later, 1, -2)]
    for n_test, n_calibrate, n_train in (*sizes, (1, 2, _MANY_TRAINING_DATES), (1, 1, 1)):
        if len(dates) < n_test + n_calibrate + n_train:
            continue
        test = dates[-n_test:]
        calibrate = tuple(date for date in dates if date + rule.maturity_us <= test[0])[-n_calibrate:]
        if len(calibrate) < n_calibrate:
            continue
        train = tuple(date for date in dates if date + rule.maturity_us <= calibrate[0])
        if len(train) >= n_train:
            return Parts(train, calibrate, test)
    return None


def most_dates(later: int, max_dates: int = MAX_DATES) -> int:
    """Return how many dates the parts have at most: what calibration and test take more is not taken from training."""
    return max_dates + 2 * (later - LATER[0])


def calendar(
    rule: ChurnRule,
    history: History,
    data_end: int,
    every_days: int = EVERY_DAYS,
    max_dates: int = MAX_DATES,
    later: int = LATER[0],
) -> Calendar:
    """Choose observation dates that leave room for three parts.

    Dates lie `every_days` apart; when that leaves fewer than three for training, 14 and then 7 days apart, and at last with no more than 7
    days of history before the first. Calibration and test take up to `later` dates each, see `parts_of`. The oldest dates for training are
    dropped until `most_dates(later, max_dates)` are in the parts.

    Raises
    ------
    TooLittleHistory
        When no choice leaves room.
    """
    starts = _starts(rule, history)
    for start in starts:
        best: Calendar | None = None
        for history_days in (None, LEAST_HISTORY_DAYS):
            for step in _steps(every_days):
                dates = observation_dates(rule, start, data_end, step, history_days)
                found = _capped(rule, dates, step, max_dates, later)
                if found is not None and (best is None or len(found.parts.train) > len(best.parts.train)):
                    best = found
                if best is not None and len(best.parts.train) >= FEW_TRAINING_DATES:
                    return _noted(best, every_days)
        if best is not None:
            return _noted(best, every_days)
    raise _too_little(rule, starts[-1] if starts else None, data_end, every_days)


def needed_days(rule: ChurnRule, every_days: int = EVERY_DAYS) -> int:
    """Return the fewest days of history from which `calendar` makes three parts."""
    return LEAST_HISTORY_DAYS + 2 * _closest_days(rule, every_days) + rule.maturity_us // DAY_US


def _closest_days(rule: ChurnRule, every_days: int) -> int:
    """Return how close two parts can lie: an outcome's days, rounded up to a whole number of distances between dates."""
    maturity = rule.maturity_us // DAY_US
    return int(min(-(-maturity // step) * step for step in _steps(every_days)))


def _steps(every_days: int) -> tuple[int, ...]:
    """Return the distances between dates that are tried, the preferred one first."""
    return (every_days, *(closer for closer in CLOSER_DAYS if closer < every_days))


def _capped(rule: ChurnRule, dates: tuple[int, ...], step: int, max_dates: int, later: int) -> Calendar | None:
    parts = parts_of(dates, rule, later)
    if parts is None:
        return None
    kept = parts.train[-max(1, most_dates(later, max_dates) - len(parts.calibrate) - len(parts.test)) :]
    parts = Parts(kept, parts.calibrate, parts.test)
    return Calendar(tuple(date for date in dates if date >= kept[0]), parts, step, later=later)


def _noted(found: Calendar, asked: int) -> Calendar:
    notes = []
    if found.every_days != asked:
        notes.append(
            f"The history is short, so customers are observed every {found.every_days} days instead of every {asked}:"
            " the windows of neighbouring dates overlap."
        )
    if len(found.parts.test) > LATER[0]:
        notes.append(
            f"Few customers leave between two dates, so calibration and test take {len(found.parts.test)} dates each instead of {LATER[0]}."
        )
    return replace(found, note=" ".join(notes)) if notes else found


def _starts(rule: ChurnRule, history: History) -> list[int]:
    """Return from when on data counts, the preferred instant first; one row in a thousand may be a stray with a wrong date.

    Rules about subscriptions begin where both subscriptions and events do, else where subscriptions do.
    """
    events = history.events
    if rule.kind == "inactivity":
        known = events.known[is_activity(rule, events)]
        return [_early(known)] if len(known) else []
    if not len(history.subscriptions):
        return []
    first = _early(np.maximum(history.subscriptions.started, history.subscriptions.received))
    return [max(first, _early(events.known)), first] if len(events) else [first]


def _early(instants: np.ndarray) -> int:
    place = int(_STRAY_SHARE * len(instants))
    return int(np.partition(instants, place)[place])


def _too_little(rule: ChurnRule, start: int | None, data_end: int, every_days: int) -> TooLittleHistory:
    needed, apart = needed_days(rule, every_days), _closest_days(rule, every_days)
    have = 0 if start is None else max(0, (data_end - start) // DAY_US)
    return TooLittleHistory(
        f"A forward-looking model under this definition needs {needed} days of history: {LEAST_HISTORY_DAYS} before the first date on which customers"
        f" are observed, {apart} from there to the date that calibrates, {apart} to the date that judges, and"
        f" {rule.maturity_us // DAY_US} until the outcome of that one is certain. There are {have}.",
        needed, have,
    )  # fmt: skip
