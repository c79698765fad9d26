"""The list of customers in a real browser: people are found, tagged and kept without a reload."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.models import Customer
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences, revisions
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere
from tests.web.stocked import stock


def fill(served: Served) -> None:
    with served.app.app_context():
        stock(200)
        with unit_of_work() as session:
            session.get_one(Customer, 1).tags = ["vip"]
            revisions.bump(session, "customers")


def heading(page: Any) -> str:
    return str(page.get_by_role("heading", level=1).inner_text())


@pytest.mark.usefixtures("account")
def test_typing_finds_and_the_address_stays_true(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/customers")
    page.keyboard.press("/")
    page.keyboard.type("Name 11", delay=20)
    page.locator("h1", has_text="9 customers").wait_for()
    page.wait_for_url("**/customers?q=Name+11")
    expect(page.locator("#q")).to_be_focused()
    page.locator("#sort-revenue").click()
    page.wait_for_url("**/customers?q=Name+11&sort=-revenue")
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Revenue")
    page.locator(".tools summary", has_text="Filter").click()
    page.get_by_label("Low", exact=True).check()
    page.get_by_role("button", name="Show").first.click()
    page.wait_for_url("**/customers?q=Name+11&band=low&sort=-revenue")
    low = heading(page)
    page.go_back()
    page.locator("h1", has_text="9 customers").wait_for()
    page.go_forward()
    page.locator("h1", has_text=low).wait_for()
    page.get_by_role("link", name="Low risk").click()
    page.locator("h1", has_text="9 customers").wait_for()
    page.locator("#main").focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("() => document.activeElement.classList.contains('who__id')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers/cus_**")


@pytest.mark.usefixtures("account")
def test_many_are_tagged_and_a_list_is_kept(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/customers?plan=Basic")
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_label("Tick all on this page").check()
    page.get_by_text("40 ticked").wait_for()
    is_sound_everywhere(page)
    page.get_by_label("Tag", exact=True).fill("call back")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("Tagged 40 customers “call back”.").wait_for()
    page.goto("/customers?tag=call back")
    assert heading(page) == "40 customers"
    page.locator(".tools summary", has_text="Views").click()
    page.get_by_label("Keep this list as").fill("To call")
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Kept as “To call”.").wait_for()
    page.goto("/customers")
    page.locator(".tools summary", has_text="Views").click()
    page.get_by_role("link", name="To call").click()
    page.wait_for_url("**/customers?tag=call+back")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.startswith("customers-")


@pytest.mark.usefixtures("account")
def test_without_javascript_the_list_filters_pages_and_tags(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/customers")
    page.get_by_role("link", name="Next").click()
    page.get_by_text("51–100 of 160").wait_for()
    page.locator("#q").fill("Name 11")
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers?q=Name+11")
    page.locator("#tick-1").check()
    page.get_by_label("Tag", exact=True).fill("seen")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("Tagged 1 customer “seen”.").wait_for()


@pytest.mark.usefixtures("account")
def test_who_is_ticked_is_handed_out_and_stands_on_today(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    with served.app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/customers?band=very_high")
    users = [page.locator(f"#tick-{number}").get_attribute("value") for number in (1, 2)]
    for number in (1, 2):
        page.locator(f"#tick-{number}").check()
    page.get_by_text("2 ticked").wait_for()
    page.get_by_role("button", name="Give").click()  # needs no tag to be typed
    page.get_by_text("2 customers given to you.").wait_for()
    page.goto("/today?whose=mine")
    for user_id in users:
        page.locator(f".row[data-user='{user_id}']").wait_for()
