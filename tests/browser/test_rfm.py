"""RFM and lifetime value in a real browser: sound at both sizes and in both themes, and their figures lead to customers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere
from tests.shop import open_shop

_UNFOLD = "() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


@pytest.mark.usefixtures("account")
def test_groups_moves_and_values_lead_to_their_customers(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        open_shop(served.app.config["RETAINSTREAM"], 300)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/segments/rfm")
    is_sound_everywhere(page)
    days = page.get_by_label("From").locator("option").evaluate_all("each => each.map((one) => one.value)")
    page.get_by_label("From").select_option(days[3])
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(f"**/segments/rfm?from={days[3]}&to=now")
    moved = page.locator(".rfm-moves tfoot a").first
    count = moved.inner_text()
    moved.focus()
    page.keyboard.press("Enter")
    page.locator("h1", has_text=f"{count} customer").wait_for()
    page.goto("/revenue/lifetime")
    page.evaluate(_UNFOLD)
    is_sound_everywhere(page)
    page.locator(".worth--people a").first.click()
    page.get_by_role("heading", name="Worth and habits").wait_for()
    is_sound_everywhere(page)
