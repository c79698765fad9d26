"""Subscriptions as spans at one plan and one price, from all that was stated about each: an analysis sees a change of price when it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.models import Subscription
from retainstream.services.events.listing import visible

NEVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Span:
    """Part of a subscription at one plan and price: it holds `start`, not `end`; times in microseconds UTC, `revenue` a month in minor units."""

    customer: int
    start: int
    end: int
    revenue: int
    currency: str
    plan: str | None
    key: bytes


def read(session: Session, settings: Settings, end: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the spans of all subscriptions that began before `end`, by what was known then.

    Returns
    -------
    (dict, dict)
        Arrays `span_customer`, `span_start`, `span_end`, `span_revenue` and `span_plan`, int64, sorted by the first three, of the currency of most
        spans; and as JSON that `currency`, the `plans` in the order of their numbers, and how many subscriptions are in an `other_currency`.

    Notes
    -----
    When a subscription begins and ends is what its newest statement says; a void one is left out. The plan and price stated first hold from its start,
    those stated later from when they became known, as in the features. Of statements that became known in the same moment the last one holds, as though
    the others had never been made: so a wrong price is corrected (docs/decisions/0010). A statement without a price, or a plan, leaves that as it was; a
    subscription without any price is left out.
    """
    one = Subscription
    rows = session.execute(
        select(
            one.key, one.customer_id, one.plan, one.revenue_minor, one.currency, one.started_at, one.ended_at, one.received_at
        )
        .where(one.received_at < end, visible(one))
        .order_by(one.key, one.received_at, one.id)
    )  # fmt: skip
    found = [
        span for _, said in groupby(rows, attrgetter("key")) for span in of_one(list(said), settings.currency, end)
    ]
    found.sort(key=attrgetter("customer", "start", "end"))
    held = [span.currency for span in found]
    currency = max(sorted(set(held)), key=held.count) if held else settings.currency
    kept = [span for span in found if span.currency == currency]
    plans = sorted({span.plan for span in kept if span.plan})
    place = {plan: at for at, plan in enumerate(plans)}
    columns = {
        "span_customer": [span.customer for span in kept],
        "span_start": [span.start for span in kept],
        "span_end": [span.end for span in kept],
        "span_revenue": [span.revenue for span in kept],
        "span_plan": [place.get(span.plan or "", -1) for span in kept],
    }
    others = len({span.key for span in found if span.currency != currency})
    told = {"currency": currency, "other_currency": others, "plans": plans}
    return {name: np.array(column, np.int64) for name, column in columns.items()}, told


def of_one(said: Sequence[Any], usual: str, end: int) -> Iterator[Span]:
    """Yield the spans of one subscription that began before `end`, from its statements by (received_at, id); `usual` is the currency of those that name none."""
    newest = said[-1]
    start, stop = newest.started_at, newest.ended_at
    prices = [row for row in said if row.revenue_minor is not None]
    if not prices or start >= end or (stop is not None and stop <= start):
        return
    stop = NEVER if stop is None or stop >= end else stop
    plans = [row for row in said if row.plan]

    moments = sorted({start} | {row.received_at for row in said[1:] if start < row.received_at < stop})
    terms = [(moment, _terms(prices, plans, moment, usual)) for moment in moments]
    changes = [terms[0], *(later for before, later in pairwise(terms) if later[1] != before[1])]
    ends = [*(moment for moment, _ in changes[1:]), stop]
    for (moment, (revenue, currency, plan)), until in zip(changes, ends, strict=True):
        yield Span(newest.customer_id, moment, until, revenue, currency, plan, newest.key)


def _terms(prices: Sequence[Any], plans: Sequence[Any], moment: int, usual: str) -> tuple[int, str, str | None]:
    """Return the price, its currency and the plan that hold at a moment."""
    price, plan = _holding(prices, moment), _holding(plans, moment)
    return price.revenue_minor, price.currency or usual, plan.plan if plan else None


def _holding(said: Sequence[Any], moment: int) -> Any:
    """Return the newest of some statements that had arrived by a moment; where none had, the newest of those that arrived first; None of none."""
    if not said:
        return None
    arrived = max(moment, said[0].received_at)
    return next(row for row in reversed(said) if row.received_at <= arrived)


def unbroken(customer: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return when the unbroken time began to which each span belongs: a change of price does not begin it anew.

    Parameters
    ----------
    customer, start, end : int64 arrays of shape (n,)
        Sorted by customer, then start, as `read` returns them.

    Returns
    -------
    int64 array of shape (n,)
        The start of the first of those spans of the same customer that overlap or meet, up to this one.
    """
    if not len(customer):
        return np.zeros(0, np.int64)
    opens = np.append(True, customer[1:] != customer[:-1])
    ends, rank = np.unique(end, return_inverse=True)
    # Customers rise, so the greatest end so far never looks back to another customer.
    latest = np.maximum.accumulate((np.cumsum(opens) - 1) * len(ends) + rank) % len(ends)
    opens[1:] |= start[1:] > ends[latest[:-1]]
    return np.asarray(start[np.maximum.accumulate(np.where(opens, np.arange(len(start)), 0))])
