"""The data pages about feeds, churn definitions and features in a real browser: the ways through them, with a script and without."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from tests.browser.conftest import OpenTab, Served
from tests.browser.filled import LONG, add_eventful
from tests.browser.people import sign_in


@pytest.fixture
def people(served: Served, account: None) -> None:
    """Eighty customers who log in every few days and stop at some time; a silent feed, and findings open and closed."""
    with served.app.app_context(), unit_of_work() as session:
        add_eventful(session)


@pytest.mark.usefixtures("people")
def test_a_definition_is_found_changed_weighed_and_made(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/data/definitions")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("heading", name="Proposed: silent for").wait_for()
    expect(page).to_have_url(re.compile(re.escape("/data/definitions/propose?")))
    page.get_by_role("row", name="30 days").get_by_role("link", name="Choose").click()
    page.get_by_role("heading", name="After 30 days of silence").wait_for()
    expect(page).to_have_url(re.compile(re.escape("inactive_days=30")))
    page.get_by_label("Gone after").fill("33")
    page.get_by_text("is then silent for 33 days.").wait_for()
    page.get_by_label("Gone after").fill("none")
    page.get_by_text("Gone after: a whole number of days from 1 to 730").wait_for()
    page.get_by_label("Gone after").fill("33")
    page.get_by_label("Name").fill("Gone quiet")
    page.get_by_role("button", name="Make it and put it in force").click()
    page.get_by_role("heading", name="“Gone quiet” is what counts as leaving.").wait_for()
    expect(page.get_by_role("button", name="Train")).to_be_visible()
    page.go_back()
    page.get_by_role("heading", name="Proposed: silent for").wait_for()


@pytest.mark.usefixtures("people")
def test_a_feature_is_searched_previewed_and_declared(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/data/features")
    page.get_by_label("Search", exact=True).fill("since log")
    page.get_by_text("1 to 1 of 1").wait_for()
    expect(page).to_have_url(re.compile(re.escape("q=since%20log")))
    page.get_by_role("link", name="Time since the last log-in").click()
    page.get_by_text("The middle half of the customers lies between").wait_for()
    page.goto("/data/features/new")
    page.get_by_label("Kind of event").select_option("login")
    page.get_by_label("What of them").select_option("active_days")
    page.get_by_label("Title").fill("Days with a log-in")
    page.get_by_label("Window").fill("14")
    page.get_by_label("Window").blur()
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    page.get_by_text("80 customers, data to").wait_for()
    page.get_by_role("button", name="Declare it").click()
    page.get_by_role("heading", name="Days with a log-in", level=1).wait_for()
    page.get_by_text("Withdraw “Days with a log-in”…").click()
    page.get_by_role("button", name="Yes, withdraw it").click()
    page.get_by_text("is withdrawn").wait_for()


@pytest.mark.usefixtures("people")
def test_a_finding_is_muted_and_the_mute_undone(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab("phone").page
    sign_in(page, served)
    page.goto("/data/findings")
    page.get_by_role("button", name="Mute").click()
    page.get_by_role("heading", name="All clear").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name=f"The feed “{LONG}” is silent").wait_for()
    link = page.get_by_role("link", name="The feed of")
    # Away from the message at the foot of the screen, as a person would scroll.
    link.evaluate("link => link.scrollIntoView({ block: 'center' })")
    link.click()
    page.get_by_role("heading", name=LONG, exact=True).wait_for()


@pytest.mark.usefixtures("people")
def test_everything_goes_without_javascript(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/data/feeds")
    page.get_by_text(f"Change {LONG}").click()
    page.get_by_label("May pause for").first.fill("9")
    page.get_by_label("Unit of the pause").first.select_option("days")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("may pause for 9 days")).to_be_visible()
    page.goto("/data/findings")
    expect(page.get_by_text("Nothing is known to be wrong with the data.")).to_be_visible()
    page.goto("/data/definitions")
    page.get_by_role("button", name="Propose").click()
    page.get_by_label("Gone after").fill("33")
    page.get_by_role("button", name="Work out the figures").click()
    expect(page.get_by_text("is then silent for 33 days.")).to_be_visible()
    page.goto("/data/features?q=login")
    page.get_by_role("link", name="Days with login in the last 30 days").click()
    page.get_by_role("link", name="Show the values of all customers").click()
    expect(page.get_by_text("80 customers, data to")).to_be_visible()
