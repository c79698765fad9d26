"""What a report says, whatever form it gets: a title, key figures, and tables that may be too long to be held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.workbook import Heading
from retainstream.security.actor import Actor

FIGURES, CUSTOMERS, PERSONAL = "figures", "customers", "personal"
"""What a file may hold: figures alone, customers, or customers with personal details."""
Rows = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Figure:
    """A key figure: what it is, the figure in words, and what stands beneath it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    blocks : iterable of rows
        The rows in order, some at a time; can be walked through once. Values fit the kinds of `headings`; None is nothing known.
    total : int
        How many rows there are, of which a form may show the first ones only.
    bar : str
        Name of a column whose figures are drawn as bars where the form can; empty for none.
    note : str
        A sentence beneath the table.
    """

    title: str
    headings: tuple[Heading, ...]
    blocks: Iterable[Rows]
    total: int
    bar: str = ""
    note: str = ""

    @property
    def longest(self) -> float:
        """Return the largest figure of the column of bars; 0 without one, or while the rows are not at hand."""
        if not self.bar or not isinstance(self.blocks, tuple):
            return 0.0
        at = next(place for place, heading in enumerate(self.headings) if heading.name == self.bar)
        figures = (row[at] for block in self.blocks for row in block)
        return max((float(one) for one in figures if isinstance(one, int | float)), default=0.0)


@dataclass(frozen=True)
class Document:
    """What a report says.

    Attributes
    ----------
    title, lead : str
        The finding, and a sentence beneath it.
    as_of : int or None
        Microseconds UTC; what was known then.
    holds : str
        `FIGURES`, `CUSTOMERS` or `PERSONAL`.
    """

    title: str
    lead: str
    as_of: int | None
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    holds: str = FIGURES


def nobody_follows(_rows: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Asking:
    """What the function of a subject is given.

    Attributes
    ----------
    owner : Actor
        Whose rights count: what they may not see is not in the report.
    query : str
        Which list, for subjects that are lists.
    most : int or None
        How many rows of a table the form shows at most.
    follow : callable
        Told between blocks, outside of any unit of work, how many rows were read.
    """

    session: Session
    settings: Settings
    owner: Actor
    name: str
    query: str = ""
    most: int | None = None
    follow: Callable[[int], None] = field(default=nobody_follows)


def small(title: str, headings: Sequence[Heading], rows: Rows, *, bar: str = "", note: str = "") -> Table:
    """Return a table whose rows are all at hand."""
    return Table(title, tuple(headings), (rows,), len(rows), bar, note)


def share(value: object, largest: float) -> float:
    """Return how long the bar of a figure is, in per cent of the longest."""
    return 100 * float(value) / largest if isinstance(value, int | float) and value > 0 and largest > 0 else 0.0


def instant(iso: object) -> int | None:
    """Return an ISO 8601 instant as microseconds UTC; None for anything else."""
    return clock.to_us(datetime.fromisoformat(iso)) if isinstance(iso, str) else None


def amount(money: Mapping[str, Any] | None) -> str:
    """Return an amount in the API's form in words; a dash for none."""
    return (
        "–"
        if money is None
        else f"{money['currency']} {to_major(int(money['amount_minor']), str(money['currency'])):,}"
    )
