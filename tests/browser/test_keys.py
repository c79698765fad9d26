"""The keys of the pages: the question mark lists them, Escape closes, focus comes back; rows are walked, ticked and opened without a pointer."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_in_both_themes
from tests.web.stocked import stock

FOCUSED = "() => document.activeElement.className"


@pytest.mark.usefixtures("account")
def test_question_mark_lists_the_keys_and_escape_gives_the_focus_back(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(20)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/")
    page.locator(".rail__link").first.focus()
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keys")
    shown.wait_for()
    expect(shown.get_by_text("Search customers")).to_be_visible()
    assert page.evaluate("() => document.activeElement.closest('dialog') !== null")
    is_sound_in_both_themes(page, "#keys")
    page.keyboard.press("/")
    expect(shown, "what lies beneath does not listen").to_be_visible()
    page.keyboard.press("Escape")
    shown.wait_for(state="hidden")
    assert page.evaluate(FOCUSED) == "rail__link"
    for _ in range(2):
        page.keyboard.press("?")
        page.keyboard.press("Enter")
        shown.wait_for(state="hidden")
    page.locator("#search").focus()
    page.keyboard.press("?")
    expect(shown, "whoever types wants the character").to_be_hidden()
    assert page.locator("#search").input_value() == "?"


@pytest.mark.usefixtures("account")
def test_single_keys_can_be_turned_off_for_good(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/")
    page.keyboard.press("?")
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("() => document.activeElement.id") != "search"
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-q")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator(".account__mark").click()
    page.get_by_role("link", name="Keys").click()
    page.get_by_label("Single keys work").check()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()


@pytest.mark.usefixtures("account")
def test_rows_are_walked_ticked_and_opened(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(20)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/customers")
    page.keyboard.press("x")
    for key in ("j", "j", "x", "j", "x"):
        page.keyboard.press(key)
    page.get_by_text("2 ticked").wait_for()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("x")
    page.get_by_text("1 ticked").wait_for()
    page.keyboard.press("k")
    wanted = page.evaluate("() => document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{wanted}")


@pytest.mark.usefixtures("account")
def test_the_keys_are_a_page_without_a_script(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/")
    page.locator(".account__mark").click()
    page.get_by_role("link", name="Keys").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Keys"
    expect(page.get_by_text("Next and previous row")).to_be_visible()
    expect(page.get_by_label("Single keys work")).to_be_hidden()
