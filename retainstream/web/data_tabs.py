"""The tabs of the data pages: one for each page that exists and that the signed-in person may open."""

from __future__ import annotations

from flask import Blueprint, current_app

from retainstream.security.permissions import Permission
from retainstream.web.browser_session import current_actor

TABS = (
    ("imports", "Imports", "/data", "web_data.show"),
    ("feeds", "Feeds", "/data/feeds", "web_feeds.show"),
    ("findings", "Findings", "/data/findings", "web_findings.show"),
    ("definitions", "Churn definitions", "/data/definitions", "web_definitions.show"),
    ("features", "Features", "/data/features", "web_features.show"),
)
"""Key, word, address and view of each."""


def register(blueprint: Blueprint) -> None:
    """Let every template ask for the tabs; `data/_tabs.html` draws them."""
    blueprint.add_app_template_global(tabs_of_data)


def tabs_of_data() -> list[tuple[str, str, str]]:
    """Return key, word and address of the pages that the signed-in person may open, in their order."""
    person = current_actor()
    found = []
    for key, word, address, name in TABS:
        view = current_app.view_functions.get(name)
        guard = getattr(view, "guard", None)
        if view is None or person is None or (isinstance(guard, Permission) and not person.may(guard)):
            continue
        found.append((key, word, address))
    return found
