"""Every figure that leads to a list of customers equals the count of that list: a crawl over the pages, following each such link."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences
from retainstream.services.segments import saved
from tests.shop import open_shop
from tests.web.analysed import tell_past
from tests.web.conftest import Browser
from tests.web.stocked import stock
from tests.work import run_job

PAGES = ("/", "/customers", "/revenue", "/model", "/data", "/jobs", "/settings")
OF_A_PAST = (
    "/segments/cohorts",
    "/segments/cohorts?show=gone",
    "/segments/cohorts?grid=activity&unit=week",
    "/segments/survival",
    "/segments/survival?by=plan",
    "/segments/rfm",
    "/revenue/lifetime",
    "/health-scores",
)
"""Pages whose figures need customers with a past."""
_LINK = re.compile(r'<a\b[^>]*href="(/customers(?:\?[^"]*)?)"[^>]*>(.*?)</a>', re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(?![\w%.])")


def figures(page: str) -> dict[str, int]:
    """Return the addresses of lists on a page, each with the count that its link shows; links without a count are left out."""
    found = {}
    for address, inside in _LINK.findall(page):
        numbers = _NUMBER.findall(html.unescape(re.sub(r"<[^>]+>", " ", inside)))
        if numbers:
            found[html.unescape(address)] = int(numbers[-1].replace(",", ""))
    return found


def listed(page: str) -> int:
    """Return how many customers a list says that it holds."""
    title = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert title
    words = html.unescape(re.sub(r"<[^>]+>", " ", title[1]))
    number = _NUMBER.search(words)
    return int(number[1].replace(",", "")) if number else 0


@pytest.mark.parametrize("calibrated", [True, False], ids=["probabilities", "ranks"])
def test_every_figure_opens_the_list_that_it_counts(
    app: Flask, as_: Callable[[str], Browser], calibrated: bool
) -> None:
    with app.app_context():
        stock(240, calibrated=calibrated)
    browser = as_("analyst")
    followed = 0
    for page in PAGES:
        for address, figure in figures(browser.get(page).text).items():
            assert listed(browser.get(address).text) == figure, f"{address} on {page}"
            followed += 1
    assert followed >= (12 if calibrated else 6)


def test_what_today_counts_beside_its_list_opens_whom_it_counts(app: Flask, as_: Callable[[str], Browser]) -> None:
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0, "daily_capacity": 8})
            for user in ("cus_00001", "cus_00003"):
                exposures.record(session, SYSTEM, user, kind="call", source="api")
    browser = as_("agent")
    found = figures(browser.get("/today").text)
    assert set(found) == {"/customers?cell=desk:resting&status=all", "/customers?cell=desk:beyond&status=all"}
    for address, figure in found.items():
        assert listed(browser.get(address).text) == figure > 0, address
    # Neither the desk nor the preferences move the data's revisions, and still the list follows the figure.
    before = found["/customers?cell=desk:beyond&status=all"]
    browser.post("/today/assign", {"top": "8", "me": "1"}, page="/today")
    with app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"daily_capacity": 9})
    found = figures(browser.get("/today").text)
    assert found["/customers?cell=desk:beyond&status=all"] == before - 1
    for address, figure in found.items():
        assert listed(browser.get(address).text) == figure, address


def test_every_figure_of_a_segment_opens_the_list_that_it_counts(
    app: Flask, settings: Settings, as_: Callable[[str], Browser]
) -> None:
    with app.app_context():
        stock(240)
        rule = {"not": {"field": "plan", "op": "in", "value": ["Basic"]}}
        with unit_of_work() as session:
            saved.create(session, SYSTEM, {"name": "Not on Basic", "rule": rule}, time_zone="UTC")
        run_job(settings, "segments", job=1)
    browser = as_("viewer")
    for page, least in (("/segments", 1), ("/segments/1", 3)):
        found = figures(browser.get(page).text)
        assert len(found) >= least
        for address, figure in found.items():
            assert listed(browser.get(address).text) == figure, f"{address} on {page}"


def test_every_figure_of_a_past_opens_the_list_that_it_counts(app: Flask, as_: Callable[[str], Browser]) -> None:
    tell_past(app, 60, 5)
    browser = as_("analyst")
    for page in OF_A_PAST:
        found = figures(browser.get(page).text)
        assert len(found) >= 10, page
        for address, figure in found.items():
            assert listed(browser.get(address).text) == figure, f"{address} on {page}"


def test_every_figure_of_a_shop_opens_the_list_that_it_counts(
    app: Flask, settings: Settings, as_: Callable[[str], Browser]
) -> None:
    with app.app_context():
        open_shop(settings, 150)
    browser = as_("viewer")
    for page in ("/segments/rfm", "/revenue/lifetime"):
        found = figures(browser.get(page).text)
        assert len(found) >= 20, page
        for address, figure in found.items():
            assert listed(browser.get(address).text) == figure, f"{address} on {page}"
