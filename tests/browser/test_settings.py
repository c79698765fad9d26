"""The settings in a real browser: sound in both themes at both sizes; a token made and copied; a session ended from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest

from retainstream.db import unit_of_work
from retainstream.models import User
from tests.browser.conftest import Served
from tests.browser.test_pages import OpenTab, account, is_sound, sign_in

__all__ = ["account"]


@pytest.fixture
def administrator(account: None, served: Served) -> None:
    """The account of the browser tests, as administrator."""
    with served.app.app_context(), unit_of_work() as session:
        session.query(User).one().role = "admin"


@pytest.mark.usefixtures("administrator")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_settings_are_sound_in_both_themes(open_tab: OpenTab, served: Served, size: str) -> None:
    tab = open_tab(size)
    page: Any = tab.page
    sign_in(page)
    for theme in ("dark", "light"):
        page.context.add_cookies([{"name": "theme", "value": theme, "url": served.address}])
        for name in ("", "/tokens", "/people", "/people/1", "/preferences", "/audit", "/audit?action=nothing"):
            page.goto(f"/settings{name}")
            assert page.locator("html").get_attribute("data-theme") == theme
            is_sound(page)
        page.goto("/settings/tokens")
        page.get_by_role("textbox", name="Name").fill(f"night export {theme}")
        page.get_by_role("button", name="Make the token").click()
        page.get_by_text("Copy it now").wait_for()
        is_sound(page)
        page.get_by_text("Revoke …").first.click()
        is_sound(page)
        page.goto("/settings/people")
        page.get_by_label("E-mail").fill(f"{theme}@example.com")
        page.get_by_role("button", name="Make an invitation").click()
        page.get_by_text(f"Send this link to {theme}@example.com").wait_for()
        is_sound(page)
        page.goto("/nothing-is-here")
        is_sound(page)
        # The browser itself logs the 404 that was asked for here.
        tab.complaints[:] = [text for text in tab.complaints if "404" not in text]


@pytest.mark.usefixtures("administrator")
def test_token_is_copied_and_its_example_fits(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab(permissions=["clipboard-read", "clipboard-write"]).page
    sign_in(page)
    page.goto("/settings/tokens")
    page.get_by_role("textbox", name="Name").fill("mine")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    token = page.evaluate("() => navigator.clipboard.readText()")
    assert token.startswith("rs_")
    call = page.locator("#call").inner_text()
    assert token in call
    address = re.search(r"'(http[^']+)'", call)
    assert address
    assert address[1].startswith(served.address)
    path = address[1].removeprefix(served.address)
    assert served.app.test_client().get(path, headers={"X-API-Key": token}).status_code == 200


@pytest.mark.usefixtures("administrator")
def test_session_that_was_ended_leads_to_sign_in_with_a_sentence(open_tab: OpenTab) -> None:
    first: Any = open_tab().page
    second: Any = open_tab("phone").page
    sign_in(first)
    sign_in(second)
    first.goto("/settings")
    first.get_by_role("button", name="End all others").click()
    first.get_by_text("1 session has ended.").wait_for()
    second.goto("/jobs")
    assert "/sign-in" in second.url
    assert second.get_by_text("Your session has ended").is_visible()
    is_sound(second)
    second.get_by_label("E-mail").fill("ana@example.com")
    second.get_by_label("Password").fill("correct horse 42")
    second.get_by_role("button", name="Sign in").click()
    second.wait_for_url("**/jobs")
