"""Find anything, by the keyboard alone: Ctrl-K, words, arrows, Enter, Escape; what was focused has the focus again. Without a script it is a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SIZES, OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_in_both_themes
from tests.web.stocked import stock

FOCUSED = "() => document.activeElement.className || document.activeElement.id"
CHOSEN = "#palette-list .hit[aria-selected=true]"


@pytest.fixture
def page(open_tab: OpenTab, served: Served, account: None) -> Any:
    with served.app.app_context():
        stock(30)
    found: Any = open_tab().page
    sign_in(found, served)
    found.goto("/model/versions")
    return found


def ask(page: Any, words: str) -> Any:
    page.keyboard.press("Control+k")
    page.locator("#palette").wait_for()
    page.keyboard.type(words)
    return page.locator(CHOSEN)


def test_a_customer_is_found_chosen_and_opened_by_keys(page: Any) -> None:
    chosen = ask(page, "cus_0001")
    chosen.filter(has_text="cus_00010").wait_for()
    field = page.get_by_role("combobox")
    assert field.get_attribute("aria-expanded") == "true"
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("ArrowDown")
    assert "cus_00011" in chosen.inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert "All customers" in chosen.inner_text(), "it goes around"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers/cus_00010")


def test_escape_and_ctrl_k_close_it_and_give_the_focus_back(page: Any) -> None:
    page.locator(".rail__link").nth(2).focus()
    for key in ("Escape", "Control+k"):
        ask(page, "")
        page.locator("#palette-list .hit", has_text="Train now").wait_for()
        expect(page.locator(CHOSEN), "nothing is done by an Enter that nobody aimed").to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.locator("#palette")).to_be_visible()
        page.keyboard.press(key)
        page.locator("#palette").wait_for(state="hidden")
        assert page.evaluate(FOCUSED) == "rail__link"
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()


def test_an_enter_waits_for_the_answer_to_what_was_typed(page: Any) -> None:
    ask(page, "surv").filter(has_text="Survival").wait_for()
    page.locator("#palette-q").fill("")
    page.keyboard.type("jobs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs")


def test_acts_are_done(page: Any) -> None:
    ask(page, "light").filter(has_text="Light theme").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-theme=light]")
    expect(page).to_have_url(re.compile(re.escape("/model/versions") + "$"))
    ask(page, "train now").filter(has_text="Train now").wait_for()
    page.keyboard.press("Enter")
    page.locator(".toast").wait_for()


def test_nothing_found_is_said(page: Any) -> None:
    ask(page, "zzzz")
    page.get_by_text("Nothing here is called “zzzz”").wait_for()
    expect(page.locator("#palette-said")).to_have_text("Nothing found")
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_visible()
    is_sound_in_both_themes(page, "#palette")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("size", SIZES)
def test_the_palette_is_sound_and_opened_by_a_finger(open_tab: OpenTab, served: Served, size: str) -> None:
    with served.app.app_context():
        stock(30)
    page: Any = open_tab(size).page
    sign_in(page, served)
    page.goto("/")
    page.locator("#find").click()
    page.locator("#palette-q").type("mo")
    page.locator(CHOSEN).wait_for()
    is_sound_in_both_themes(page, "#palette")
    page.locator("#palette .hit", has_text="Model versions").click()
    page.wait_for_url("**/model/versions")


@pytest.mark.usefixtures("account")
def test_without_a_script_it_is_a_page(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(30)
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/")
    page.locator("#find").click()
    page.wait_for_url("**/search")
    page.locator("#q").fill("cus_00003")
    page.locator("#q").press("Enter")
    page.locator("main .hit", has_text="cus_00003").click()
    page.wait_for_url("**/customers/cus_00003")
