"""The data page about feeds: silent ones first, and what a person may say about them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.security.actor import SYSTEM
from retainstream.services import feeds
from retainstream.web import data_feeds_view as views
from tests.web.conftest import Browser

SignIn = Callable[[str], Browser]
PAGE = "/data/feeds"


@pytest.fixture
def fed(app: Flask) -> None:
    """Three feeds: one that went silent, one that is alive, one that only came from a file."""
    now = clock.now_us()
    with app.app_context(), unit_of_work() as session:
        for name, seen, live in (("billing", now, True), ("app", now - 3 * clock.DAY_US, True), ("old.csv", 1, False)):
            feeds.arrived(
                session, name, n=1234, first_occurred=seen, last_occurred=seen, received=seen, now=seen, live=live
            )
        for name in ("billing", "app"):
            feeds.change(session, SYSTEM, name, {"expected_seconds": 3600})


def test_an_empty_box_teaches_how_a_feed_appears(as_: SignIn) -> None:
    page = as_("agent").get(PAGE).text
    assert "No feed yet." in page
    assert "http://localhost/api/v1/events -d" in page
    assert 'aria-current="page">Feeds' in page


@pytest.mark.usefixtures("fed")
def test_silent_feeds_come_first_with_a_word_and_a_time(as_: SignIn) -> None:
    page = as_("agent").get(PAGE).text
    assert "The feed “app” went silent." in page
    assert page.index(">app</h2>") < page.index(">billing</h2>") < page.index(">old.csv</h2>")
    assert "Silent</span>" in page and "Alive</span>" in page and "From files</span>" in page
    assert "up to 1 hour, as you set" in page
    assert "3 days ago" in page
    assert "1,234" in page


@pytest.mark.usefixtures("fed")
def test_an_analyst_sets_a_pause_and_mutes(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    assert browser.post(PAGE, {"feed": "app", "pause": "7", "unit": "days"}).status_code == 303
    page = browser.get(PAGE).text
    assert "“app” may pause for 7 days." in page and "feeds that are watched are alive" in page
    browser.post(PAGE, {"feed": "app", "pause": "", "unit": "hours", "muted": "yes"})
    assert "“app” is muted" in browser.get(PAGE).text
    with app.app_context(), read_unit() as session:
        item = feeds.listed(session)[0]
    assert (item["name"], item["expected_seconds"], item["muted"]) == ("app", None, True)


@pytest.mark.usefixtures("fed")
@pytest.mark.parametrize("pause", ["soon", "0", "9999", "1e999", "nan"])
def test_a_pause_that_cannot_be_is_said_beside_the_field(as_: SignIn, pause: str) -> None:
    browser = as_("analyst")
    answer = browser.post(PAGE, {"feed": "app", "pause": pause, "unit": "days", "muted": "yes"})
    assert answer.status_code == 422
    assert f'value="{pause}"' in answer.text and 'aria-invalid="true"' in answer.text
    assert "Expected a " in answer.text and " checked" in answer.text


@pytest.mark.usefixtures("fed")
def test_who_may_see_and_who_may_change(as_: SignIn) -> None:
    assert as_("viewer").get(PAGE).status_code == 403
    agent = as_("agent")
    page = agent.get(PAGE).text
    assert "<summary>Change" not in page
    assert agent.post(PAGE, {"feed": "app", "pause": "1", "unit": "days"}, page="/").status_code == 403
    assert as_("analyst").post(PAGE, {"feed": "nobody", "pause": "1", "unit": "days"}).status_code == 404


@pytest.mark.parametrize(
    ("seconds", "words", "form"),
    [(60, "1 minute", ("1", "minutes")), (5400, "90 minutes", ("90", "minutes")), (3600, "1 hour", ("1", "hours")),
     (129_600, "36 hours", ("36", "hours")), (86_400, "1 day", ("1", "days")), (864_000, "10 days", ("10", "days"))],
)  # fmt: skip
def test_lengths_of_time_are_spelled_and_read_back(seconds: int, words: str, form: tuple[str, str]) -> None:
    assert views.duration(seconds) == words
    assert views.spelled(seconds) == form
    assert views.pause_of(views.Typed("a", *form, muted=False)) == (seconds, ())
