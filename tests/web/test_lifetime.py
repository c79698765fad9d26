"""The page of lifetime values: total, tenths, who is worth most, and what was expected against what came; files, and what it says before."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.models import Event
from tests.shop import open_shop
from tests.web.conftest import Browser
from tests.web.stocked import stock
from tests.work import run_job

SignIn = Callable[[str], Browser]
PAGE = "/revenue/lifetime"


@pytest.fixture
def shop(app: Flask, settings: Settings) -> None:
    with app.app_context():
        open_shop(settings)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("shop")
def test_it_says_what_the_period_is_worth_how_sure_that_is_and_how_it_was_made(as_: SignIn) -> None:
    page = as_("viewer").get(PAGE).text
    assert "The next 12 months are worth $" in page and "95% interval" in page
    assert "was expected and" in page and "expect that everybody goes on" in page and "BG/NBD" in page
    assert "/settings/preferences" not in page.split("<main", 1)[1]
    assert "Download everybody" not in page
    assert "/settings/preferences#worth" in as_("owner").get(PAGE).text


@pytest.mark.usefixtures("shop")
def test_files_hold_everybody_and_the_check(as_: SignIn) -> None:
    browser = as_("analyst")
    everybody = rows(browser.get(f"{PAGE}.csv").text)
    assert len({row["user_id"] for row in everybody}) == 400
    assert [float(row["value"]) for row in everybody] == sorted(
        (float(row["value"]) for row in everybody), reverse=True
    )
    tenths = rows(browser.get(f"{PAGE}/tenths.csv").text)
    assert sum(int(row["customers"]) for row in tenths if row["by"] == "tenth") == 400
    assert sum(float(row["value"]) for row in tenths if row["by"] == "tenth") == pytest.approx(
        sum(float(row["value"]) for row in everybody)
    )
    check = rows(browser.get(f"{PAGE}/check.csv").text)
    assert len(check) >= 5
    assert all(float(row["low"]) <= float(row["actual_mean"]) <= float(row["high"]) for row in check if row["low"])
    assert as_("viewer").get(f"{PAGE}.csv").status_code == 403


@pytest.mark.usefixtures("shop")
def test_values_that_cannot_be_made_anew_stand_as_they_were(app: Flask, settings: Settings, as_: SignIn) -> None:
    with app.app_context():
        with unit_of_work() as session:
            session.execute(update(Event).values(value=None))
        assert "without amounts" in run_job(settings, "analyse")["lifetime value"]["skipped"]
    assert "The next 12 months" in as_("viewer").get(PAGE).text  # those of the run before stand, with their as-of


def test_before_it_was_made_it_says_so(as_: SignIn) -> None:
    page = as_("analyst").get(PAGE).text
    assert "No lifetime values yet" in page and "Make them now" in page
    assert as_("viewer").get(f"{PAGE}/check.csv").status_code == 409


def test_a_table_without_dates_has_values_but_neither_check_nor_recency(
    app: Flask, settings: Settings, as_: SignIn
) -> None:
    with app.app_context():
        stock(240)
        run_job(settings, "analyse")
    browser = as_("viewer")
    page = browser.get(PAGE).text
    assert "Not checked yet" in page and "holds nothing out" in page and "by survival curves" in page
    assert "By plan" in page and "Premium" in page
    rfm = browser.get("/segments/rfm").text
    assert "table without dates" in rfm and "Make them now" not in rfm
