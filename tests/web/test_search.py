"""The page of the search and the palette's options; and the list of pages and acts that it offers, held against the pages that there are."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from retainstream.security.actor import SYSTEM
from retainstream.security.permissions import ROLE_PERMISSIONS, Role
from retainstream.services import preferences
from retainstream.services.search import places
from retainstream.web.navigation import DESTINATIONS
from tests.web.conftest import Browser
from tests.web.stocked import stock

HX = {"HX-Request": "true"}
STEPS = {
    "/data/import",
    "/model/train",
    "/data/definitions/propose",
    "/data/features/new",
    "/health-scores/schemes/new",
    "/reports/new",
    "/segments/new",
    "/today/plays/new",
}
"""Pages on which something is done: the search has them among the acts."""
DONE_THERE = {
    "/today?whose=unassigned": "/today/assign",
    "/revenue/months#next-title": "/revenue/months/2026-01/close",
}
"""Acts that lead to a page on which they are done, and where its form goes: that one's permission counts, not the page's."""
FILES = {"/customers.csv", "/customers.xlsx"}
NOT_OFFERED = {
    "/api/v1/docs": "in the menu of the account",
    "/jobs/current": "a part of every page",
    "/model/compare": "takes two versions, which are chosen on the page of versions",
    "/model/rollback": "on the page of versions, while there is one to go back to",
    "/search": "where somebody is who reads this",
    "/set-up": "before there is anything",
    "/set-up/begin": "before there is anything",
    "/sign-in": "of visitors",
    "/today/entry": "a part of Today",
}


def test_every_page_of_its_own_is_offered_under_the_permission_that_it_takes(app: Flask) -> None:
    guards = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "guard", None)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("web_")
        and "GET" in (rule.methods or ())
        and not rule.arguments
        and "." not in rule.rule  # a file
    }
    every = (*places.PAGES, *(place for place in places.ACTS if not place.posts))
    offered = {place.address: place.permission for place in every if place.address not in {*DONE_THERE, *FILES}}
    missing = set(guards) - set(offered) - set(NOT_OFFERED) - {"/style"}
    assert not missing, "give these pages a line in services/search/places.py"
    assert {address: guards[address] for address in offered} == offered
    assert {place.address for place in places.ACTS if not place.posts} == STEPS | set(DONE_THERE) | FILES
    assert {one.address for one in DESTINATIONS} <= {place.address for place in places.PAGES}


def test_every_act_that_posts_takes_what_it_says(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    for place in places.ACTS:
        if place.posts:
            endpoint, _ = adapter.match(place.address, method="POST")
            assert getattr(app.view_functions[endpoint], "guard", None) in ("public", place.permission)
        elif place.address in DONE_THERE:
            endpoint, _ = adapter.match(DONE_THERE[place.address], method="POST")
            assert getattr(app.view_functions[endpoint], "guard", None) == place.permission
        elif place.address in FILES:
            endpoint, _ = adapter.match(place.address)
            assert getattr(app.view_functions[endpoint], "guard", None) == place.permission


def test_each_role_is_offered_the_acts_of_its_day(app: Flask, as_: Callable[[str], Browser]) -> None:
    def acts(who: str, asked: str) -> set[str]:
        group = as_(who).get(f"/search?q={asked}", headers=HX).text.partition('aria-label="Acts"')[2]
        return {place.title for place in places.ACTS if f">{place.title}<" in group}

    for asked, title in (("next", "Take the next of today’s list"), ("hand out", "Hand out today’s list")):
        assert title in acts("agent", asked) and title not in acts("viewer", asked)
    for asked, title in (
        ("close", "Close a month"),
        ("report", "Make a report"),
        ("export", "Export customers as CSV"),
        ("new segment", "New segment"),
    ):
        assert title in acts("analyst", asked) and title not in acts("agent", asked)


def test_the_next_of_today_is_taken_and_opens(app: Flask, as_: Callable[[str], Browser]) -> None:
    with app.app_context():
        stock(30)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0, "daily_capacity": 2})
    browser = as_("agent")
    taken = []
    for _ in range(2):
        answer = browser.post("/today/next", {}, page="/search?q=next")
        taken.append(answer.location.partition("open=")[2])
        page = browser.get(answer.location).text
        assert f"{taken[-1]} is yours now." in page and "whose=mine" in answer.location
    assert len(set(taken)) == 2
    full = browser.post("/today/next", {}, page="/search?q=next")
    assert full.location == "/today" and "Nobody is left to take today." in browser.get("/today").text
    browser.post("/today/undo", {}, page="/today")
    again = browser.post("/today/next", {}, page="/search?q=next")
    assert again.location.endswith(taken[-1])


def test_a_kept_report_is_found_by_its_name(app: Flask, as_: Callable[[str], Browser]) -> None:
    with app.app_context():
        stock(10)
    form = {"name": "Monday figures", "what": "home", "format": "pdf", "every": ""}
    as_("analyst").post("/reports", {**form, "weekday": "0", "day": "1", "hour": "7"}, page="/reports/new")
    found = as_("viewer").get("/search?q=monday", headers=HX).text
    assert "Monday figures" in found and 'href="/reports/1"' in found


@pytest.mark.parametrize("who", ["owner", "analyst", "agent", "viewer"])
def test_nothing_that_is_offered_is_refused(app: Flask, as_: Callable[[str], Browser], who: str) -> None:
    with app.app_context():
        stock(30)
    browser = as_(who)
    role = Role.ADMIN if who == "owner" else Role(who)
    for asked in ("", "a", "cus_00001", "model", "play"):
        page = browser.get(f"/search?q={asked}").text.partition('<main class="main"')[2].partition("</main>")[0]
        for address in set(re.findall(r'class="hit[^>]*href="([^"#]+)', page)):
            assert browser.get(address.replace("&amp;", "&")).status_code in (200, 302, 303), address
        posted = set(re.findall(r'method="post" action="([^"]+)"', page))
        allowed = {place.address for place in places.ACTS if place.permission in ROLE_PERMISSIONS[role]}
        assert posted <= allowed


def test_page_and_palette_say_the_same(app: Flask, as_: Callable[[str], Browser]) -> None:
    with app.app_context():
        stock(30)
    browser = as_("analyst")
    page, options = browser.get("/search?q=cus_").text, browser.get("/search?q=cus_", headers=HX).text
    assert "<html" not in options
    assert 'role="listbox"' in options
    for text in (page, options):
        assert "/customers/cus_00001" in text
        assert "All customers with “cus_”" in text
    found = browser.get("/search?q=theme", headers=HX).text
    assert "Light theme" in found
    assert "Dark theme" not in found, "that is how it looks already"


@pytest.mark.parametrize("asked", ["zzzz", "%3Czz%3E", "%00%ff", "a" * 400])
def test_what_is_not_found_is_said(as_: Callable[[str], Browser], asked: str) -> None:
    browser = as_("viewer")
    for headers in ({}, HX):
        answer = browser.get(f"/search?q={asked}", headers=headers)
        assert answer.status_code == 200
        assert "Nothing here is called" in answer.text
        assert "<zz>" not in answer.text


def test_a_visitor_is_asked_to_sign_in(browser: Browser) -> None:
    assert browser.get("/search?q=a").status_code == 303
    assert browser.get("/search?q=a", headers=HX).status_code == 401


def test_an_act_of_the_page_is_done(as_: Callable[[str], Browser]) -> None:
    answer = as_("viewer").post("/appearance", {"theme": "light", "next": "/search?q=theme"}, page="/search?q=theme")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/search?q=theme")
