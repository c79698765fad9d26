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
from retainstream.lib.kept import Kept
from retainstream.models import Customer
from retainstream.services import jobs
from retainstream.services.analyses import material, purchases
from retainstream.services.revenue import bridge, calendar

if TYPE_CHECKING:
    from retainstream.services.analyses.purchases import Purchases

_FILE = "sales.npz"
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

    def rows(self) -> list[dict[str, Any]]:
        """Return the months: what was bought less what was returned, in minor units, and by how many customers."""
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


_kept: Kept[Sales] = Kept(2)


def make(context: jobs.JobContext) -> dict[str, Any]:
    """Sum up the purchases of a box without subscriptions; raises NotReady where there is nothing to sum up."""
    settings = context.settings
    with read_unit() as session:
        book = bridge.read(session, settings)
        if book.lacks != bridge.NO_SPANS:
            raise NotReady("Revenue is told by subscriptions, or there is no history to tell it by.")
        bought = purchases.read(session, settings)
    table = summed(bought, book.as_of, ZoneInfo(settings.time_zone))
    if not bought.priced or not len(table):
        raise NotReady("There is neither a subscription with a price nor a purchase with a value.")
    file = _file(settings, book.found.run_id)
    draft = file.with_suffix(".tmp")
    with draft.open("wb") as out:
        np.savez(out, rows=table, currency=np.array(bought.currency))
    os.replace(draft, file)  # noqa: PTH105 - whole or not at all
    return {"months": len(np.unique(table[:, 0])), "customers": len(np.unique(table[:, 1]))}


def summed(bought: Purchases, end: int, zone: ZoneInfo) -> np.ndarray:
    """Return rows of (month, customer, minor units), int64 of shape (n, 3), of what was bought, given back, and known before `end`."""
    rows = np.flatnonzero((bought.occurred < end) & (bought.received < end))
    days = material.local_days(bought.occurred[rows], zone)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _YEAR_ZERO
    pairs, place = np.unique(np.column_stack([months, bought.customer[rows]]), axis=0, return_inverse=True)
    total = np.zeros(len(pairs), np.int64)
    np.add.at(total, place.reshape(-1), bought.amount[rows])
    return np.column_stack([pairs, total])


def read(session: Session, settings: Settings) -> Sales | None:
    """Return the sales of the material in force, without those who are hidden; None where there are none."""
    book = bridge.read(session, settings)
    file = _file(settings, book.found.run_id)
    if book.lacks != bridge.NO_SPANS or not file.is_file():
        return None
    return _kept.of(bridge.state(session, settings), lambda: _visible(session, book, file))


def _visible(session: Session, book: bridge.Book, file: Path) -> Sales:
    with np.load(file, allow_pickle=False) as kept_file:
        table, currency = kept_file["rows"], str(kept_file["currency"])
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    month, customer, amount = table[np.isin(table[:, 1], there)].T
    return Sales(book.as_of, book.zone, currency, month, customer, amount)


def _file(settings: Settings, run_id: int) -> Path:
    return settings.instance_path / material.FOLDER / str(run_id) / _FILE
