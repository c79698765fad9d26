"""The page of months: which are closed, by whom and with what, what later data changed, and what closing the next one does."""

from __future__ import annotations

from dataclasses import dataclass

from retainstream.lib import clock
from retainstream.services.revenue import bridge, calendar, cells
from retainstream.services.revenue.bridge import Book
from retainstream.services.revenue.months import Correction, MonthView
from retainstream.web.revenue_words import WORDS, amount, customers, listed
from retainstream.web.template_tools import day, last_day, moment


@dataclass(frozen=True)
class Corrected:
    """One dated correction: when it was found, why, and a sentence for each figure that changed."""

    when: str
    reason: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One month; `state` is closed, open, running, or before the books begin."""

    name: str
    address: str
    state: str
    closed: str
    as_closed: str
    now: str
    changed: bool
    count: int
    customers: str
    corrections: tuple[Corrected, ...]


@dataclass(frozen=True)
class Next:
    """The month that may be closed next, with what will be kept; `known` is the last day of the data that it is made of."""

    name: str
    code: str
    figures: tuple[tuple[str, str, int, str], ...]
    first: bool
    known: str


@dataclass(frozen=True)
class MonthsView:
    """The page."""

    headline: str
    lead: str
    why_not: str
    next: Next | None
    may_close: bool
    lines: tuple[Line, ...]


def view(book: Book, done: tuple[MonthView, ...], following: int | None, *, may_close: bool) -> MonthsView:
    """Return the page."""
    if book.bridge is None:
        return MonthsView("No months to close yet", "", bridge.WHY_NOT[book.lacks], None, may_close, ())
    closed = {month.period: month for month in done}
    known = sorted({*book.months, *closed}, reverse=True)
    lines = tuple(_line(book, month, closed.get(month), begins=min(closed, default=0)) for month in known)
    offered = None if following is None else _next(book, following, first=not done)
    return MonthsView(_headline(done, following), _lead(done), "", offered, may_close, lines)


def _headline(done: tuple[MonthView, ...], following: int | None) -> str:
    corrected = sum(bool(month.corrections) for month in done)
    if corrected:
        which = "One closed month was" if corrected == 1 else f"{corrected} closed months were"
        return f"{which} corrected by later data"
    if following is not None:
        return f"{calendar.name(following)} is over and can be closed"
    return f"Closed up to {calendar.name(done[0].period)}" if done else "No month is over yet"


def _lead(done: tuple[MonthView, ...]) -> str:
    rule = "A closed month keeps its figures; what later data change stands beside them, dated and with the reason."
    return rule if not done else f"{len(done)} month{'' if len(done) == 1 else 's'} closed. {rule}"


def _next(book: Book, month: int, *, first: bool) -> Next:
    found = bridge.figures(book.required, book.place(month))
    figures = tuple(
        (
            WORDS[name],
            amount(found[name], book.currency, signed=name in bridge.KINDS),
            found[f"{name}_customers"],
            listed(cells.address(month, name)),
        )
        for name in bridge.FIGURES
    )
    return Next(calendar.name(month), calendar.code(month), figures, first, last_day(clock.iso(book.as_of)))


def _line(book: Book, month: int, closed: MonthView | None, *, begins: int) -> Line:
    inside = month in book.months
    found = bridge.figures(book.required, book.place(month)) if inside else {}
    complete = inside and bool(book.required.complete[book.place(month)])
    count = found.get("closing_customers", 0)
    state = "closed" if closed is not None else "before" if month < begins else "open" if complete else "running"
    said, now = "", amount(found.get("closing"), book.currency)
    if closed is not None:
        by = f" by {closed.closed_by}" if closed.closed_by else ""
        said = f"{moment(clock.iso(closed.closed_at))}{by}, data to {last_day(clock.iso(closed.as_of))}"
        now = amount(closed.now["closing"], book.currency)
    return Line(
        name=calendar.name(month),
        address=f"/revenue?month={calendar.code(month)}" if inside else "",
        state=state,
        closed=said,
        as_closed=amount(closed.as_closed["closing"], book.currency) if closed is not None else "",
        now=now,
        changed=closed is not None and closed.as_closed["closing"] != closed.now["closing"],
        count=count,
        customers=listed(cells.address(month, "closing")) if inside else "",
        corrections=tuple(_corrected(one, book.currency) for one in closed.corrections) if closed is not None else (),
    )


def _corrected(found: Correction, currency: str) -> Corrected:
    changes = {name: (before, after) for name, before, after in found.changes}
    said = []
    for figure in bridge.FIGURES:
        parts = []
        if figure in changes:
            was, became = (amount(one, currency, signed=figure in bridge.KINDS, exact=True) for one in changes[figure])
            parts.append(f"{was} became {became}")
        if (people := changes.get(f"{figure}_customers")) is not None:
            parts.append(f"{people[0]:,} became {customers(people[1])}")
        if parts:
            said.append(f"{WORDS[figure]}: {', '.join(parts)}")
    return Corrected(day(clock.iso(found.found_at)), found.reason, tuple(said))
