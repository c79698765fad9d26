"""Segments in a real browser: a rule is built with the keyboard alone and answers while it is typed, and it is built without any script."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import SegmentSize
from retainstream.security.actor import SYSTEM
from retainstream.services.segments import saved
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere, settle
from tests.web.stocked import stock

RULE = {
    "all": [
        {"field": "plan", "op": "in", "value": ["Basic", "Premium"]},
        {"not": {"any": [{"field": "churned", "op": "is", "value": True}, {"field": "tenure_months", "op": "lt", "value": 3}]}},
    ]
}  # fmt: skip


def fill(served: Served) -> int:
    """Write 200 customers and a segment that was looked at on three days."""
    with served.app.app_context():
        stock(200)
        with unit_of_work() as session:
            one = saved.create(session, SYSTEM, {"name": "Here to stay", "rule": RULE}, time_zone="UTC").id
            session.flush()
            for days, n in ((3, 60), (2, 66), (1, 71)):
                looked = clock.now_us() - days * clock.DAY_US
                session.add(SegmentSize(segment_id=one, as_of=looked, revision=1, n=n, entered=6, left=0))
    return one


def focuses(page: Any, one: str) -> None:
    page.wait_for_function("one => document.activeElement.id === one", arg=one)


def means(page: Any, words: str) -> None:
    page.locator("#look .look__n", has_text=words).wait_for()


@pytest.mark.usefixtures("account")
def test_a_rule_is_built_with_the_keyboard_and_answers_as_it_is_typed(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/segments/new")
    page.locator("#r-add").focus()
    page.keyboard.type("Monthly")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#r-0-op").wait_for()
    focuses(page, "r-0-op")
    page.keyboard.press("Tab")
    page.keyboard.type("19.99", delay=15)
    means(page, "100 customers")
    focuses(page, "r-0-value")
    # Enter looks again and keeps nothing.
    page.keyboard.press("Enter")
    settle(page)
    expect(page).to_have_url(re.compile(re.escape("/segments/new") + "$"))
    page.locator("#r-0-op").focus()
    for chosen in ("gt", "le", "lt", "between"):
        page.keyboard.press("ArrowDown")
        page.locator(f"#r-0-op:has(option[value={chosen}][selected])").wait_for()
        settle(page)
    focuses(page, "r-0-op")
    page.locator("#r-0-to").fill("19.99")
    means(page, "50 customers")
    page.locator("button[value='group:r']").focus()
    page.keyboard.press("Space")
    page.locator("#r-1-add").wait_for()
    focuses(page, "r-1-add")
    page.keyboard.type("Plan")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    focuses(page, "r-1-0-op")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#r-1-0-c1")).to_be_checked()
    settle(page)
    is_sound_everywhere(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("#name").fill("From the keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/segments/2")
    assert page.get_by_role("heading", level=1).inner_text() == "From the keyboard"


@pytest.mark.usefixtures("account")
def test_a_rule_is_built_without_a_script(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/segments/new")
    page.locator("#r-add").select_option("plan")
    page.locator("button[value='add:r']").click()
    page.get_by_label("Basic").check()
    page.locator("#r-add").select_option("tenure_months")
    page.locator("button[value='add:r']").click()
    means(page, "50 customers")
    page.locator("#r-1-op").select_option("between")
    page.locator("#r-1-value").fill("0")
    page.get_by_role("button", name="Look again").click()
    page.locator("#r-1-to").fill("12")
    page.get_by_role("button", name="Remove the condition about Plan").click()
    assert page.locator("#r-0-to").input_value() == "12"
    before = page.locator(".look__n").inner_text()
    page.locator("#name").fill("New ones")
    page.get_by_role("button", name="Keep the segment").click()
    page.wait_for_url("**/segments/2")
    page.get_by_role("link", name="Members").click()
    assert page.get_by_role("heading", level=1).inner_text() == before


@pytest.mark.usefixtures("account")
def test_the_pages_are_sound(open_tab: OpenTab, served: Served) -> None:
    one = fill(served)
    page: Any = open_tab().page
    sign_in(page, served)
    for address in ("/segments", f"/segments/{one}", f"/segments/{one}/edit"):
        page.goto(address)
        settle(page)
        is_sound_everywhere(page)
    page.goto("/customers")
    page.locator(".tools summary", has_text="Filter").click()
    page.get_by_label("Here to stay").check()
    page.get_by_role("button", name="Show").first.click()
    page.wait_for_url(f"**/customers?cell=segment*{one}")
