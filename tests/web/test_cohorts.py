"""The pages of cohorts and of survival: what they say before there are figures, their switches and files, and that every figure opens its list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.services.cohorts import grids
from retainstream.services.survival import curves
from tests.web.analysed import tell_past
from tests.web.conftest import Browser
from tests.web.stocked import add_customers, stock
from tests.web.test_figures import figures, listed
from tests.work import run_job

Sign = Callable[[str], Browser]
BOTH = ("/segments/cohorts", "/segments/survival")


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("page", BOTH)
def test_before_anything_was_made_there_is_one_button_for_those_who_may(app: Flask, as_: Sign, page: str) -> None:
    with app.app_context():
        stock(20)
    assert "Make them now" not in as_("viewer").get(page).text
    analyst = as_("analyst")
    assert "Make them now" in analyst.get(page).text
    answer = analyst.post("/analyses/make", {"back": page}, page=page)
    assert answer.status_code == 303
    assert answer.location == page
    waiting = analyst.get(page).text
    assert "They are being made" in waiting
    assert "Make them now" not in waiting
    assert as_("viewer").post("/analyses/make", {"back": page}, page=page).status_code == 403


def test_a_making_leads_back_only_to_pages_of_figures(app: Flask, as_: Sign) -> None:
    with app.app_context():
        stock(20)
    answer = as_("analyst").post("/analyses/make", {"back": "https://example.com/"}, page="/segments/cohorts")
    assert answer.location == "/jobs"


def test_a_table_without_dates_has_curves_with_a_caveat_and_no_cohorts(
    app: Flask, as_: Sign, settings: Settings
) -> None:
    with app.app_context():
        with unit_of_work() as session:
            add_customers(session, 200)
        run_job(settings, "analyse")
    browser = as_("viewer")
    assert "table without dates" in browser.get("/segments/cohorts").text
    page = browser.get("/segments/survival?by=plan").text
    assert "table without dates" in page
    assert "earliest value on record" in page
    for address, figure in list(figures(page).items())[::5]:
        assert listed(browser.get(address).text) == figure, address


def test_the_grid_shows_what_the_service_counts(app: Flask, as_: Sign, settings: Settings) -> None:
    tell_past(app)
    browser = as_("viewer")
    page = browser.get("/segments/cohorts").text
    with app.app_context():
        from retainstream.db import read_unit

        with read_unit() as session:
            found = grids.read(session, settings)
    assert (
        len(re.findall(r'class="grid__cell[^"]*"', page))
        == found.table.reached.sum() + (found.table.age_sizes > 0).sum()
    )
    assert page.count("grid__cell--open") == (found.table.reached & ~found.table.mature).sum() + 1  # one in the legend
    rows = lines(browser.get("/segments/cohorts.csv").text)
    assert len(rows) == found.table.reached.sum()
    assert sum(int(row["retained"]) for row in rows) == found.table.retained.sum()
    weeks = browser.get("/segments/cohorts?unit=week&show=gone").text
    assert 'href="/segments/cohorts?show=gone"' in weeks
    assert "gone by the end of each week" in weeks
    for wrong in ("?grid=x", "?unit=day", "?show=some"):
        assert browser.get(f"/segments/cohorts{wrong}").status_code == 422


def test_the_curves_stand_with_their_tables_and_files(app: Flask, as_: Sign, settings: Settings) -> None:
    tell_past(app)
    browser = as_("viewer")
    page = browser.get("/segments/survival").text
    with app.app_context():
        from retainstream.db import read_unit

        with read_unit() as session:
            found = curves.read(session, settings)
    steps = lines(browser.get("/segments/survival.csv").text)
    assert [float(row["share"]) for row in steps] == found.groups[0].curve.survival.tolist()
    assert (
        sum(int(row["left"]) for row in lines(browser.get("/segments/survival-tenure.csv").text))
        == found.lives.left.sum()
    )
    table = lines(browser.get("/segments/survival-groups.csv").text)
    assert [int(row["at_risk"]) for row in table] == [step.at_risk for step in found.groups[0].steps]
    assert lines(browser.get("/segments/survival-tests.csv").text) == []
    assert "At risk after so many months" in page
    assert browser.get("/segments/survival?by=colour").status_code == 422
