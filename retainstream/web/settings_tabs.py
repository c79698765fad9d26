"""The tabs of the settings: those that the signed-in person may open."""

from __future__ import annotations

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission

_TABS = (
    ("account", "Your account", "/settings", Permission.TOKENS_OWN),
    ("tokens", "API tokens", "/settings/tokens", Permission.TOKENS_OWN),
    ("people", "People", "/settings/people", Permission.USERS_MANAGE),
    ("preferences", "Preferences", "/settings/preferences", Permission.SETTINGS_WRITE),
    ("audit", "Audit trail", "/settings/audit", Permission.AUDIT_READ),
)


def tabs_for(person: Actor) -> list[tuple[str, str, str]]:
    """Return key, word and address of each tab."""
    return [(key, word, address) for key, word, address, permission in _TABS if person.may(permission)]
