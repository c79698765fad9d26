"""The bridge of monthly recurring revenue over the subscriptions on record, and who is behind each of its figures.

It begins with the first month of which every departure is on record: what lies before is known of those only who stayed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.lib.money import money
from retainstream.models import Event, Subscription
from retainstream.services.analyses import kept, material, record
from retainstream.services.revenue import calendar

if TYPE_CHECKING:
    from retainstream.ml.revenue import Bridge
    from retainstream.services.analyses.material import Material

KINDS = ("new", "reactivation", "expansion", "contraction", "churn")
"""The movements in the order in which people read them: what came, then what went."""
FIGURES = ("opening", *KINDS, "closing")
TRAILING = 12
SNAPSHOT, NO_RULE, NO_SPANS = "snapshot", "no_definition", "no_subscriptions"
WHY_NOT = {
    SNAPSHOT: "This box has a table of customers as they are today. A bridge from month to month needs subscriptions with the day on which each "
    "began and ended: load them on the page Data.",
    NO_RULE: "Subscriptions are on record, but no churn definition is in force: choose one on the page Data, then the bridge can be made.",
    NO_SPANS: "No subscription with a price is on record, so nothing here recurs: load subscriptions on the page Data to see the bridge.",
}


@dataclass(frozen=True)
class Book:
    """What is known of recurring revenue.

    Attributes
    ----------
    as_of : int
        End of the data, microseconds UTC.
    zone : str
        Time zone of the calendar.
    currency : str
    other_currency : int
        Subscriptions in other currencies, which are in no figure.
    first : int
        The bridge's first month.
    bridge : Bridge or None
        None where there is nothing to make it from; `lacks` is then a key of `WHY_NOT`.
    hidden : bool
        Subscriptions began before departures were on record, so that earlier months are not shown.
    counted : dict
        What `year_back` counted already, by month.
    """

    as_of: int
    zone: str
    currency: str
    other_currency: int
    first: int
    bridge: Bridge | None
    lacks: str
    hidden: bool
    found: Material
    counted: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def required(self) -> Bridge:
        """The bridge; raises NotReady, with the reason, where there is none."""
        if self.bridge is None:
            raise NotReady(WHY_NOT[self.lacks])
        return self.bridge

    @property
    def months(self) -> range:
        """The bridge's months, the running one included."""
        return range(self.first, self.first + (0 if self.bridge is None else len(self.bridge.opening)))

    @property
    def last_complete(self) -> int | None:
        """The newest month that is over; None before there is one."""
        whole = [] if self.bridge is None else np.flatnonzero(self.bridge.complete).tolist()
        return self.first + whole[-1] if whole else None

    def place(self, month: int) -> int:
        """Return the place of a month in the bridge; raises NotFound outside it, NotReady where there is no bridge."""
        if self.bridge is None:
            raise NotReady(WHY_NOT[self.lacks])
        if month not in self.months:
            known = f"{calendar.name(self.months[0])} to {calendar.name(self.months[-1])}"
            raise NotFound(f"Nothing is known of the revenue of {calendar.name(month)}; the bridge covers {known}.")
        return month - self.first

    def boundary(self, month: int) -> int:
        """Return the end of a month of the bridge, microseconds UTC; the month before the first one ends where the bridge begins."""
        return int(self.required.boundaries[month - self.first + 1])


_kept: Kept[Book] = Kept(4)


def state(session: Session, settings: Settings) -> tuple[Hashable, ...]:
    """Return what the book depends on."""
    return (*kept.state(session), settings.time_zone)


def read(session: Session, settings: Settings) -> Book:
    """Return the book as of the material in force; raises NotReady before there is any."""
    return _kept.of(state(session, settings), lambda: _made(session, material.read(session, settings), settings))


def history(session: Session) -> bool:
    """Tell whether anything is on record that a bridge could ever be made of."""
    return (
        session.scalar(select(Subscription.id).limit(1)) is not None
        or session.scalar(select(Event.id).limit(1)) is not None
    )


def _made(session: Session, found: Material, settings: Settings) -> Book:
    lacks = "" if (np.asarray(found.span_revenue) > 0).any() else NO_SPANS
    if found.kind == material.SNAPSHOT:
        lacks = NO_RULE if history(session) else SNAPSHOT
    if lacks:
        return Book(found.as_of, settings.time_zone, found.currency, found.other_currency, 0, None, lacks, False, found)
    first, hidden = _first_month(found, settings)
    last = calendar.of(found.as_of - 1, settings.time_zone)
    made = over(found, min(first, last), last, settings.time_zone)
    return Book(
        found.as_of, settings.time_zone, found.currency, found.other_currency, min(first, last), made, "", hidden, found
    )


def _first_month(found: Material, settings: Settings) -> tuple[int, bool]:
    zone, start = settings.time_zone, int(found.span_start[found.span_revenue > 0].min())
    ended = found.span_end[found.span_end != material.NEVER]
    seen = min(record.begins(found, settings), int(ended.min(initial=material.NEVER)))
    if start >= seen:
        return calendar.of(start, zone), False
    month = calendar.of(seen, zone)
    return (month if calendar.begin(month, zone) >= seen else month + 1), True


def over(found: Material, first: int, last: int, zone: str) -> Bridge:
    """Return the bridge over any months, whatever the book begins with; figures of a month depend on no other month."""
    from retainstream.ml.revenue import Subscriptions, bridge

    spans = Subscriptions(
        customer=found.span_customer,
        start=found.span_start,
        end=found.span_end,
        revenue=found.span_revenue,
        start_known_at=found.span_start,  # the material holds nothing that was not known
        end_known_at=found.span_end,
    )
    boundaries = np.array([calendar.begin(month, zone) for month in range(first, last + 2)], np.int64)
    return bridge(spans, boundaries, as_of=found.as_of, data_end=found.as_of, trailing=TRAILING)


def figures(made: Bridge, place: int) -> dict[str, int]:
    """Return the figures of one month: amounts in minor units by their names, and customers with `_customers` behind."""
    from retainstream.ml.revenue import KINDS as COLUMNS

    found = {"opening": int(made.opening[place]), "closing": int(made.closing[place])}
    found |= {
        "opening_customers": int(made.opening_customers[place]),
        "closing_customers": int(made.closing_customers[place]),
    }
    for column, kind in enumerate(COLUMNS):
        found[kind] = int(made.movements[place, column])
        found[f"{kind}_customers"] = int(made.counts[place, column])
    return {name: found[name] for one in FIGURES for name in (one, f"{one}_customers")}


def paying(book: Book, month: int, plan: str | None = None) -> np.ndarray:
    """Return who pays at the end of a month, rising; with a plan, for that plan, the empty one standing for none."""
    moment, found = book.boundary(month), book.found
    runs = (found.span_start < moment) & (moment <= found.span_end) & (found.span_revenue > 0)
    if plan is not None:
        runs &= found.span_plan == (found.plans.index(plan) if plan in found.plans else -1)
    return np.unique(found.span_customer[runs])


def kept_paying(book: Book, month: int) -> np.ndarray:
    """Return who pays at a month's end and paid twelve months before, rising."""
    then = paying(book, month - TRAILING)
    return then[np.isin(then, paying(book, month))]


def year_back(book: Book, month: int) -> tuple[int, int]:
    """Return how many paid twelve months before a month's end, and how many of them pay at it."""
    found = book.counted.get(month)
    if found is None:
        found = book.counted[month] = (len(paying(book, month - TRAILING)), len(kept_paying(book, month)))
    return found


def moved(book: Book, month: int, kind: str) -> np.ndarray:
    """Return who is behind one movement of a month, rising."""
    return np.unique(book.required.table.of(book.place(month), kind).customer)


def rows(book: Book) -> list[dict[str, object]]:
    """Return the months, oldest first: figures in minor units and counts, retention as shares (None where it cannot be told), and whether each is over."""
    made = book.bridge
    if made is None:
        return []
    return [
        {
            "month": calendar.code(month),
            "complete": bool(made.complete[place]),
            **figures(made, place),
            "net_retention": _share(made.net_retention[place]),
            "gross_retention": _share(made.gross_retention[place]),
            "net_retention_12": _share(made.net_trailing[place]),
            "gross_retention_12": _share(made.gross_trailing[place]),
        }
        for place, month in enumerate(book.months)
    ]


def as_money(figures: Mapping[str, object], currency: str) -> dict[str, object]:
    """Return figures as the API has them: amounts with their currency, customers and whatever else is there as they are."""
    return {
        name: money(value, currency) if name in FIGURES and isinstance(value, int) else value
        for name, value in figures.items()
    }


def answer(book: Book) -> dict[str, object]:
    """Return the bridge as the API has it; without one, the reason."""
    return {
        "as_of": clock.iso(book.as_of),
        "time_zone": book.zone,
        "currency": book.currency,
        "subscriptions_in_other_currencies": book.other_currency,
        "trailing_months": TRAILING,
        "why_not": WHY_NOT.get(book.lacks),
        "items": [as_money(row, book.currency) for row in rows(book)],
    }


def _share(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
