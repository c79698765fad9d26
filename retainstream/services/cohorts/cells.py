"""Exactly whom a figure of a cohort grid counts.

Keys, their parts between slashes:

    <grid>/<unit>/<period>/size            who came in a period
    <grid>/<unit>/<period>/<age>/here      whom of them a cell holds (or `gone`: whom it does not)
    <grid>/<unit>/all/<age>/here           all cohorts whose cell of this age is complete (here, `gone` or `size`)
    <grid>/<unit>/early                    who came before the record begins, and is in no cohort

A period is 2024-03, or of weeks the Monday, 2024-03-04.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput
from retainstream.services.cohorts import grids
from retainstream.services.cohorts.grids import Cohorts
from retainstream.services.customers.cells import Cell

ALL, EARLY, SIZE, HERE, GONE = "all", "early", "size", "here", "gone"
_WORDS = {
    ("contract", HERE): "still customers at the end of {unit} {age}",
    ("contract", GONE): "gone by the end of {unit} {age}",
    ("activity", HERE): "active in {unit} {age}",
    ("activity", GONE): "not active in {unit} {age}",
}


def make(session: Session, key: str) -> Cell:
    """Return the customers of a figure; raises InvalidInput for a key that leads nowhere."""
    try:
        return _made(session, key)
    except ValueError:
        raise InvalidInput(
            f"There is no figure of a cohort {key[:60]!r}.",
            fields={"cell": ["the address of a figure, as its link has it"]},
        ) from None


def _made(session: Session, key: str) -> Cell:
    grid, unit, *parts = key.split("/")
    if grid not in grids.GRIDS or unit not in grids.UNITS or not parts:
        raise ValueError(key)
    found = grids.read(session, settings_in_use(), grid, unit)
    if parts == [EARLY]:
        return Cell("Came before the record begins", tuple(found.early.tolist()), found.as_of)
    if len(parts) == 2 and parts[1] == SIZE:
        came = found.sources.joined
        ids = np.sort(came.customer[came.period == _cohort(found, parts[0])])
        return Cell(_came(found, parts[0]), tuple(ids.tolist()), found.as_of)
    name, aged, what = parts
    age = int(aged)
    if what not in (HERE, GONE, SIZE) or (what == SIZE and name != ALL) or not 0 <= age < found.table.share.shape[1]:
        raise ValueError(key)
    cohort = None if name == ALL else _cohort(found, name)
    kinds = (True, False) if what == SIZE else (what == HERE,)
    ids = np.sort(np.concatenate([grids.members(found, cohort, age, retained=each) for each in kinds]))
    return Cell(f"{_came(found, name)}{_said(grid, unit, age, what)}", tuple(ids.tolist()), found.as_of)


def _cohort(found: Cohorts, name: str) -> int:
    period = grids.period_named(name, found.unit)
    if period not in found.table.cohorts:
        raise ValueError(name)
    return period


def _came(found: Cohorts, name: str) -> str:
    if name == ALL:
        return "All cohorts"
    return f"Came in the week of {name}" if found.unit == "week" else f"Came in {name}"


def _said(grid: str, unit: str, age: int, what: str) -> str:
    return (
        f" that have completed {unit} {age}" if what == SIZE else f", {_WORDS[grid, what].format(unit=unit, age=age)}"
    )
