"""What can be reported: one line for each, with the permission that its readers need and the function that makes it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from retainstream.errors import InvalidInput
from retainstream.security.permissions import Permission
from retainstream.services.reports.documents import Asking, Document


@dataclass(frozen=True)
class Subject:
    """A subject: its key, its title, who may read it, its function as `module:function`, whether it is a list with a query, and its page."""

    key: str
    title: str
    permission: Permission
    function: str
    listed: bool = False
    address: str = ""


_HERE = "retainstream.services.reports"
SUBJECTS = {
    subject.key: subject
    for subject in (
        Subject(
            "customers", "A list of customers", Permission.CUSTOMERS_EXPORT, f"{_HERE}.lists:make", True, "/customers"
        ),
        Subject("home", "Overview", Permission.DASHBOARD_READ, f"{_HERE}.overview:home", address="/"),
        Subject("model", "Model in service", Permission.MODEL_READ, f"{_HERE}.overview:model", address="/model"),
        Subject(
            "revenue", "Revenue by month", Permission.DASHBOARD_READ, f"{_HERE}.insight:revenue", address="/revenue"
        ),
        Subject(
            "lifetime",
            "Lifetime value",
            Permission.DASHBOARD_READ,
            f"{_HERE}.groups:lifetime",
            address="/revenue/lifetime",
        ),
        Subject(
            "cohorts", "Cohorts", Permission.CUSTOMERS_READ, f"{_HERE}.insight:cohorts", address="/segments/cohorts"
        ),
        Subject(
            "survival", "Survival", Permission.CUSTOMERS_READ, f"{_HERE}.groups:survival", address="/segments/survival"
        ),
        Subject("rfm", "RFM groups", Permission.CUSTOMERS_READ, f"{_HERE}.groups:rfm", address="/segments/rfm"),
        Subject(
            "health", "Health scores", Permission.DASHBOARD_READ, f"{_HERE}.health:health", address="/health-scores"
        ),
    )
}


def known(key: str) -> Subject:
    """Return a subject; raises InvalidInput for a word that is none."""
    found = SUBJECTS.get(key)
    if found is None:
        raise InvalidInput(
            f"Nothing called {key[:40]!r} can be reported.", fields={"subject": [f"one of {', '.join(SUBJECTS)}"]}
        )
    return found


def make(subject: Subject, asking: Asking) -> Document:
    """Return what a subject says now. Raises NotReady while there is nothing to say, Forbidden where the owner may not see it."""
    asking.owner.require(subject.permission)
    module, _, function = subject.function.partition(":")
    return cast("Callable[[Asking], Document]", getattr(importlib.import_module(module), function))(asking)
