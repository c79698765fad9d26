"""The pages that the rail leads to: one line for each, with the permission that it takes. A page that somebody may not open is not shown to them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission


@dataclass(frozen=True)
class Destination:
    """A page of the rail: its key (what `here` says), its word, address, icon and view, and who may open it."""

    key: str
    word: str
    address: str
    icon: str
    view: str
    permission: Permission


DESTINATIONS = (
    Destination("home", "Home", "/", "home", "web_home.show", Permission.DASHBOARD_READ),
    Destination("customers", "Customers", "/customers", "people", "web_customers.show", Permission.CUSTOMERS_READ),
    Destination("model", "Model", "/model", "model", "web_model.show", Permission.MODEL_READ),
    Destination("data", "Data", "/data", "data", "web_data.show", Permission.IMPORTS_READ),
    Destination("jobs", "Jobs", "/jobs", "jobs", "web_jobs.show", Permission.JOBS_READ),
    Destination("settings", "Settings", "/settings", "settings", "web_settings.show", Permission.TOKENS_OWN),
)


def destinations_for(person: Actor, views: Container[str]) -> tuple[Destination, ...]:
    """Return the pages among `views` that a person may open, in the order of the rail."""
    return tuple(item for item in DESTINATIONS if item.view in views and person.may(item.permission))
