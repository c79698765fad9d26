"""The tabs of the pages about revenue."""

from __future__ import annotations

from flask import Blueprint

from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor

TABS = (
    ("revenue", "Revenue", "/revenue", Permission.DASHBOARD_READ),
    ("months", "Months", "/revenue/months", Permission.DASHBOARD_READ),
    ("lifetime", "Lifetime value", "/revenue/lifetime", Permission.CUSTOMERS_READ),
)
"""Key, word, address, and what it takes to open each."""


def register(blueprint: Blueprint) -> None:
    """Let every template ask for the tabs; `revenue/_tabs.html` draws them."""
    blueprint.add_app_template_global(tabs_of_revenue)


def tabs_of_revenue() -> list[tuple[str, str, str]]:
    """Return key, word and address of the pages that the signed-in person may open, in their order."""
    person = current_actor()
    return [(key, word, address) for key, word, address, needed in TABS if person is not None and person.may(needed)]
