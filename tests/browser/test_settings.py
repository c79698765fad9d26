"""The settings in a real browser: what is shown once; a token made and copied; a session ended from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.models import User
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound, is_sound_everywhere


@pytest.fixture
def administrator(account: None, served: Served) -> None:
    """The account of the browser tests, as administrator."""
    with served.app.app_context(), unit_of_work() as session:
        session.query(User).one().role = "admin"


@pytest.mark.usefixtures("administrator")
def test_what_is_shown_once_is_sound(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/settings/tokens")
    page.get_by_role("textbox", name="Name").fill("night export")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_text("Copy it now").wait_for()
    is_sound_everywhere(page)
    page.goto("/settings/people")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_role("button", name="Make an invitation").click()
    page.get_by_text("Send this link to new@example.com").wait_for()
    is_sound_everywhere(page)


@pytest.mark.usefixtures("administrator")
def test_token_is_copied_and_its_example_fits(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab(permissions=["clipboard-read", "clipboard-write"]).page
    sign_in(page, served)
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
def test_session_that_was_ended_leads_to_sign_in_with_a_sentence(open_tab: OpenTab, served: Served) -> None:
    first: Any = open_tab().page
    second: Any = open_tab("phone").page
    sign_in(first, served)
    sign_in(second, served)
    first.goto("/settings")
    first.get_by_role("button", name="End all others").click()
    first.get_by_text("1 session has ended.").wait_for()
    second.goto("/jobs")
    assert "/sign-in" in second.url
    expect(second.get_by_text("Your session has ended")).to_be_visible()
    is_sound(second)
    second.get_by_label("E-mail").fill("ana@example.com")
    second.get_by_label("Password").fill("correct horse 42")
    second.get_by_role("button", name="Sign in").click()
    second.wait_for_url("**/jobs")
