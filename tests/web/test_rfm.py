"""The page of RFM: the map, the groups and the moves, each figure with its customers; what it says before there is anything, and files."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from retainstream.config import Settings
from tests.shop import open_shop
from tests.web.conftest import Browser

SignIn = Callable[[str], Browser]
PAGE = "/segments/rfm"


@pytest.fixture
def shop(app: Flask, settings: Settings) -> None:
    with app.app_context():
        open_shop(settings, 120)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def options(page: str, name: str) -> list[str]:
    found = re.search(rf'<select id="{name}".*?</select>', page, re.DOTALL)
    assert found
    return re.findall(r'<option value="([^"]+)"', found[0])


@pytest.mark.usefixtures("shop")
def test_it_shows_groups_map_and_moves_and_says_what_they_mean(as_: SignIn) -> None:
    page = as_("viewer").get(PAGE).text
    assert "In force here: purchases." in page and "120 customers by how lately" in page
    for name in ("Champions", "Loyal", "Needs attention", "Dormant"):
        assert name in page
    assert re.search(r"rows and columns sum to \d+", page)
    assert 'aria-current="page">RFM</a>' in page


@pytest.mark.usefixtures("shop")
def test_moves_are_those_of_the_days_that_were_chosen(as_: SignIn) -> None:
    browser = as_("viewer")
    days = options(browser.get(PAGE).text, "from")
    later, earlier = days[1], days[6]
    page = browser.get(f"{PAGE}?from={earlier}&to={later}").text
    assert f'value="{earlier}" selected' in page and f'value="{later}" selected' in page
    addresses = [html.unescape(one) for one in re.findall(r'href="(/customers\?cell=rfm[^"]+)"', page)]
    cells = [parse_qs(urlsplit(one).query)["cell"][0] for one in addresses]
    moved = [one for one in cells if "@" in one]
    assert moved and all(one.endswith(f"@{earlier}..{later}") for one in moved)
    wrong = browser.get(f"{PAGE}?from={later}&to={earlier}")
    assert wrong.status_code == 422 and "from an earlier day to a later one" in wrong.text
    assert "Champions" in wrong.text


@pytest.mark.usefixtures("shop")
def test_files_hold_what_the_page_shows(as_: SignIn) -> None:
    browser = as_("viewer")
    groups, cells = rows(browser.get(f"{PAGE}.csv").text), rows(browser.get(f"{PAGE}/map.csv").text)
    assert sum(int(row["customers"]) for row in groups) == sum(int(row["customers"]) for row in cells) == 120
    assert len(groups) == 10 and len(cells) == 25 and {row["currency"] for row in groups} == {"USD"}
    moves = rows(browser.get(f"{PAGE}/migration.csv").text)
    population = re.search(r"sum to (\d+)", browser.get(PAGE).text)
    assert population and sum(int(row["customers"]) for row in moves) == int(population[1])


@pytest.mark.usefixtures("shop")
def test_a_customer_and_lists_tell_group_and_value(as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get("/customers/c001").text
    assert "RFM group" in page and "Lifetime value" in page and "95% interval" in page and "Still a buyer" in page
    listed = browser.get("/customers?status=all&columns=lifetime_value&columns=rfm").text
    assert "RFM group" in listed and "Lifetime value" in listed
    file = rows(browser.get("/customers.csv?status=all&columns=lifetime_value&columns=rfm").text)
    assert len(file) == 120 and {row["lifetime_currency"] for row in file} == {"USD"}
    told = {row["group"] for row in rows(browser.get(f"{PAGE}.csv").text) if int(row["customers"])}
    assert {row["rfm"] for row in file} == told
    assert all(float(row["lifetime_low"]) <= float(row["lifetime_high"]) for row in file)


def test_before_it_was_made_there_is_one_button_for_those_who_may(as_: SignIn) -> None:
    analyst = as_("analyst")
    assert "Make them now" in analyst.get(PAGE).text
    assert "Make them now" not in as_("viewer").get(PAGE).text
    assert analyst.post("/analyses/make", {"back": PAGE}, page=PAGE).location == PAGE
    assert "Make them now" not in analyst.get(PAGE).text and "being made" in analyst.get(PAGE).text
