"""On a phone the tab of the page is in sight before anything is touched, and no long word widens the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retainstream.config import Settings
from retainstream.services.access import setup

IN_SIGHT = """() => {
    const box = document.querySelector('.tab[aria-current]').getBoundingClientRect();
    return box.left >= 0 && box.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth;
}"""


@pytest.fixture
def phone(settings: Settings, open_tab: Callable[..., Any]) -> Any:
    """A phone on which the first administrator has just set the box up."""
    page = open_tab("phone").page
    page.goto("/set-up")
    page.get_by_label("Set-up code").fill(setup.setup_code(settings))
    page.get_by_label("E-mail").fill("ana@example.com")
    page.get_by_label("Your name").fill("Ana")
    page.get_by_label("Password").fill("correct horse 42")
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("link", name="Start empty").wait_for()
    return page


def test_the_present_tab_is_in_sight(phone: Any) -> None:
    tabs = ("/settings/audit", "/settings/preferences", "/data/features", "/data/definitions", "/model/replay")
    for address in tabs:
        phone.goto(address)
        assert phone.evaluate(IN_SIGHT), address


def test_a_long_address_stays_inside_the_page(phone: Any) -> None:
    phone.goto("/settings/people")
    phone.get_by_label("E-mail").fill("a.very.long.address.of.somebody.else@department.example.org")
    phone.get_by_role("button", name="Make an invitation").click()
    phone.get_by_text("It is not shown again").wait_for()
    assert phone.evaluate(IN_SIGHT)
