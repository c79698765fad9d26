"""The grids of a box by month and week, and whom each cell holds. Calendar periods are those of the box's time zone; weeks start on Monday."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import ChurnDefinition
from retainstream.services import churn_definitions
from retainstream.services.analyses import kept, material, record

if TYPE_CHECKING:
    from retainstream.ml.cohorts import Contracts, GridClock, Periods, RetentionGrid
    from retainstream.services.analyses.material import Material

GRIDS = ("contract", "activity")
"""Still a customer at the end of the period; did anything within it."""
UNITS = ("month", "week")
_MONTH_ZERO = 12 * 1970


@dataclass(frozen=True)
class Sources:
    """What a grid is made of: customers whose coming is on record, their stays and their activity, in periods."""

    clock: GridClock
    contracts: Contracts
    joined: Periods
    activity: Periods


@dataclass(frozen=True)
class Cohorts:
    """A grid of a box.

    Attributes
    ----------
    grid, unit : str
        Of `GRIDS` and `UNITS`.
    as_of : int
        Microseconds UTC.
    clock : GridClock
        The last period shown, and the last one whose figures will not change any more.
    table : RetentionGrid
    low, high : float64 of shape (g, a)
        Wilson's limits of each share at 95%.
    early : int64 array of shape (m,)
        Customers who came before the record begins: of those who came with them whoever left earlier is not there, so their cohorts are left out.
    recorded_from : int
        Microseconds UTC.
    certain_after : int
        Days after which it is certain that somebody left; a period is complete only then.
    sources : Sources
    """

    grid: str
    unit: str
    as_of: int
    clock: GridClock
    table: RetentionGrid
    low: np.ndarray
    high: np.ndarray
    early: np.ndarray
    recorded_from: int
    certain_after: int
    sources: Sources


_kept: Kept[Cohorts] = Kept(8)


def read(session: Session, settings: Settings, grid: str = "contract", unit: str = "month") -> Cohorts:
    """Return a grid as of the material in force.

    Raises
    ------
    NotReady
        Before the material was made, for a table without dates, and while nobody has come whose coming is on record.
    InvalidInput
        For an unknown grid or unit.
    """
    for name, value, known in (("grid", grid, GRIDS), ("unit", unit, UNITS)):
        if value not in known:
            raise InvalidInput(f"There is no {name} {value[:40]!r}.", fields={name: [f"one of {', '.join(known)}"]})
    return _kept.of((*kept.state(session), grid, unit), lambda: _made(session, settings, grid, unit))


def members(found: Cohorts, cohort: int | None, age: int, *, retained: bool = True) -> np.ndarray:
    """Return whom a cell holds, or with `retained=False` whom of its cohort it does not; rising ids.

    Parameters
    ----------
    cohort : int or None
        The period of coming; None for all cohorts whose cell of this age is complete, as the row of averages has it.

    Raises
    ------
    ValueError
        For a cell that is not in the grid.
    """
    from retainstream.ml.cohorts import activity_members, contract_members

    source = found.sources if cohort is not None else _as_one_cohort(found, age)
    place = 0 if cohort is None else cohort
    if found.grid == "contract":
        return contract_members(source.contracts, source.clock, place, age, retained=retained)
    return activity_members(source.activity, source.clock, place, age, source.joined, retained=retained)


def _as_one_cohort(found: Cohorts, age: int) -> Sources:
    """Return the customers whose cohort has completed an age, their periods counted from their own coming: one cohort, 0."""
    from retainstream.ml.cohorts import NO_END, Contracts, GridClock, Periods

    source = found.sources
    home = source.joined.period
    rows = np.flatnonzero(home + age <= found.clock.last_complete)
    who, home = source.joined.customer[rows], home[rows]
    span = max(found.clock.last - int(home.min(initial=found.clock.last)), age)

    def of(customer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = np.minimum(np.searchsorted(who, customer), max(len(who) - 1, 0))
        there = np.flatnonzero(who[place] == customer) if len(who) else np.zeros(0, np.int64)
        return there, home[place[there]]

    stays, begun = of(source.contracts.customer)
    end = source.contracts.end[stays]
    acts, since = of(source.activity.customer)
    none = np.zeros(len(stays), np.int64)
    contracts = Contracts(
        source.contracts.customer[stays],
        source.contracts.start[stays] - begun,
        np.where(end == NO_END, NO_END, end - begun),
        none,
        none,
    )
    activity = Periods(
        source.activity.customer[acts], source.activity.period[acts] - since, np.zeros(len(acts), np.int64)
    )
    joined = Periods(who, np.zeros(len(who), np.int64), np.zeros(len(who), np.int64))
    return Sources(GridClock(source.clock.as_of, span, span), contracts, joined, activity)


def period_of(day: np.ndarray, unit: str) -> np.ndarray:
    """Return the periods of days since 1970-01-01: 12 x year + month - 1, or weeks since Monday, 1970-01-05; int64."""
    if unit == "week":
        return np.asarray((day - record.MONDAY) // 7, np.int64)
    return np.asarray(day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _MONTH_ZERO)


def name_of(period: int, unit: str) -> str:
    """Return a period as addresses, files and the API name it: 2024-03, or the week's Monday, 2024-03-04."""
    if unit == "week":
        return (date(1970, 1, 5) + timedelta(weeks=period)).isoformat()
    return f"{period // 12:04d}-{period % 12 + 1:02d}"


def period_named(name: str, unit: str) -> int:
    """Return the period of a name; raises ValueError for a text that names none."""
    if unit == "week":
        days = (date.fromisoformat(name) - date(1970, 1, 5)).days
        if days % 7:
            raise ValueError("a week is named by its Monday")
        return days // 7
    first = date.fromisoformat(f"{name}-01")
    return 12 * first.year + first.month - 1


def _made(session: Session, settings: Settings, grid: str, unit: str) -> Cohorts:
    from retainstream.ml.cohorts import activity_grid, contract_grid

    found = material.read(session, settings)
    if found.kind == material.SNAPSHOT:
        raise NotReady(
            "This box holds a table without dates: it says who has left, not when anybody came or left, so there are no months to follow"
            " customers through. Load subscriptions or events with their times, and cohorts follow by themselves."
        )
    definition = session.get_one(ChurnDefinition, found.definition_id)
    rule = churn_definitions.rule_of(definition)
    assert rule is not None  # a history has no stays without a rule
    begin = _recorded_from(found, settings)
    if rule.kind == "inactivity":
        begin = record.certain_from(begin, rule)
    source, early = _sources(found, ZoneInfo(settings.time_zone), grid, unit, begin, rule.confirm_days)
    if not len(source.joined.customer):
        raise NotReady("Nobody has come yet whose coming is on record, so there is no cohort to follow.")
    table = (
        contract_grid(source.contracts, source.clock)
        if grid == "contract"
        else activity_grid(source.activity, source.clock, source.joined)
    )
    low, high = table.intervals()
    confirm = rule.confirm_days if grid == "contract" else 0
    return Cohorts(grid, unit, found.as_of, source.clock, table, low, high, early, begin, confirm, source)


def _recorded_from(found: Material, settings: Settings) -> int:
    """Return from when on cohorts are whole. Without any event nothing tells a young company from a file that was begun late: then all count."""
    if len(found.week_period) and len(found.stay_start):
        return record.begins(found, settings)
    return int(found.stay_start.min(initial=found.as_of))


def _sources(
    found: Material, zone: ZoneInfo, grid: str, unit: str, begin: int, confirm_days: int
) -> tuple[Sources, np.ndarray]:
    from retainstream.ml.cohorts import NO_END, Contracts, GridClock, Periods

    def periods(moments: np.ndarray) -> np.ndarray:
        return period_of(material.local_days(np.asarray(moments), zone), unit)

    customer = np.asarray(found.stay_customer)
    first = record.first_of_each(customer)
    who, came = customer[first], np.asarray(found.stay_start[first])
    since = begin if grid == "contract" else max(begin, _first_activity(found, zone))
    whole = who[came >= since]
    rows = np.isin(customer, whole)
    ended = found.stay_end[rows] != material.NEVER
    end = np.full(int(rows.sum()), NO_END)
    end[ended] = periods(found.stay_end[rows][ended])
    none = np.zeros(len(end), np.int64)
    contracts = Contracts(customer[rows], periods(found.stay_start[rows]), end, none, none)
    joined = Periods(whole, periods(came[came >= since]), np.zeros(len(whole), np.int64))
    acting = found.month_customer if unit == "month" else found.week_customer
    acted = found.month_period if unit == "month" else found.week_period
    activity = Periods(np.asarray(acting), np.asarray(acted), np.zeros(len(acting), np.int64))
    certain = found.as_of - (confirm_days * clock.DAY_US if grid == "contract" else 0)
    last_complete = int(periods(np.asarray([certain]))[0]) - 1
    last = int(periods(np.asarray([found.as_of - 1]))[0])
    return Sources(GridClock(found.as_of, last_complete, last), contracts, joined, activity), who[came < since]


def _first_activity(found: Material, zone: ZoneInfo) -> int:
    """Return the first instant of the first week with an event; before it nobody can be seen to do anything."""
    if not len(found.week_period):
        raise NotReady(
            "There are no events on record, so nobody can be seen to do anything; the contract grid needs none."
        )
    return record.week_start(int(found.week_period.min()), zone)
