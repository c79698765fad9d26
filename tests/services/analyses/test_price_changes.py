"""A price that rises within subscriptions: every analysis of revenue sees the old one until then, and the new one from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import Subscription
from retainstream.services import revisions
from retainstream.services.analyses import material
from retainstream.services.health import business
from retainstream.services.lifetime import reading
from retainstream.services.revenue import bridge, trends
from tests.history import DAY, Past, define
from tests.work import run_job

RAISED_DAYS = 10
"""So many days before the end of the data every price doubles."""


@dataclass(frozen=True)
class Seen:
    """What the analyses say."""

    months: list[dict[str, Any]]
    trend: trends.Trends
    health: business.Business
    check: dict[str, Any]
    worth: int
    held: material.Material


def look(settings: Settings) -> Seen:
    run_job(settings, "analyse")
    with read_unit() as session:
        book = bridge.read(session, settings)
        standing = reading.standing(session, settings)
        check: Any = standing.check
        assert check is not None
        return Seen(
            bridge.rows(book), trends.read(session, settings), business.read(session, settings), check, standing.total_minor, book.found
        )  # fmt: skip


def raise_prices(moment: int) -> int:
    """State every subscription that runs at a moment anew, at twice the price that all later statements have too; return how many."""
    with unit_of_work() as session:
        known: dict[bytes, Subscription] = {}
        for row in session.scalars(select(Subscription).order_by(Subscription.received_at, Subscription.id)):
            if row.received_at <= moment:
                known[row.key] = row
            else:
                row.revenue_minor = 2 * (row.revenue_minor or 0)
        running = [row for row in known.values() if row.ended_at is None or row.ended_at > moment]
        same = ("key", "customer_id", "feed_id", "plan", "currency", "started_at", "ended_at", "end_reason")
        for row in running:
            said = {name: getattr(row, name) for name in same}
            session.add(Subscription(**said, revenue_minor=2 * (row.revenue_minor or 0), received_at=moment))
        revisions.bump(session, "events")
    return len(running)


@pytest.mark.usefixtures("past_box")
def test_a_rise_is_growth_of_its_month_and_changes_nothing_before(settings: Settings, past: Past) -> None:
    before = look(settings)
    raised = raise_prices(past.data_end - RAISED_DAYS * DAY)
    after = look(settings)
    of_month = next(row for row in after.months if row["expansion"])
    earlier = [row["month"] < of_month["month"] for row in after.months]
    assert [row for row, old in zip(after.months, earlier, strict=True) if old] == [
        row for row, old in zip(before.months, earlier, strict=True) if old
    ]
    # Whoever came within the month or left after the rise is not among those who pay more at its end.
    assert 0.8 * raised < of_month["expansion_customers"] <= raised
    assert of_month["net_retention"] > 1.5
    assert of_month["gross_retention"] < 1
    assert sum(row["contraction"] for row in after.months) == 0
    assert [one.revenue for one in after.trend.months] == [row["closing"] for row in after.months]

    then, now = before.health.figures, after.health.figures
    assert (now.revenue_before, now.revenue_now) == (then.revenue_before, 2 * (then.revenue_now or 0))
    assert after.health.health.parts != before.health.health.parts

    # Who was a customer, and since when, does not change with a price.
    for name in ("stay_customer", "stay_start", "stay_end"):
        assert np.array_equal(getattr(after.held, name), getattr(before.held, name)), name


@pytest.mark.usefixtures("past_box")
def test_what_is_predicted_from_a_past_day_does_not_know_a_later_price(settings: Settings, past: Past) -> None:
    before = look(settings)
    raise_prices(past.data_end - RAISED_DAYS * DAY)
    after = look(settings)
    assert after.check["from"] == before.check["from"] < past.data_end - RAISED_DAYS * DAY
    then, now = before.check["money"], after.check["money"]
    assert (now["predicted"], [one["predicted"] for one in now["parts"]]) == (
        then["predicted"],
        [one["predicted"] for one in then["parts"]],
    )
    # The months after the rise are paid at the new price; what is to come is worth twice as much.
    assert now["actual"] > then["actual"]
    assert after.worth == pytest.approx(2 * before.worth, rel=1e-4)


@pytest.mark.usefixtures("past_box")
def test_how_long_somebody_has_paid_does_not_begin_anew_with_a_price(settings: Settings, past: Past) -> None:
    with unit_of_work() as session:
        # Under a rule of silence whoever pays and does nothing has no stay: only the subscription tells since when they pay.
        define(session, "inactivity", inactive_days=30)
    worth = look(settings).worth
    raise_prices(past.data_end - RAISED_DAYS * DAY)
    assert look(settings).worth == pytest.approx(2 * worth, rel=1e-4)
