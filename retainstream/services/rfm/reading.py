"""What the RFM runs in force say: the map, the named groups, and who moved between two days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib.kept import Kept
from retainstream.models import AnalysisRun, Customer, LatestScore, RfmScore
from retainstream.services import revisions
from retainstream.services.analyses import kept, runs, skipped
from retainstream.services.rfm.making import KIND, WORDS
from retainstream.services.rfm.values import month_ends, month_name

if TYPE_CHECKING:
    from retainstream.ml.rfm import Migration

NOW = "now"
"""How the run in force is named among the ends of months."""
NOT_YET = "Nobody has been scored by recency, frequency and money yet; the first look takes a minute."
_LOOKED_BACK = 60


@dataclass(frozen=True)
class Rows:
    """Visible customers of a run by rising id; int64 arrays of shape (n,). `money` is in minor units, 0 where there is none."""

    as_of: int
    customer: np.ndarray
    recency_days: np.ndarray
    frequency: np.ndarray
    money: np.ndarray
    r: np.ndarray
    f: np.ndarray
    m: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class Group:
    """A named group: how many are in it, what they bring together, and the mean of their churn probabilities with how many have one."""

    name: str
    meaning: str
    n: int
    money_minor: int | None
    probability: float | None
    scored: int


@dataclass(frozen=True)
class Standing:
    """The run in force.

    Attributes
    ----------
    as_of, made_at : int
        Microseconds UTC.
    meaning : {"purchases", "activity"}
    currency : str or None
        None where there is no money: then everybody has the middle score of it.
    n : int
    groups : tuple of Group
        All ten, in the order of `ml.rfm.NAMES`.
    grid : tuple of tuples of int
        `grid[r - 1][f - 1]`: customers with these scores; all sum to `n`.
    """

    as_of: int
    made_at: int
    meaning: str
    currency: str | None
    n: int
    groups: tuple[Group, ...]
    grid: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Day:
    """A day that moves can be counted from or to: its name (2024-03 for the end of that month, or now), its run and its as-of."""

    name: str
    run_id: int
    as_of: int


@dataclass(frozen=True)
class Moves:
    """Who moved between two days; `table` is `ml.rfm.Migration`."""

    before: Day
    after: Day
    table: Migration


_rows: Kept[Rows] = Kept(6)
_standings: Kept[Standing] = Kept(2)
_moves: Kept[Moves] = Kept(4)


def standing(session: Session) -> Standing:
    """Return the map and the groups; raises NotReady before anybody was scored."""
    run = _in_force(session)
    scored = revisions.read(session)["scores"]
    return _standings.of((*kept.state(session), run.id, scored), lambda: _standing(session, run))


def rows(session: Session, run_id: int) -> Rows:
    """Return the scores of a run."""
    return _rows.of((*kept.state(session), run_id), lambda: _read(session, run_id))


def days(session: Session, settings: Settings) -> list[Day]:
    """Return the days that moves can be counted between, rising: ends of months, and now. Raises NotReady before anybody was scored."""
    newest, zone = _in_force(session), ZoneInfo(settings.time_zone)
    query = select(AnalysisRun.as_of, AnalysisRun.id).where(AnalysisRun.kind == KIND, AnalysisRun.state == "complete")
    found = {run.as_of: run.id for run in session.execute(query.order_by(AnalysisRun.id))}
    ends = month_ends(0, newest.as_of, zone, _LOOKED_BACK)
    past = [Day(month_name(moment, zone), found[moment], moment) for moment in ends if moment in found]
    return [*past, Day(NOW, newest.id, newest.as_of)]


def migration(session: Session, settings: Settings, before: str | None = None, after: str | None = None) -> Moves:
    """Count who moved from group to group between two days.

    Parameters
    ----------
    before, after : str, optional
        Names of `days`; by default the two newest.

    Raises
    ------
    NotReady
        While only one day is on record.
    InvalidInput
        For a name that is none, or when the first day is not the earlier one.
    """
    known = days(session, settings)
    if len(known) < 2:
        raise NotReady("Moves are counted between the ends of months; the history does not reach over one yet.")
    places = {day.name: place for place, day in enumerate(known)}
    for field, name in (("from", before), ("to", after)):
        if name and name not in places:
            raise InvalidInput(f"There are no scores as of {name[:40]!r}.", fields={field: [f"one of {_said(known)}"]})
    last = places[after] if after else max(places[before] + 1 if before else 0, len(known) - 1)
    first = places[before] if before else last - 1
    if not 0 <= first < last < len(known):
        raise InvalidInput("Moves are counted from an earlier day to a later one.", fields={"from": ["an earlier day"]})
    one, other = known[first], known[last]
    return _moves.of(
        (*kept.state(session), one.run_id, other.run_id),
        lambda: _counted(session, one, other),
    )


def _said(known: list[Day]) -> str:
    return ", ".join(day.name for day in known)


def _counted(session: Session, before: Day, after: Day) -> Moves:
    from retainstream.ml import rfm

    sides = []
    for day in (before, after):
        found = rows(session, day.run_id)
        sides.append(rfm.RfmScores(found.customer, found.r, found.f, found.m, found.group.astype(np.int8), day.as_of))
    return Moves(before, after, rfm.migration(*sides))


def _in_force(session: Session) -> AnalysisRun:
    run = runs.in_force(session, KIND)
    if run is None:
        raise NotReady(skipped.reason(session, WORDS, NOT_YET))
    return run


def _read(session: Session, run_id: int) -> Rows:
    from retainstream.ml.rfm import NAMES

    run = session.get_one(AnalysisRun, run_id)
    place = {name: at for at, name in enumerate(NAMES)}
    score = RfmScore
    found = session.execute(
        select(
            score.customer_id, score.recency_days, score.frequency, score.monetary_minor, score.r, score.f, score.m, score.name
        )
        .join(Customer, Customer.id == score.customer_id)
        .where(score.run_id == run_id, Customer.visible())
        .order_by(score.customer_id)
    ).all()  # fmt: skip
    table = np.array([(*row[:3], row[3] or 0, row[4], row[5], row[6] or 0, place[row[7]]) for row in found], np.int64)
    return Rows(run.as_of, *(table.reshape(-1, 8).T))


def _standing(session: Session, run: AnalysisRun) -> Standing:
    from retainstream.ml.rfm import GROUPS, NAMES

    found = rows(session, run.id)
    scores = session.execute(
        select(LatestScore.customer_id, LatestScore.probability).where(LatestScore.probability.is_not(None))
    ).all()
    chance = np.full(len(found.customer), np.nan)
    if scores and len(found.customer):
        ids = np.fromiter((row[0] for row in scores), np.int64, len(scores))
        at = np.minimum(np.searchsorted(found.customer, ids), len(found.customer) - 1)
        there = found.customer[at] == ids
        chance[at[there]] = np.fromiter((row[1] for row in scores), np.float64, len(scores))[there]
    size, priced = len(NAMES), bool(run.inputs.get("priced"))
    n = np.bincount(found.group, minlength=size)
    money = np.zeros(size, np.int64)
    np.add.at(money, found.group, found.money)
    known = ~np.isnan(chance)
    judged = np.bincount(found.group[known], minlength=size)
    risk = np.bincount(found.group[known], weights=chance[known], minlength=size)
    groups = tuple(
        Group(
            group.name,
            "; or ".join(dict.fromkeys(box.meaning for box in group.boxes)),
            int(n[at]),
            int(money[at]) if priced else None,
            float(risk[at] / judged[at]) if judged[at] else None,
            int(judged[at]),
        )
        for at, group in enumerate(GROUPS)
    )
    grid = np.bincount((found.r - 1) * 5 + found.f - 1, minlength=25).reshape(5, 5)
    return Standing(
        run.as_of,
        run.made_at,
        str(run.inputs["meaning"]),
        str(run.inputs["currency"]) if priced else None,
        len(found.customer),
        groups,
        tuple(tuple(row) for row in grid.tolist()),
    )


def of_customer(session: Session, customer_id: int) -> tuple[AnalysisRun, RfmScore] | None:
    """Return a customer's scores in the run in force, with the run; None where there are none."""
    run = runs.in_force(session, KIND)
    found = None if run is None else session.get(RfmScore, (run.id, customer_id))
    return None if run is None or found is None else (run, found)
