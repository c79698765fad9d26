"""The page of the search and the palette's options; and the list of pages and acts that it offers, held against the pages that there are."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.security.permissions import ROLE_PERMISSIONS, Role
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
    offered = {place.address: place.permission for place in (*places.PAGES, *places.ACTS) if not place.posts}
    missing = set(guards) - set(offered) - set(NOT_OFFERED) - {"/style"}
    assert not missing, "give these pages a line in services/search/places.py"
    assert {address: guards[address] for address in offered} == offered
    assert {place.address for place in places.ACTS if not place.posts} == STEPS
    assert {one.address for one in DESTINATIONS} <= {place.address for place in places.PAGES}


def test_every_act_that_posts_takes_what_it_says(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    for place in places.ACTS:
        if place.posts:
            endpoint, _ = adapter.match(place.address, method="POST")
            assert getattr(app.view_functions[endpoint], "guard", None) in ("public", place.permission)


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
