"""The tabs of the pages about groups of customers."""

from __future__ import annotations

from flask import Blueprint

from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor

TABS = (
    ("segments", "Segments", "/segments", Permission.CUSTOMERS_READ),
    ("rfm", "RFM", "/segments/rfm", Permission.CUSTOMERS_READ),
    ("cohorts", "Cohorts", "/segments/cohorts", Permission.CUSTOMERS_READ),
    ("survival", "Survival", "/segments/survival", Permission.CUSTOMERS_READ),
)
"""Key, word, address, and what it takes to open each."""


def register(blueprint: Blueprint) -> None:
    """Let every template ask for the tabs; `segments/_tabs.html` draws them."""
    blueprint.add_app_template_global(tabs_of_segments)


def tabs_of_segments() -> list[tuple[str, str, str]]:
    """Return key, word and address of the pages that the signed-in person may open, in their order."""
    person = current_actor()
    return [(key, word, address) for key, word, address, needed in TABS if person is not None and person.may(needed)]
