"""What the page of cohorts shows: the grid with its heat and its hatching, the averages, and the sentences around them, from the services' answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.services.cohorts import cells, grids
from retainstream.services.cohorts.grids import Cohorts
from retainstream.web.template_tools import day, last_day, percent, whole

SHOWS = {"here": "Still there", "gone": "Gone"}
SHOWS_ACTIVITY = {"here": "Active", "gone": "Not active"}
GRID_WORDS = {"contract": "Still a customer", "activity": "Did something"}
UNIT_WORDS = {"month": "By month", "week": "By week"}
MOST = {"month": 24, "week": 26}
"""Cohorts and ages that the page shows, the newest ones; the file and the API have all."""
_HEADLINE_AGE = {"month": 3, "week": 4}


@dataclass(frozen=True)
class Cell:
    """One cell: its share in words, whom it opens, and how it is shaded (0 to 9).

    Attributes
    ----------
    count, of : str
        Customers whom it counts, and those who came.
    complete : bool
        Whether the period is over, so that the figure will not change.
    said : str
        The whole of it in words.
    """

    share: str
    count: str
    of: str
    address: str
    heat: int
    complete: bool
    said: str


@dataclass(frozen=True)
class Row:
    """One cohort, or the averages; a cell is None where its period is not reached."""

    name: str
    size: str
    address: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Option:
    """One choice of a switch."""

    word: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class CohortsView:
    """The page.

    Attributes
    ----------
    switches : tuple of (str, tuple of Option)
        Which grid, which period, and whom the cells count.
    columns : tuple of int
        Ages in periods.
    notes : tuple of (str, str, str)
        Sentences that belong to the figures, each with what a link to whom it counts says, and where it leads; empty where there is none.
    """

    headline: str
    lead: str
    unit: str
    show: str
    caption: str
    switches: tuple[tuple[str, tuple[Option, ...]], ...]
    columns: tuple[int, ...]
    rows: tuple[Row, ...]
    average: Row
    notes: tuple[tuple[str, str, str], ...]
    csv: str


def address(grid: str, unit: str, show: str, path: str = "/segments/cohorts") -> str:
    """Return where a grid is to be had; what is as it would be anyway is left out."""
    usual = {"grid": "contract", "unit": "month", "show": "here"}
    asked = {"grid": grid, "unit": unit, "show": show}
    query = urlencode({name: value for name, value in asked.items() if value != usual[name]})
    return f"{path}?{query}" if query else path


def switches(grid: str, unit: str, show: str) -> tuple[tuple[str, tuple[Option, ...]], ...]:
    """Return the three switches."""
    shows = SHOWS if grid == "contract" else SHOWS_ACTIVITY
    return (
        ("Grid", tuple(Option(word, address(key, unit, show), key == grid) for key, word in GRID_WORDS.items())),
        ("Period", tuple(Option(word, address(grid, key, show), key == unit) for key, word in UNIT_WORDS.items())),
        ("Cells", tuple(Option(word, address(grid, unit, key), key == show) for key, word in shows.items())),
    )


def view(found: Cohorts, show: str) -> CohortsView:
    """Return the page of a grid."""
    table, unit = found.table, found.unit
    first = max(0, len(table.cohorts) - MOST[unit])
    width = min(table.share.shape[1], MOST[unit] + 1, found.clock.last + 1 - int(table.cohorts[first]))
    rows = tuple(_row(found, place, width, show) for place in range(first, len(table.cohorts)))
    headline = _headline(found)
    return CohortsView(
        headline=headline,
        lead=_lead(found, first),
        unit=unit,
        show=show,
        caption=_caption(found, show),
        switches=switches(found.grid, unit, show),
        columns=tuple(range(width)),
        rows=rows,
        average=_average(found, width, show),
        notes=_notes(found),
        csv=address(found.grid, unit, "here", "/segments/cohorts.csv"),
    )


def period_words(period: int, unit: str) -> str:
    """Return a period for people: "Mar 2024", or the week's Monday, "4 Mar 2024"."""
    if unit == "week":
        monday = date(1970, 1, 5) + timedelta(weeks=period)
        return f"{monday.day} {monday:%b %Y}"
    return f"{date(period // 12, period % 12 + 1, 1):%b %Y}"


def _list(found: Cohorts, *parts: object) -> str:
    key = "/".join(str(part) for part in (found.grid, found.unit, *parts))
    return f"/customers?{urlencode({'cell': f'cohort:{key}', 'status': 'all'})}"


def _row(found: Cohorts, place: int, width: int, show: str) -> Row:
    table = found.table
    period, size = int(table.cohorts[place]), int(table.sizes[place])
    name = grids.name_of(period, found.unit)
    made: list[Cell | None] = []
    for age in range(width):
        if not table.reached[place, age]:
            made.append(None)
            continue
        held = int(table.retained[place, age])
        limits = (float(found.low[place, age]), float(found.high[place, age]))
        complete = bool(table.mature[place, age])
        made.append(_cell(found, held, size, show, _list(found, name, age, show), limits, complete=complete))
    return Row(period_words(period, found.unit), whole(size), _list(found, name, cells.SIZE), tuple(made))


def _average(found: Cohorts, width: int, show: str) -> Row:
    table = found.table
    made: list[Cell | None] = []
    for age in range(width):
        size, held = int(table.age_sizes[age]), int(table.age_retained[age])
        link = _list(found, cells.ALL, age, show)
        made.append(_cell(found, held, size, show, link, None, complete=True) if size else None)
    came = int(table.sizes.sum())
    return Row("All cohorts", whole(came), "", tuple(made))


def _cell(
    found: Cohorts, held: int, size: int, show: str, link: str, limits: tuple[float, float] | None, *, complete: bool
) -> Cell:
    here = show == cells.HERE
    count = held if here else size - held
    share = count / size
    between = ""
    if limits is not None:
        low, high = limits if here else (1 - limits[1], 1 - limits[0])
        between = f"; 95% interval {percent(low, 0)} to {percent(high, 0)}"
    late = "" if complete else f"; the {found.unit} is not complete yet"
    said = f"{whole(count)} of {whole(size)}{between}{late}"
    heat = min(int(share * 10), 9)
    return Cell(percent(share, 0), whole(count), whole(size), link if count else "", heat, complete, said)


def _headline(found: Cohorts) -> str:
    age = _HEADLINE_AGE[found.unit]
    table = found.table
    known = [at for at in range(len(table.age_share)) if at <= age and math.isfinite(table.age_share[at])]
    if not known:
        return "No cohort has completed a period yet"
    at = known[-1]
    share = percent(float(table.age_share[at]), 0)
    after = f"{found.unit} {at}" if at else f"the {found.unit} in which they came"
    if found.grid == "contract":
        return f"{share} of new customers are still there at the end of {after}"
    return f"{share} of new customers are active in {after}"


def _lead(found: Cohorts, first: int) -> str:
    table = found.table
    came, unit = int(table.sizes.sum()), found.unit
    shown = "" if not first else f", of which the newest {len(table.cohorts) - first} are shown; the file has all"
    return (
        f"{counted(came, 'customer')} in {counted(len(table.cohorts), 'cohort')}{shown}. Each row is those who came in one {unit};"
        f" column 0 is that {unit} itself. Data to {last_day(clock.iso(found.as_of))}."
    )


def _caption(found: Cohorts, show: str) -> str:
    unit = found.unit
    if found.grid == "contract":
        return f"Share of each cohort {'still customers at' if show == 'here' else 'gone by'} the end of each {unit} after coming"
    return (
        f"Share of each cohort that {'did something' if show == 'here' else 'did nothing'} in each {unit} after coming"
    )


def _notes(found: Cohorts) -> tuple[tuple[str, str, str], ...]:
    unit, notes = found.unit, list[tuple[str, str, str]]()
    hatched = f"Hatched cells are not complete: the {unit} still runs"
    if found.grid == "contract" and found.certain_after:
        hatched += f", or it is not yet certain who left in it (that takes {counted(found.certain_after, 'day')})"
    notes.append((f"{hatched}. They are in no average.", "", ""))
    if found.grid == "contract":
        notes.append(("Who left and came back stays counted as gone, so that a row never rises.", "", ""))
    else:
        notes.append(
            (
                "A row may rise again: who pauses for a while is active later. Any event counts as doing something.",
                "",
                "",
            )
        )
    if len(found.early):
        since = day(clock.iso(found.recorded_from))
        notes.append(
            (
                f"Who came before {since}, when the record begins, is in no cohort: of those who came with them, whoever left earlier is not on record.",
                counted(len(found.early), "customer"),
                _list(found, cells.EARLY),
            )
        )
    return tuple(notes)
