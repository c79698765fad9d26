"""The curves of groups with what stands beneath them: numbers at risk, who left between two marks, medians, tests, and departures by tenure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib.kept import Kept
from retainstream.services.analyses import kept
from retainstream.services.survival import grouping, lives
from retainstream.services.survival.grouping import Choice, Grouping
from retainstream.services.survival.lives import Lives

if TYPE_CHECKING:
    from retainstream.ml.group_survival import LogRank
    from retainstream.ml.survival import SurvivalCurve
    from retainstream.ml.tenure import TenureHazards

FEWEST_AT_RISK = 10
"""A curve is drawn, and read off, while so many are at risk (or all of a smaller group)."""
EDGES = (0.0, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 36.0, 60.0, float("inf"))
"""Stretches of tenure, in months; those that nobody has reached are left out."""
_MARKS = (1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 60, 72, 84, 96, 120, 180, 240)
_MOST_MARKS = 9
_MOST_STEPS = 160


@dataclass(frozen=True)
class Step:
    """What happened in a group between two marks: after `since` months and until `until`, the first one from the very start.

    Attributes
    ----------
    share, low, high : float or None
        Still there at `until`, with its interval; None where so few are at risk that nothing is read off.
    left : int
        Who left in between.
    left_by : int
        Who left by `until`.
    at_risk : int
        At risk just before `until`.
    """

    since: float
    until: float
    share: float | None
    low: float | None
    high: float | None
    left: int
    left_by: int
    at_risk: int


@dataclass(frozen=True)
class Group:
    """One curve. `points` are (months, share, low, high) at which the curve steps, thinned, as far as it is drawn; NaN where there is no interval."""

    label: str
    token: str
    curve: SurvivalCurve
    start: int
    steps: tuple[Step, ...]
    points: np.ndarray


@dataclass(frozen=True)
class Survival:
    """Curves of groups, and whether they differ.

    Attributes
    ----------
    lives : Lives
    grouping : Grouping
    groups : tuple of Group
    without : int
        Customers who have no value, and so are in no group.
    log_rank : LogRank or None
        None for a single group.
    pairs : tuple of LogRank
        By places of groups, p adjusted by Holm.
    """

    lives: Lives
    grouping: Grouping
    groups: tuple[Group, ...]
    without: int
    log_rank: LogRank | None
    pairs: tuple[LogRank, ...]

    @property
    def horizon(self) -> float:
        """Return until which month anything is drawn."""
        return max((float(group.points[-1, 0]) for group in self.groups), default=0.0)


_kept: Kept[Survival] = Kept(12)
_kept_groups: Kept[Grouping] = Kept(12)
_kept_tenure: Kept[TenureHazards] = Kept(2)


def read(session: Session, settings: Settings, by: str = grouping.ALL) -> Survival:
    """Return the curves by one of `grouping.choices`.

    Raises
    ------
    NotReady
        Before the material was made, or while nobody has been seen for long enough.
    InvalidInput
        For something that customers cannot be told apart by.
    """
    choice = grouping.chosen(session, by)
    return _kept.of((*kept.state(session), choice), lambda: _made(session, settings, choice))


def grouped(session: Session, settings: Settings, choice: Choice) -> tuple[Lives, Grouping]:
    """Return everybody's stay, and who is in which group: what curves and cells are both made of."""
    everybody = lives.read(session, settings)
    key = (*kept.state(session), choice)
    groups = _kept_groups.of(key, lambda: grouping.group(session, everybody, choice))
    return everybody if groups.entry is None else replace(everybody, entry=groups.entry), groups


def tenure(session: Session, settings: Settings) -> TenureHazards:
    """Return departures for each month of exposure by stretch of tenure; raises NotReady as `read`."""
    from retainstream.ml.tenure import tenure_hazards

    everybody = _enough(lives.read(session, settings))
    longest = float(everybody.months.max())
    edges = [edge for place, edge in enumerate(EDGES) if place < 2 or EDGES[place - 1] < longest]
    made = (everybody.months, everybody.left, np.asarray(edges), everybody.entry)
    return _kept_tenure.of(kept.state(session), lambda: tenure_hazards(*made))


def _enough(everybody: Lives) -> Lives:
    if not len(everybody):
        raise NotReady("Nobody has been a customer for long enough to say how long customers stay.")
    return everybody


def _made(session: Session, settings: Settings, choice: Choice) -> Survival:
    from retainstream.ml.group_survival import compare

    everybody, groups = grouped(session, settings, choice)
    _enough(everybody)
    rows = np.flatnonzero(groups.place >= 0)
    if not len(rows):
        raise NotReady(
            f"Nobody on record has a value of “{choice.title}”: choose something else to tell customers apart by."
        )
    place = groups.place[rows]
    found = compare(everybody.months[rows], everybody.left[rows], place, everybody.entry[rows])
    parts = [rows[place == label] for label in found.labels]
    horizon = max(_last_drawn(everybody, part) for part in parts)
    marks = _marks(horizon)
    made = tuple(
        _group(groups.labels[int(label)], curve, everybody, part, marks)
        for label, curve, part in zip(found.labels, found.curves, parts, strict=True)
    )
    several = len(made) > 1
    return Survival(
        everybody, groups, made, len(everybody) - len(rows), found.log_rank if several else None, found.pairs
    )


def _last_drawn(everybody: Lives, part: np.ndarray) -> float:
    """Return the last time at which enough of a group are at risk, or all of a smaller one; 0 where that was never so."""
    from retainstream.ml.survival import number_at_risk

    times = np.unique(everybody.months[part])
    at_risk = number_at_risk(everybody.months[part], times, everybody.entry[part])
    enough = times[at_risk >= min(FEWEST_AT_RISK, len(part))]
    return float(enough[-1]) if len(enough) else 0.0


def _marks(horizon: float) -> list[float]:
    """Return the months of the table, rounder ones first where they are many; the first whole month at least."""
    inside = [float(mark) for mark in _MARKS if mark <= horizon] or [1.0]
    if len(inside) <= _MOST_MARKS:
        return inside
    rounder = [mark for mark in inside if mark in (1.0, 3.0, 6.0) or mark % 12 == 0]
    return rounder[:_MOST_MARKS]


def _group(label: str, curve: SurvivalCurve, everybody: Lives, part: np.ndarray, marks: list[float]) -> Group:
    from retainstream.ml.survival import number_at_risk

    months, left, entry = everybody.months[part], everybody.left[part], everybody.entry[part]
    until = _last_drawn(everybody, part)
    at_risk = number_at_risk(months, np.asarray([0.0, *marks]), entry)
    gone = np.searchsorted(np.sort(months[left]), np.asarray(marks), side="right")
    read = curve.at(np.asarray(marks))
    steps, before, since = [], 0, 0.0
    for place, mark in enumerate(marks):
        drawn = mark <= until
        share, low, high = (
            float(one[place]) if drawn and np.isfinite(one[place]) else None
            for one in (read.survival, read.low, read.high)
        )
        by_now = int(gone[place])
        steps.append(Step(since, mark, share, low, high, by_now - before, by_now, int(at_risk[place + 1])))
        before, since = by_now, mark
    return Group(label, grouping.token(label), curve, int(at_risk[0]), tuple(steps), _points(curve, until))


def _points(curve: SurvivalCurve, until: float) -> np.ndarray:
    """Return where the curve is drawn, float64 of shape (m, 4): its steps, or evenly read where they are many."""
    times = curve.time[curve.time <= until]
    if len(times) > _MOST_STEPS:
        times = np.linspace(0.0, until, _MOST_STEPS + 1)
    times = np.unique(np.concatenate([[0.0], times, [until]]))
    read = curve.at(times)
    return np.column_stack([times, read.survival, read.low, read.high])
