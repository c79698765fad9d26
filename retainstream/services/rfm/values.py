"""What recency, frequency and money mean in this box, and the values that follow as of any day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.services import as_of
from retainstream.services.analyses import material, purchases
from retainstream.services.analyses.material import Material
from retainstream.services.analyses.purchases import Purchases

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import EventLog
    from retainstream.ml.rfm import RfmValues

PURCHASES, ACTIVITY = "purchases", "activity"
ACTIVE_DAYS = 90
"""How far back days with activity are counted."""
NO_DATES = (
    "This box holds a table without dates: it does not say when anybody was last active or what they bought, so there is neither recency nor"
    " frequency. Load orders, or events with their times, and the map follows by itself."
)
NO_EVENTS = "There are no orders and no events on record, so nobody's last activity is known. Send some, or load a file of them."


@dataclass(frozen=True)
class Source:
    """What values are made of.

    Attributes
    ----------
    meaning : {"purchases", "activity"}
        Purchases: days since the last one, how many there were, what was paid for them, refunds taken off. Activity: days since the last event, days
        with activity of the last 90, revenue a month.
    currency : str
        Of money.
    priced : bool
        Whether there is any money; without, everybody has the middle score.
    first : int
        The first thing on record, microseconds UTC.
    of : callable
        From an instant to the values as of then.
    """

    meaning: str
    currency: str
    priced: bool
    first: int
    of: Callable[[int], RfmValues]


def source(session: Session, settings: Settings) -> Source:
    """Return what this box has values of.

    Purchases, unless more than twice as many customers have a subscription: then the shop is a side of the business.

    Raises
    ------
    NotReady
        Where there are neither purchases nor events of customers who come and go, and before the material of analyses was made.
    """
    bought = purchases.of_shop(session, settings)
    if bought is not None:
        return _of_purchases(bought)
    found = material.read(session, settings)
    if found.kind == material.SNAPSHOT:
        raise NotReady(NO_DATES)
    events = as_of.history(session, settings).events
    if not len(events):
        raise NotReady(NO_EVENTS)
    return _of_activity(found, events, ZoneInfo(settings.time_zone))


def _of_purchases(bought: Purchases) -> Source:
    # Without any amount all share the middle score of money: refunds, of which there is no amount either, may not tell them apart.
    told = np.flatnonzero(bought.priced | ~bought.refund)
    # A refund lowers what was paid and is neither a purchase nor a sign of life, so none may pass for a purchase of nought.
    amount = np.where(bought.refund, np.minimum(bought.amount, -1), bought.amount)

    def of(moment: int) -> RfmValues:
        from retainstream.ml.rfm import rfm_values

        return rfm_values(
            bought.customer[told],
            bought.occurred[told],
            moment,
            amount=amount[told] if bought.priced else None,
            order=bought.order[told],
            received=bought.received[told],
        )

    return Source(PURCHASES, bought.currency, bought.priced, int(bought.occurred[~bought.refund].min()), of)


def _of_activity(found: Material, events: EventLog, zone: ZoneInfo) -> Source:
    day = material.local_days(events.occurred, zone)

    def of(moment: int) -> RfmValues:
        from retainstream.ml.rfm import RfmValues

        # Whoever was a customer on the day, whether or not they did anything: the silent ones are who this is about.
        rows = (found.stay_start < moment) & (found.stay_end >= moment)
        who, place = np.unique(found.stay_customer[rows], return_inverse=True)
        last = np.full(len(who), np.iinfo(np.int64).min)
        np.maximum.at(last, place, found.stay_start[rows])
        known = np.flatnonzero((events.known < moment) & np.isin(events.customer, who))
        place = np.searchsorted(who, events.customer[known])
        np.maximum.at(last, place, events.occurred[known])
        lately = known[events.occurred[known] >= moment - ACTIVE_DAYS * clock.DAY_US]
        days = np.unique(np.column_stack([np.searchsorted(who, events.customer[lately]), day[lately]]), axis=0)
        running = (found.span_start < moment) & (found.span_end >= moment) & np.isin(found.span_customer, who)
        money = np.zeros(len(who), np.int64)
        np.add.at(money, np.searchsorted(who, found.span_customer[running]), found.span_revenue[running])
        frequency = np.bincount(days[:, 0], minlength=len(who)).astype(np.int64)
        return RfmValues(who, (moment - last) // clock.DAY_US, frequency, money, moment)

    priced = bool((found.span_revenue > 0).any())
    return Source(ACTIVITY, found.currency, priced, int(events.occurred[0]), of)


def month_ends(first: int, until: int, zone: ZoneInfo, most: int) -> list[int]:
    """Return the ends of calendar months between two instants, rising, the last `most` of them: each the first instant of the next month."""
    now = clock.from_us(until).astimezone(zone)
    found: list[int] = []
    year, month = now.year, now.month
    while len(found) < most:
        moment = clock.to_us(datetime(year, month, 1, tzinfo=zone))
        if moment <= first:
            break
        if moment < until:
            found.append(moment)
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found[::-1]


def month_name(moment: int, zone: ZoneInfo) -> str:
    """Return the month that ends at an instant, as 2024-03."""
    return f"{clock.from_us(moment - 1).astimezone(zone):%Y-%m}"
