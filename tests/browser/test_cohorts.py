"""Cohorts and survival in a real browser: sound at both sizes and in both themes, and a cell leads to its customers by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere
from tests.web.analysed import tell_past


@pytest.mark.usefixtures("account")
def test_cells_and_curves_lead_to_their_customers(open_tab: OpenTab, served: Served) -> None:
    tell_past(served.app)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/segments/cohorts")
    is_sound_everywhere(page)
    page.get_by_role("link", name="By week").click()
    page.wait_for_url("**/segments/cohorts?unit=week")
    page.get_by_role("link", name="Gone", exact=True).click()
    page.wait_for_url("**/segments/cohorts?unit=week&show=gone")
    is_sound_everywhere(page)
    cell = page.locator(".grid tbody .grid__cell a").first
    count = cell.inner_text().rsplit(" ", 1)[-1]
    cell.focus()
    page.keyboard.press("Enter")
    page.locator("h1", has_text=f"{count} customer").wait_for()
    page.goto("/segments/survival")
    page.get_by_label("Tell customers apart by").select_option("plan")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/segments/survival?by=plan")
    page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    is_sound_everywhere(page)
