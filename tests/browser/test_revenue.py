"""Revenue in a real browser: a month is looked at, closed, and corrected by what comes late; the pages are sound while they are full."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.config import Settings
from tests import billed
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere, is_steady
from tests.work import run_job


def headed(page: Any, words: str) -> None:
    page.locator("h1", has_text=words).wait_for()


@pytest.mark.usefixtures("account")
def test_a_month_is_looked_at_closed_and_corrected(open_tab: OpenTab, served: Served) -> None:
    settings: Settings = served.app.config["RETAINSTREAM"]
    with served.app.app_context():
        billed.bill(settings)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/revenue")
    is_steady(page)
    headed(page, "April 2024")
    page.get_by_label("Month", exact=True).select_option("2024-03")
    page.get_by_role("button", name="Show").click()
    headed(page, "grew by €7 to €57 in March 2024")
    is_sound_everywhere(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator(".fall a", has_text="1 customer").first.click()
    headed(page, "1 customer")
    page.goto("/revenue/months")
    is_steady(page)
    page.get_by_text("Close April 2024…").click()
    is_sound_everywhere(page)
    page.get_by_role("button", name="Close April 2024").click()
    page.get_by_text("April 2024 is closed. What later data change").wait_for()
    with served.app.app_context():
        billed.state((("z", "basic", 300, 402, None, None),), batch=billed.load("subscriptions of last April.csv"))
        run_job(settings, "analyse")
    page.reload()
    headed(page, "One closed month was corrected by later data")
    page.get_by_text("1 subscription stated late: import subscriptions of last April.csv").wait_for()
    is_sound_everywhere(page)
