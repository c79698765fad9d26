"""Revenue by month: how much, from how many, for how much each, by plan, and how much of it was at risk by that month's last scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.lib.money import money
from retainstream.services import trend
from retainstream.services.revenue import at_risk, bridge, calendar, sales
from retainstream.services.revenue.bridge import Book


@dataclass(frozen=True)
class MonthTrend:
    """One month's end, or the end of the data in the running one. Amounts in minor units; `plans` in the order of `Trends.plans`."""

    month: int
    complete: bool
    revenue: int
    customers: int
    at_risk: int | None
    plans: tuple[int, ...]
    plan_customers: tuple[int, ...]

    @property
    def average(self) -> int | None:
        """Revenue per paying customer, to the nearest minor unit."""
        return round(self.revenue / self.customers) if self.customers else None


@dataclass(frozen=True)
class Trends:
    """All months of the book, oldest first. `plans` are named as on record, the largest in the newest month first; the empty one stands for none."""

    currency: str
    plans: tuple[str, ...]
    months: tuple[MonthTrend, ...]


_kept: Kept[Trends] = Kept(4)


def read(session: Session, settings: Settings) -> Trends:
    """Return the trends of the book; without a bridge there are no months. Raises NotReady as `bridge.read`."""
    book = bridge.read(session, settings)
    past = {}
    for moment in trend.moments(session):
        if moment.revenue_at_risk_minor is not None:
            past[calendar.of(moment.as_of - 1, book.zone)] = moment.revenue_at_risk_minor
    key = (*bridge.state(session, settings), tuple(past.items()))
    return _kept.of(key, lambda: _made(book, past))


def _made(book: Book, past: dict[int, int]) -> Trends:
    made = book.bridge
    if made is None:
        return Trends(book.currency, (), ())
    revenue, customers = _by_plan(book)
    order = sorted(range(revenue.shape[1]), key=lambda plan: (-revenue[-1, plan], -revenue[:, plan].max(), plan))
    order = [plan for plan in order if revenue[:, plan].any()]
    names = (*book.found.plans, "")  # subscriptions without a plan have the place -1
    months = [
        MonthTrend(
            month=month,
            complete=bool(made.complete[place]),
            revenue=int(made.closing[place]),
            customers=int(made.closing_customers[place]),
            at_risk=past.get(month),
            plans=tuple(int(revenue[place, plan]) for plan in order),
            plan_customers=tuple(int(customers[place, plan]) for plan in order),
        )
        for place, month in enumerate(book.months)
    ]
    return Trends(book.currency, tuple(names[plan] for plan in order), tuple(months))


def _by_plan(book: Book) -> tuple[np.ndarray, np.ndarray]:
    """Revenue and distinct customers at each month's end by plan, int64 of shape (months, plans + 1); the last column is no plan."""
    found, ends, width = book.found, book.required.boundaries[1:], len(book.found.plans) + 1
    revenue, customers = np.zeros((len(ends), width), np.int64), np.zeros((len(ends), width), np.int64)
    plan = found.span_plan % width
    order = np.lexsort(
        (found.span_customer, plan)
    )  # once, so that whoever has two spans of a plan stands beside themselves
    plan, who, paid = plan[order], found.span_customer[order], found.span_revenue[order]
    start, end = found.span_start[order], np.where(paid > 0, found.span_end[order], 0)
    for place, moment in enumerate(ends):
        runs = np.flatnonzero((start < moment) & (moment <= end))
        its, one = plan[runs], who[runs]
        edges = np.searchsorted(its, np.arange(width + 1))
        sums = np.append(0, np.cumsum(paid[runs]))
        revenue[place] = np.diff(sums[edges])
        new = np.append(True, (one[1:] != one[:-1]) | (its[1:] != its[:-1])) if len(runs) else np.zeros(0, bool)
        customers[place] = np.diff(np.append(0, np.cumsum(new))[edges])
    return revenue, customers


def answer(session: Session, settings: Settings) -> dict[str, object]:
    """Return the trends as the API has them, with what is at risk now, and sales where nothing recurs."""
    book, found = bridge.read(session, settings), read(session, settings)
    sold = sales.read(session, settings)
    items = [
        {
            "month": calendar.code(one.month),
            "complete": one.complete,
            "revenue_minor": one.revenue,
            "customers": one.customers,
            "average_minor": one.average,
            "revenue_at_risk_minor": one.at_risk,
            "plans": [
                {"plan": plan or None, "revenue_minor": revenue, "customers": customers}
                for plan, revenue, customers in zip(found.plans, one.plans, one.plan_customers, strict=True)
            ],
        }
        for one in found.months
    ]
    return {
        "as_of": clock.iso(book.as_of),
        "time_zone": book.zone,
        "currency": book.currency,
        "why_not": bridge.WHY_NOT.get(book.lacks),
        "items": items,
        "sales": [] if sold is None else [row | {"sales": money(row["sales"], sold.currency)} for row in sold.rows()],
        "at_risk": at_risk.read(session, settings).to_dict(),
    }
