"""The data pages about feeds, churn definitions and features in a real browser: sound in both themes at both sizes, and the ways through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import Event
from retainstream.security.actor import SYSTEM
from retainstream.services import feeds, findings
from tests.browser.conftest import Served, Tab
from tests.browser.test_pages import account as account  # noqa: PLC0414 - a fixture
from tests.browser.test_pages import is_sound, sign_in
from tests.services.as_of import happened
from tests.services.as_of.happened import DAY, START

OpenTab = Callable[..., Tab]
LONG = "a.feed.whose.name.is.about.as.long.as.a.name.may.be-" + "0123456789" * 2
PAGES = (
    "/data/feeds",
    "/data/findings",
    "/data/findings?state=closed",
    "/data/definitions",
    "/data/definitions/propose?kind=inactivity",
    "/data/features",
    "/data/features/new",
    "/data/features/by-name/login_count_30/values",
)


@pytest.fixture
def people(served: Served, account: None) -> None:
    """Eighty customers who log in every few days and stop at some time; a silent feed, and findings open and closed."""
    rng = np.random.default_rng(1)
    with served.app.app_context(), unit_of_work() as session:
        ids = [happened.customer(session, f"c{number}") for number in range(80)]
        happened.event(session, ids[0], "login", 0)
        first = session.get_one(Event, 1)
        rows = [
            {
                "customer_id": customer, "kind_id": first.kind_id, "feed_id": first.feed_id,
                "occurred_at": START + int(moment * DAY), "received_at": START + int(moment * DAY),
                "key": (100_000 * customer + place).to_bytes(16, "big"),
            }
            for customer in ids
            for place, moment in enumerate(rng.uniform(0, 100) + np.cumsum(rng.exponential(4, 60)))
            if moment < rng.exponential(250)
        ]  # fmt: skip
        session.execute(insert(Event), rows)
        happened.event(session, ids[0], "login", 299.9)
        findings.hold(session, "odd", LONG, f"Something is odd with {LONG}.")
        findings.close_others(session, "odd", set())
        seen = clock.now_us() - 3 * clock.DAY_US
        feeds.arrived(session, LONG, n=5, first_occurred=seen, last_occurred=seen, received=seen, now=seen)
        feeds.change(session, SYSTEM, LONG, {"expected_seconds": 3600})


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_pages_are_sound_in_both_themes(open_tab: OpenTab, size: str) -> None:
    page: Any = open_tab(size).page
    sign_in(page)
    for theme in ("dark", "light"):
        if theme == "light":
            page.locator(".account__mark").click()
            page.get_by_role("button", name="Light theme").click()
            page.locator("html[data-theme=light]").wait_for()
        for address in PAGES:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true })")
            is_sound(page)


@pytest.mark.usefixtures("people")
def test_a_definition_is_found_changed_weighed_and_made(open_tab: OpenTab) -> None:
    page: Any = open_tab().page
    sign_in(page)
    page.goto("/data/definitions")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("heading", name="Proposed: silent for").wait_for()
    assert "/data/definitions/propose?" in page.url
    page.get_by_role("row", name="30 days").get_by_role("link", name="Choose").click()
    page.get_by_role("heading", name="After 30 days of silence").wait_for()
    assert "inactive_days=30" in page.url
    page.get_by_label("Gone after").fill("33")
    page.get_by_text("is then silent for 33 days.").wait_for()
    page.get_by_label("Gone after").fill("none")
    page.get_by_text("Gone after: a whole number of days from 1 to 730").wait_for()
    page.get_by_label("Gone after").fill("33")
    page.get_by_label("Name").fill("Gone quiet")
    page.get_by_role("button", name="Make it and put it in force").click()
    page.get_by_role("heading", name="“Gone quiet” is what counts as leaving.").wait_for()
    assert page.get_by_role("button", name="Train").is_visible()
    page.go_back()
    page.get_by_role("heading", name="Proposed: silent for").wait_for()


@pytest.mark.usefixtures("people")
def test_a_feature_is_searched_previewed_and_declared(open_tab: OpenTab) -> None:
    page: Any = open_tab().page
    sign_in(page)
    page.goto("/data/features")
    page.get_by_label("Search", exact=True).fill("since log")
    page.get_by_text("1 to 1 of 1").wait_for()
    assert "q=since%20log" in page.url
    page.get_by_role("link", name="Time since the last log-in").click()
    page.get_by_text("The middle half of the customers lies between").wait_for()
    page.goto("/data/features/new")
    page.get_by_label("Kind of event").select_option("login")
    page.get_by_label("What of them").select_option("active_days")
    page.get_by_label("Title").fill("Days with a log-in")
    page.get_by_label("Window").fill("14")
    page.get_by_label("Window").blur()
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    page.get_by_text("80 customers, as of").wait_for()
    page.get_by_role("button", name="Declare it").click()
    page.get_by_role("heading", name="Days with a log-in", level=1).wait_for()
    page.get_by_text("Withdraw “Days with a log-in”…").click()
    page.get_by_role("button", name="Yes, withdraw it").click()
    page.get_by_text("is withdrawn").wait_for()


@pytest.mark.usefixtures("people")
def test_a_finding_is_muted_and_the_mute_undone(open_tab: OpenTab) -> None:
    page: Any = open_tab("phone").page
    sign_in(page)
    page.goto("/data/findings")
    page.get_by_role("button", name="Mute").click()
    page.get_by_role("heading", name="All clear").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name=f"The feed “{LONG}” is silent").wait_for()
    page.get_by_role("link", name="The feed of").click()
    page.get_by_role("heading", name=LONG, exact=True).wait_for()


@pytest.mark.usefixtures("people")
def test_everything_goes_without_javascript(open_tab: OpenTab) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page)
    page.goto("/data/feeds")
    page.get_by_text(f"Change {LONG}").click()
    page.get_by_label("May pause for").first.fill("9")
    page.get_by_label("Unit of the pause").first.select_option("days")
    page.get_by_role("button", name="Save").first.click()
    assert page.get_by_text("may pause for 9 days").is_visible()
    page.goto("/data/findings")
    assert page.get_by_text("Nothing is known to be wrong with the data.").is_visible()
    page.goto("/data/definitions")
    page.get_by_role("button", name="Propose").click()
    page.get_by_label("Gone after").fill("33")
    page.get_by_role("button", name="Work out the figures").click()
    assert page.get_by_text("is then silent for 33 days.").is_visible()
    page.goto("/data/features?q=login")
    page.get_by_role("link", name="Days with login in the last 30 days").click()
    page.get_by_role("link", name="Show the values of all customers").click()
    assert page.get_by_text("80 customers, as of").is_visible()
