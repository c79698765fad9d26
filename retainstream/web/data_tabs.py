"""The tabs of the data pages: one for each page that the signed-in person may open."""

from __future__ import annotations

from flask import Blueprint

from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor

TABS = (
    ("imports", "Imports", "/data", Permission.IMPORTS_READ),
    ("feeds", "Feeds", "/data/feeds", Permission.EVENTS_READ),
    ("findings", "Findings", "/data/findings", Permission.EVENTS_READ),
    ("definitions", "Churn definitions", "/data/definitions", Permission.MODEL_READ),
    ("features", "Features", "/data/features", Permission.MODEL_READ),
)
"""Key, word, address, and what it takes to open each."""


def register(blueprint: Blueprint) -> None:
    """Let every template ask for the tabs; `data/_tabs.html` draws them."""
    blueprint.add_app_template_global(tabs_of_data)


def tabs_of_data() -> list[tuple[str, str, str]]:
    """Return key, word and address of the pages that the signed-in person may open, in their order."""
    person = current_actor()
    return [(key, word, address) for key, word, address, needed in TABS if person is not None and person.may(needed)]
