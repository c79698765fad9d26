"""Revenue by month: figures told by hand, lists that hold exactly whom each figure counts, and closed months that later data correct."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DatabaseError

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import ClosedMonth, ImportBatch, MonthCorrection, Subscription
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import permissions_of
from retainstream.services import revisions
from retainstream.services.customers import cells as addresses
from retainstream.services.customers import erasure
from retainstream.services.customers.filters import CustomerFilter, count
from retainstream.services.revenue import at_risk, bridge, calendar, cells, months, sales, trends
from retainstream.services.revenue.months import MonthView
from tests import billed
from tests.history import define
from tests.work import run_job

VIEWER: Actor = replace(SYSTEM, permissions=permissions_of("viewer"))


@pytest.fixture
def box(minimal_app: object, settings: Settings) -> Settings:
    """The seven customers of `tests.billed`, looked at."""
    assert minimal_app
    billed.bill(settings)
    return settings


def rows(settings: Settings) -> dict[str, dict[str, Any]]:
    with read_unit() as session:
        return {str(row["month"]): row for row in bridge.rows(bridge.read(session, settings))}


def close(settings: Settings, month: str, actor: Actor = SYSTEM) -> MonthView:
    with unit_of_work() as session:
        return months.close(session, actor, settings, calendar.period(month))


def closed(settings: Settings) -> dict[str, MonthView]:
    with read_unit() as session:
        return {calendar.code(one.period): one for one in months.closed(session, "EUR")}


def look(settings: Settings) -> dict[str, Any]:
    return run_job(settings, "analyse")["revenue"]["closed_months"]  # type: ignore[no-any-return]


def test_the_bridge_is_that_told_by_hand(box: Settings) -> None:
    found = rows(box)
    assert list(found) == list(billed.BRIDGE)
    for month, expected in billed.BRIDGE.items():
        figures = {name: found[month][name] for name in bridge.FIGURES}
        assert figures == {name: expected.get(name, 0) for name in bridge.FIGURES}, month
        assert found[month]["closing_customers"] == expected["closing_customers"]
        assert figures["opening"] + sum(figures[kind] for kind in bridge.KINDS) == figures["closing"]
    assert [row["complete"] for row in found.values()] == [True] * 4 + [False]
    assert found["2024-03"]["net_retention"] == pytest.approx(1.0)
    assert found["2024-03"]["gross_retention"] == pytest.approx(0.8)
    assert found["2024-04"]["net_retention_12"] is None


def test_every_figure_opens_exactly_whom_it_counts(box: Settings) -> None:
    checked, known = 0, rows(box)
    with read_unit() as session:
        for month, row in known.items():
            for figure in bridge.FIGURES:
                address = cells.address(calendar.period(month), figure)
                wanted = addresses.narrowed(session, CustomerFilter(status="all"), [address])
                assert count(session, wanted) == row[f"{figure}_customers"], address
                checked += 1
        found = trends.read(session, box)
        for one in found.months:
            assert sum(one.plans) == one.revenue
            for plan, n in zip(found.plans, one.plan_customers, strict=True):
                address = addresses.checked(cells.plan_address(one.month, plan))
                assert len(addresses.read(session, address).ids) == n
    assert checked == 35


@pytest.mark.parametrize(
    "key", ["2024-03.nothing", "2024-13.churn", "2030-01.churn", "x", "2024-03.plan.none", "2024-04.kept"]
)
def test_a_cell_that_leads_nowhere_says_so(box: Settings, key: str) -> None:
    assert box
    with read_unit() as session, pytest.raises(InvalidInput):
        cells.make(session, key)


def test_months_that_hide_departures_are_not_shown(minimal_app: object, settings: Settings) -> None:
    assert minimal_app
    billed.state((*billed.SPANS, ("old", "basic", 900, 101, None, None)))
    billed.log_in(205, 520)
    with unit_of_work() as session:
        define(session)
        # Whoever left in January is not on record here.
        session.execute(
            delete(Subscription).where(Subscription.ended_at.is_not(None), Subscription.ended_at < billed.at(301))
        )
        revisions.bump(session, "removals")
    run_job(settings, "analyse")
    with read_unit() as session:
        book = bridge.read(session, settings)
    assert (calendar.code(book.first), book.hidden) == ("2024-03", True)


def test_a_statement_that_comes_late_is_a_correction_with_its_reason(box: Settings) -> None:
    before = close(box, "2024-03")
    assert look(box) == {"closed": 1, "changed": 0, "corrections": 0}
    batch = billed.load("subscriptions.csv")
    billed.state((("b", "basic", 1000, 115, 210, 311), ("z", "basic", 300, 302, None, None)), batch=batch)
    told = look(box)
    after = closed(box)["2024-03"]
    assert (told["changed"], after.as_closed) == (1, before.as_closed)
    assert after.now["churn"] == 0
    assert after.now["opening"] == 4000
    assert after.now["new"] == 1000
    (correction,) = after.corrections
    assert correction.reason.startswith("2 subscriptions stated late: import subscriptions.csv on ")
    assert ("churn_customers", 1, 0) in correction.changes
    live = rows(box)["2024-03"]
    assert after.now == {name: live[name] for name in after.now}
    # Looking again finds nothing new.
    assert look(box)["corrections"] == 0
    assert closed(box)["2024-03"].corrections == after.corrections


def test_a_later_correction_names_only_what_came_since(box: Settings) -> None:
    close(box, "2024-03")
    billed.state((("z", "basic", 300, 302, None, 525),))
    billed.log_in(527)
    look(box)
    billed.state((("y", "basic", 200, 303, None, 529),))
    billed.log_in(531)
    look(box)
    first, second = closed(box)["2024-03"].corrections
    assert first.reason == "1 subscription stated late: feed billing on 25 May 2024"
    assert second.reason == "1 subscription stated late: feed billing on 29 May 2024"
    assert second.changes == (
        ("new", 1000, 1200),
        ("new_customers", 2, 3),
        ("closing", 6000, 6200),
        ("closing_customers", 5, 6),
    )


def test_another_price_counts_from_when_it_was_stated_and_corrects_no_closed_month(box: Settings) -> None:
    close(box, "2024-03")
    billed.state((("a", "basic", 1300, 110, None, 415), ("f", "basic", 400, 303, None, 416)))
    assert look(box) == {"closed": 1, "changed": 0, "corrections": 0}
    found = rows(box)
    assert {name: found["2024-03"][name] for name in bridge.FIGURES} == {
        name: billed.BRIDGE["2024-03"].get(name, 0) for name in bridge.FIGURES
    }
    april = found["2024-04"]
    assert (april["expansion"], april["contraction"], april["closing"]) == (300, -1800, 5700)
    with read_unit() as session:
        assert len(cells.make(session, "2024-04.expansion").ids) == 1
        assert len(cells.make(session, "2024-04.contraction").ids) == 2


def test_a_late_end_and_another_price_at_once_are_one_correction(box: Settings) -> None:
    close(box, "2024-03")
    billed.state((("b", "basic", 1200, 115, 210, 311),), batch=billed.load("subscriptions.csv"))
    look(box)
    (correction,) = closed(box)["2024-03"].corrections
    assert correction.reason.startswith("1 subscription stated late: import subscriptions.csv on ")
    assert closed(box)["2024-03"].now["opening"] == 4000


def test_a_corrected_price_is_a_dated_correction_of_a_closed_month(box: Settings) -> None:
    close(box, "2024-03")
    billed.state((("f", "basic", 900, 303, None, 303),))
    look(box)
    (correction,) = closed(box)["2024-03"].corrections
    assert correction.reason == "1 subscription stated late: feed billing with the date 3 Mar 2024"
    assert correction.changes == (("new", 700, 900), ("closing", 5700, 5900))
    assert rows(box)["2024-03"]["expansion"] == 1000


def test_what_is_taken_away_is_named(box: Settings) -> None:
    batch = billed.load("more.csv")
    billed.state((("z", "basic", 300, 302, None, None),), batch=batch)
    run_job(box, "analyse")
    close(box, "2024-03")
    with unit_of_work() as session:
        found = session.get_one(ImportBatch, batch)
        found.state, found.undone_at = "undone", clock.now_us()
        revisions.bump(session, "removals", "events")
    look(box)
    with unit_of_work() as session:
        erasure.erase(session, SYSTEM, "f", key=b"k" * 32)
    look(box)
    undone, erased = closed(box)["2024-03"].corrections
    assert undone.reason.startswith("Import more.csv was taken back on ")
    assert erased.reason == "1 customer was erased"
    assert closed(box)["2024-03"].now["new"] == 0


def test_months_are_closed_once_in_order_when_they_are_over(box: Settings) -> None:
    with pytest.raises(Conflict, match="is not over yet"):
        close(box, "2024-05")
    with pytest.raises(NotFound):
        close(box, "2023-12")
    with pytest.raises(Forbidden):
        close(box, "2024-02", VIEWER)
    close(box, "2024-02")
    with pytest.raises(Conflict, match="closed already"):
        close(box, "2024-02")
    with pytest.raises(Conflict, match="close March 2024 first"):
        close(box, "2024-04")
    with pytest.raises(Conflict, match="The books begin with February 2024"):
        close(box, "2024-01")
    close(box, "2024-03")
    with read_unit() as session:
        book = bridge.read(session, box)
        assert months.next_to_close(book, months.closed(session, "EUR")) == calendar.period("2024-04")
        assert session.scalar(select(func.count()).select_from(ClosedMonth)) == 2


def test_corrections_of_a_look_come_all_or_not_at_all(box: Settings) -> None:
    close(box, "2024-02")
    close(box, "2024-03")
    billed.state((("z", "basic", 300, 202, None, None),))
    broken = "WHEN (SELECT count(*) FROM month_corrections) >= 2 BEGIN SELECT RAISE(ABORT, 'the third is refused'); END"
    with unit_of_work() as session:
        session.execute(text(f"CREATE TRIGGER broken BEFORE INSERT ON month_corrections {broken}"))
    with pytest.raises(DatabaseError, match="the third is refused"):
        look(box)
    with unit_of_work() as session:
        session.execute(text("DROP TRIGGER broken"))
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(MonthCorrection)) == 0
    assert look(box)["changed"] == 2
    assert all(len(month.corrections) == 1 for month in closed(box).values())


@pytest.mark.usefixtures("scored")
def test_a_table_of_today_has_no_bridge_but_its_revenue_at_risk(settings: Settings) -> None:
    with read_unit() as session:
        with pytest.raises(NotReady):
            bridge.read(session, settings)
        assert not bridge.history(session)
        found = at_risk.read(session, settings)
        assert found.monthly is not None
        assert found.at_risk is not None
        assert sum(row.monthly for row in found.plans) == found.monthly["amount_minor"]
        assert sum(row.at_risk or 0 for row in found.bands) == pytest.approx(found.at_risk["amount_minor"], abs=4)
        for place, row in enumerate(reversed(found.bands)):
            assert count(session, CustomerFilter(bands=(place,))) == row.customers
        for row in found.plans:
            assert count(session, CustomerFilter(plans=(row.key,))) == row.customers


def test_a_shop_has_sales_that_do_not_recur(minimal_app: object, settings: Settings) -> None:
    assert minimal_app
    billed.log_in(110, 112, 320, kind="purchase", value=10.5)
    billed.log_in(130, who="b", kind="refund", value=2.0)
    billed.log_in(520)
    with unit_of_work() as session:
        define(session, "inactivity", inactive_days=30)
    told = run_job(settings, "analyse")
    assert told["revenue"] == {"months": 0, "sales": {"months": 2, "customers": 2}}
    with read_unit() as session:
        book, found = bridge.read(session, settings), sales.read(session, settings)
        assert (book.bridge, book.lacks) == (None, bridge.NO_SPANS)
        assert found is not None
        assert [(row["month"], row["sales"], row["customers"]) for row in found.rows()] == [
            ("2024-01", 1900, 2),
            ("2024-03", 1050, 1),
        ]
        assert len(cells.make(session, "2024-01.sales").ids) == 2
        with pytest.raises(NotReady):
            months.close(session, SYSTEM, settings, calendar.period("2024-01"))
