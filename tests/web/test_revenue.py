"""The pages about revenue: what they find, who may close a month, and what they say where there is no bridge."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.services.revenue import bridge
from retainstream.web.revenue_charts import waterfall
from retainstream.web.revenue_words import amount, tick
from tests import billed
from tests.web.conftest import Browser
from tests.web.stocked import stock
from tests.web.test_figures import figures, listed
from tests.work import run_job

As = Callable[[str], Browser]


@pytest.fixture
def box(app: Flask, settings: Settings) -> Settings:
    """The seven customers of `tests.billed`, looked at."""
    with app.app_context():
        billed.bill(settings)
    return settings


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.usefixtures("box")
def test_the_page_says_what_a_month_brought(as_: As) -> None:
    browser = as_("viewer")
    page = browser.get("/revenue").text
    assert "Monthly revenue stayed at €57 in April 2024" in page
    assert "€15 came and €15 went. 5 customers paid at its end." in words(page)
    page = browser.get("/revenue?month=2024-03").text
    assert "Monthly revenue grew by €7 to €57 in March 2024" in page
    assert "This month runs" in browser.get("/revenue?month=2024-05").text
    assert browser.get("/revenue?month=2030-01").status_code == 404
    assert browser.get("/revenue?month=soon").status_code == 422


@pytest.mark.usefixtures("box")
def test_every_analysis_names_the_same_last_day_of_the_data(as_: As) -> None:
    browser = as_("viewer")
    pages = ("/revenue", "/segments/rfm", "/segments/cohorts", "/segments/survival", "/health-scores")
    said = {page: set(re.findall(r"[Dd]ata to (\d+ \w+ \d{4})", words(browser.get(page).text))) for page in pages}
    assert said == {page: {"19 May 2024"} for page in pages}


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize("page", ["/revenue", "/revenue?month=2024-03", "/revenue/months"])
def test_every_figure_leads_to_the_list_that_it_counts(as_: As, page: str) -> None:
    browser = as_("analyst")
    found = figures(browser.get(page).text)
    for address, figure in found.items():
        assert listed(browser.get(address).text) == figure, address
    assert len(found) >= (5 if page.endswith("months") else 35)


def test_closing_a_month_and_what_comes_late(app: Flask, as_: As, box: Settings) -> None:
    browser = as_("analyst")
    page = browser.get("/revenue/months").text
    assert "April 2024 is over and can be closed" in page
    assert browser.post("/revenue/months/2024-04/close", {}, page="/revenue/months").status_code == 303
    page = browser.get("/revenue/months").text
    assert "April 2024 is closed." in page
    assert "by Analyst" in page
    assert browser.post("/revenue/months/2024-04/close", {}, page="/settings").status_code == 303
    assert "closed already by Analyst" in browser.get("/revenue/months").text
    with app.app_context():
        billed.state((("z", "basic", 300, 402, None, None),), batch=billed.load("subscriptions.csv"))
        run_job(box, "analyse")
    page = words(browser.get("/revenue/months").text)
    assert "One closed month was corrected by later data" in page
    assert "1 subscription stated late: import subscriptions.csv on" in page
    assert "New: €0.00 became +€3.00, 0 became 1 customer" in page
    lines = browser.get("/revenue/months.csv").text.splitlines()
    assert any(line.startswith("2024-04,EUR,new,0.00,3.00,") for line in lines)
    assert any(line.startswith("2024-04,,new_customers,0,1,") for line in lines)
    assert sum("stated late" in line for line in lines) == 4


@pytest.mark.usefixtures("box")
def test_a_viewer_sees_months_and_closes_none(as_: As) -> None:
    browser = as_("viewer")
    page = browser.get("/revenue/months").text
    assert "/close" not in page
    assert "An analyst or an administrator can close it." in page
    assert browser.post("/revenue/months/2024-04/close", {}, page="/settings").status_code == 403


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(("name", "lines"), [("bridge", 6), ("trends", 16), ("at-risk", 3), ("months", 1)])
def test_every_table_is_a_file(as_: As, name: str, lines: int) -> None:
    answer = as_("viewer").get(f"/revenue/{name}.csv")
    assert answer.mimetype == "text/csv"
    assert len(answer.text.splitlines()) >= lines


@pytest.mark.usefixtures("box")
def test_files_have_amounts_in_the_main_unit_with_their_currency(as_: As) -> None:
    browser = as_("viewer")

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(browser.get(f"/revenue/{name}.csv").text)))

    for row in rows("bridge"):
        for figure, minor in billed.BRIDGE[row["month"]].items():
            assert row[figure] == (str(minor) if figure.endswith("_customers") else f"{minor / 100:.2f}"), row["month"]
    april = [row for row in rows("trends") if row["month"] == "2024-04"]
    assert [(row["plan"], row["revenue"], row["customers"], row["average"]) for row in april] == [
        ("all plans", "57.00", "5", "11.40"), ("plus, yearly/100%", "35.00", "2", "17.50"), ("basic", "22.00", "3", "7.33"),
    ]  # fmt: skip
    assert rows("at-risk")[0]["monthly_revenue"].endswith(".00")
    assert {row["currency"] for name in ("bridge", "trends", "at-risk") for row in rows(name)} == {"EUR"}


def test_a_table_of_today_has_no_bridge_and_says_why(app: Flask, as_: As) -> None:
    with app.app_context():
        stock(40)
    browser = as_("viewer")
    page = browser.get("/revenue").text
    assert bridge.WHY_NOT[bridge.SNAPSHOT] in html.unescape(page)
    assert "a month is expected to go" in page
    for address, figure in figures(page).items():
        assert listed(browser.get(address).text) == figure, address
    assert "No months to close yet" in browser.get("/revenue/months").text


def test_an_empty_box_and_one_that_was_not_looked_at(app: Flask, as_: As) -> None:
    assert "No revenue is on record" in as_("viewer").get("/revenue").text
    with app.app_context():
        billed.state(billed.SPANS)
    assert "Make them now" in as_("analyst").get("/revenue").text
    assert "Make them now" in as_("analyst").get("/revenue/months").text
    assert "Make them now" not in as_("viewer").get("/revenue").text


def test_a_shop_has_sales(app: Flask, as_: As, settings: Settings) -> None:
    with app.app_context():
        billed.log_in(110, 320, kind="purchase", value=10.5)
        billed.log_in(520)
        from retainstream.db import unit_of_work
        from tests.history import define

        with unit_of_work() as session:
            define(session, "inactivity", inactive_days=30)
        run_job(settings, "analyse")
    browser = as_("viewer")
    page = browser.get("/revenue").text
    assert "$10 were sold in March 2024, to 1 customer" in html.unescape(page)
    assert "not recurring" in page
    assert figures(page)
    for address, figure in figures(page).items():
        assert listed(browser.get(address).text) == figure, address
    assert browser.get("/revenue/sales.csv").text.splitlines()[1:] == [
        "USD,2024-01,true,10.50,1",
        "USD,2024-03,true,10.50,1",
    ]


def test_bars_of_a_bridge_hang_together_and_stay_inside() -> None:
    for opening, moves in ((0, (100, 0, 0, 0, -100)), (10_000, (50, 0, 20, -30, -10)), (0, (0, 0, 0, 0, 0))):
        found = {"opening": opening, "closing": opening + sum(moves), **dict(zip(bridge.KINDS, moves, strict=True))}
        found |= {f"{name}_customers": 1 for name in bridge.FIGURES}
        drawn = waterfall(24_290, found, "EUR")
        assert all(step.x >= 0 and step.x + step.width <= 100.01 for step in drawn.steps)
        assert bool(drawn.begins) == (opening > 1_000)


def test_amounts_are_short_and_signed() -> None:
    assert amount(123_456, "EUR") == "€1,235"
    assert amount(-149, "EUR", signed=True) == "−€1"
    assert amount(149, "EUR", signed=True, exact=True) == "+€1.49"
    assert amount(1_500, "JPY") == "¥1,500"
    assert amount(None, "EUR") == "–"
    assert [tick(value, "EUR") for value in (0, 1_250_000, -50_000_000_000, 9_900)] == ["0", "12.5k", "−500M", "99"]
