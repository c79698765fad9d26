"""The pages that the rail leads to: one line for each, with the permission that it takes. A page that somebody may not open is not shown to them."""

from __future__ import annotations

from dataclasses import dataclass

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission


@dataclass(frozen=True)
class Destination:
    """A page of the rail: its key (what `here` says), its word, address and icon, and who may open it."""

    key: str
    word: str
    address: str
    icon: str
    permission: Permission


DESTINATIONS = (
    Destination("home", "Home", "/", "home", Permission.DASHBOARD_READ),
    Destination("today", "Today", "/today", "today", Permission.TASKS_READ),
    Destination("customers", "Customers", "/customers", "people", Permission.CUSTOMERS_READ),
    Destination("segments", "Segments", "/segments", "segments", Permission.CUSTOMERS_READ),
    Destination("revenue", "Revenue", "/revenue", "revenue", Permission.DASHBOARD_READ),
    Destination("health", "Health", "/health-scores", "health", Permission.DASHBOARD_READ),
    Destination("model", "Model", "/model", "model", Permission.MODEL_READ),
    Destination("data", "Data", "/data", "data", Permission.IMPORTS_READ),
    Destination("reports", "Reports", "/reports", "report", Permission.DASHBOARD_READ),
    Destination("jobs", "Jobs", "/jobs", "jobs", Permission.JOBS_READ),
    Destination("settings", "Settings", "/settings", "settings", Permission.TOKENS_OWN),
)


def destinations_for(person: Actor) -> tuple[Destination, ...]:
    """Return the pages that a person may open, in the order of the rail."""
    return tuple(item for item in DESTINATIONS if person.may(item.permission))
