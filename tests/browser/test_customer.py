"""The page of one customer in a real browser: its journeys, with a script and without."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import Identity, LatestScore
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from tests.browser.conftest import Served, Tab
from tests.browser.people import add_account, sign_in

OpenTab = Callable[..., Tab]


@pytest.fixture
def settings(settings: Settings, scored_file: Path) -> Settings:
    """Settings of a box with 600 customers, scored by a real model."""
    shutil.copy(scored_file, settings.database_file)
    return settings


@pytest.fixture
def worst(served: Served) -> str:
    """An administrator, no hold-out, and the identifier of the customer with the highest score."""
    add_account(served.app, "admin")
    with served.app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
    with served.app.app_context(), read_unit() as session:
        query = select(Identity.user_id).join(LatestScore, LatestScore.customer_id == Identity.customer_id)
        found = session.scalar(query.order_by(LatestScore.margin.desc()).limit(1))
    assert found is not None
    return found


def test_what_if_edit_with_undo_act_and_tag(open_tab: OpenTab, served: Served, worst: str) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto(f"/customers/{worst}")
    page.locator("#what-if-feature").select_option("last_login_days")
    page.locator("#w-1").fill("0")
    page.keyboard.press("Tab")
    page.locator(".what-if__result").wait_for()
    expect(page).to_have_url(re.compile(re.escape("w.last_login_days=0") + "$"))
    page.reload()
    assert page.locator("#w-1").input_value() == "0"
    page.goto(f"/customer/edit/{worst}")
    before = page.locator("#plan").input_value()
    page.locator("#plan").fill("Gold")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("1 field changed.").wait_for()
    expect(page.get_by_text("Gold").first).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Taken back").wait_for()
    assert page.locator(".head__lead").inner_text().startswith(before)
    page.get_by_text("Note an act").click()
    page.get_by_role("button", name="Note it").click()
    page.get_by_text("Call noted").first.wait_for()
    page.locator("#tag").fill("vip")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the tag vip").click()
    page.locator(".tags__list").wait_for(state="detached")


def test_page_reads_and_what_if_works_without_javascript(open_tab: OpenTab, served: Served, worst: str) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto(f"/customers/{worst}")
    page.locator("#what-if-feature").select_option("last_login_days")
    page.get_by_role("button", name="Pick").click()
    page.locator("#w-1").fill("0")
    page.get_by_role("button", name="Try").click()
    expect(page.locator(".what-if__result")).to_be_visible()
