"""Purchases less refunds by month, for a box that has no subscriptions: sales, which nobody has promised to repeat.

Made by a step of the analyse job beside the material, since events by the million are read for it; kept as one row for each customer and month.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib.money import exponent
from retainstream.models import Customer
from retainstream.services import as_of, jobs
from retainstream.services.analyses import kept, material
from retainstream.services.revenue import bridge, calendar

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import EventLog

BOUGHT, RETURNED = "purchase", "refund"
_FILE = "sales.npy"
_YEAR_ZERO = 12 * 1970


@dataclass(frozen=True)
class Sales:
    """Sums by month and customer; int64 arrays of shape (n,), by month, then customer. Amounts in minor units of `currency`."""

    as_of: int
    zone: str
    currency: str
    month: np.ndarray
    customer: np.ndarray
    amount: np.ndarray

    def rows(self) -> list[dict[str, object]]:
        """Return the months as the API has them: what was bought less what was returned, and by how many customers."""
        return [
            {
                "month": calendar.code(int(month)),
                "complete": calendar.begin(int(month) + 1, self.zone) <= self.as_of,
                "sales": int(self.amount[self.month == month].sum()),
                "customers": int((self.month == month).sum()),
            }
            for month in np.unique(self.month)
        ]

    def buyers(self, month: int) -> np.ndarray:
        """Return who bought or returned something in a month, rising."""
        return np.asarray(self.customer[self.month == month])


_kept: kept.Kept[Sales] = kept.Kept(2)


def make(context: jobs.JobContext, _part: tuple[float, float]) -> dict[str, Any]:
    """Sum up the purchases: a step of the analyse job, for boxes without subscriptions."""
    settings = context.settings
    with read_unit() as session:
        book = bridge.read(session, settings)
        if book.lacks != bridge.NO_SPANS:
            raise NotReady("Revenue is told by subscriptions, or there is no history to tell it by.")
        table = summed(as_of.history(session, settings).events, book.as_of, ZoneInfo(settings.time_zone), book.currency)
    if not len(table):
        raise NotReady("There is neither a subscription with a price nor a purchase with a value.")
    file = _file(settings, book.found.run_id)
    draft = file.with_suffix(".tmp")
    with draft.open("wb") as out:
        np.save(out, table, allow_pickle=False)
    os.replace(draft, file)  # noqa: PTH105 - whole or not at all
    return {"months": len(np.unique(table[:, 0])), "customers": len(np.unique(table[:, 1]))}


def summed(events: EventLog, end: int, zone: ZoneInfo, currency: str) -> np.ndarray:
    """Return rows of (month, customer, minor units), int64 of shape (n, 3), of the purchases and refunds that were known before `end`."""
    signs = np.array([{BOUGHT: 1, RETURNED: -1}.get(kind, 0) for kind in events.kinds], np.int64)
    sign = signs[events.kind] if len(signs) else np.zeros(0, np.int64)
    rows = np.flatnonzero((sign != 0) & np.isfinite(events.value) & (events.occurred < end) & (events.received < end))
    days = material.local_days(events.occurred[rows], zone)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _YEAR_ZERO
    minor = np.rint(events.value[rows] * 10 ** exponent(currency)).astype(np.int64) * sign[rows]
    pairs, place = np.unique(np.column_stack([months, events.customer[rows]]), axis=0, return_inverse=True)
    total = np.zeros(len(pairs), np.int64)
    np.add.at(total, place.reshape(-1), minor)
    return np.column_stack([pairs, total]) if len(pairs) else np.zeros((0, 3), np.int64)


def read(session: Session, settings: Settings) -> Sales | None:
    """Return the sales of the material in force, without those who are hidden; None where there are none."""
    book = bridge.read(session, settings)
    file = _file(settings, book.found.run_id)
    if book.lacks != bridge.NO_SPANS or not file.is_file():
        return None
    return _kept.of(bridge.state(session, settings), lambda: _visible(session, book, np.load(file, allow_pickle=False)))


def _visible(session: Session, book: bridge.Book, table: np.ndarray) -> Sales:
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    month, customer, amount = table[np.isin(table[:, 1], there)].T
    return Sales(book.as_of, book.zone, book.currency, month, customer, amount)


def _file(settings: Settings, run_id: int) -> Path:
    return settings.instance_path / material.FOLDER / str(run_id) / _FILE
