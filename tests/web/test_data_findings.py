"""The data page about findings: gravest first, by state and gravity, muted and let count again with an undo, and empty in a way that teaches."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.security.actor import SYSTEM
from retainstream.services import feeds, findings
from tests.web.conftest import Browser

SignIn = Callable[[str], Browser]
PAGE = "/data/findings"


@pytest.fixture
def silent(app: Flask) -> None:
    """A feed that is alive, and one that went silent."""
    now = clock.now_us()
    with app.app_context(), unit_of_work() as session:
        for name, seen in (("app", now), ("billing", now - 3 * clock.DAY_US)):
            feeds.arrived(session, name, n=9, first_occurred=seen, last_occurred=seen, received=seen, now=seen)
            feeds.change(session, SYSTEM, name, {"expected_seconds": 3600})


@pytest.fixture
def odd(app: Flask) -> None:
    """Two dozen findings of every gravity, some about other places."""
    with app.app_context(), unit_of_work() as session:
        whole = {"batch_id": 7, "feature": "per cent/%"}
        for number in range(24):
            severity = findings.SEVERITIES[2 - number % 3]
            detail = whole if number == 23 else {}
            findings.hold(session, "odd_thing", f"s{number}", f"Oddity {number}.", severity=severity, detail=detail)


def titles(page: str) -> list[str]:
    return re.findall(r'<h2 class="finding__title">([^<]+)</h2>', page)


def test_an_empty_box_teaches_what_comes_here(as_: SignIn) -> None:
    browser = as_("agent")
    page = browser.get(PAGE).text
    assert "Nothing is known to be wrong with the data." in page and "Findings come by themselves" in page
    assert 'href="/data/feeds">See the feeds</a>' in page and 'aria-current="page">Findings' in page
    assert "Nothing is muted" in browser.get(f"{PAGE}?state=muted").text
    assert "Nothing has gone away yet" in browser.get(f"{PAGE}?state=closed").text


@pytest.mark.usefixtures("silent")
def test_a_silent_feed_is_said_in_plain_words_with_its_place(as_: SignIn) -> None:
    browser = as_("agent")
    page = browser.get(PAGE).text
    assert "One thing is wrong with the data." in page
    assert titles(page) == ["The feed “billing” is silent"]
    assert "Serious</span>" in page and "What it means" in page and "What to do" in page
    (anchor,) = re.findall(r'href="/data/feeds#(feed-\d+)"', page)
    assert re.search(rf'id="{anchor}">.*?<h2 class="feed__name">billing', browser.get("/data/feeds").text, re.DOTALL)


@pytest.mark.usefixtures("odd")
def test_the_gravest_come_first_and_pages_follow(as_: SignIn) -> None:
    browser = as_("agent")
    first = browser.get(PAGE).text
    assert "24 things are wrong with the data, 8 of them serious." in first
    assert titles(first)[:9] == [*(f"Odd thing: s{number}" for number in range(23, 0, -3)), "Odd thing: s22"]
    assert 'href="/data/imports/7"' in first and 'href="/data/features/by-name/per%20cent%2F%25"' in first
    (following,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = browser.get(following.replace("&amp;", "&")).text
    assert len(titles(first)) == 20 and titles(second) == [f"Odd thing: s{number}" for number in (9, 6, 3, 0)]
    assert f'href="{PAGE}">First</a>' in second
    serious = browser.get(f"{PAGE}?severity=error").text
    assert titles(serious) == titles(first)[:8] and "8 findings" in serious


@pytest.mark.usefixtures("silent")
def test_muting_is_undone_at_once_or_later(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get(PAGE).text
    assert "training no longer waits" in page
    (address,) = re.findall(rf'action="({PAGE}/\d+/mute)"', page)
    assert browser.post(address, {"muted": "yes", "state": "open"}, page=PAGE).headers["Location"] == PAGE
    done = browser.get(PAGE).text
    assert titles(done) == [] and "1 finding is muted." in done and "All clear" in done
    assert "Muted: The feed “billing” is silent." in done and "Undo</button>" in done
    with app.app_context(), read_unit() as session:
        assert [feed["muted"] for feed in feeds.listed(session)] == [False, True]
        feeds.require_alive(session)
    assert "Undo</button>" not in browser.get(PAGE).text
    assert browser.post(address, {"muted": "no", "state": "muted"}, page=f"{PAGE}?state=muted").status_code == 303
    assert titles(browser.get(PAGE).text) == ["The feed “billing” is silent"]
    with app.app_context(), unit_of_work() as session:
        feeds.heartbeat(session, SYSTEM, "billing")
    gone = browser.get(f"{PAGE}?state=closed").text
    assert titles(gone) == ["The feed “billing” was silent"]
    assert "Gone, serious</span>" in gone and f'action="{PAGE}/' not in gone
    browser.post(address, {"muted": "yes"}, page="/settings")
    assert "no longer holds" in browser.get(PAGE).text


@pytest.mark.usefixtures("silent")
def test_who_may_see_and_who_may_mute(as_: SignIn) -> None:
    viewer, agent = as_("viewer"), as_("agent")
    assert viewer.get(PAGE).status_code == 403
    assert "/data/findings" not in viewer.get("/data/definitions").text
    assert "/mute" not in agent.get(PAGE).text
    assert agent.post(f"{PAGE}/1/mute", {"muted": "yes"}, page="/settings").status_code == 403


def test_an_address_that_asks_for_what_is_not_there_is_refused(as_: SignIn) -> None:
    browser = as_("agent")
    for query in ("state=odd", "severity=odd", "cursor=odd"):
        assert browser.get(f"{PAGE}?{query}").status_code == 422
    assert "None of this gravity" in browser.get(f"{PAGE}?severity=info").text
