"""Exactly whom a figure of lifetime value counts.

Keys:

    all               everybody with a value
    top10             the tenth of customers who are worth most
    decile-<1-10>     a tenth of customers by value, 1 the least
    plan/<name>       those of a plan; without a name, those of none
    check-<1-10>      a tenth of the check: by what was expected of them before the period held out
"""

from __future__ import annotations

import re

import numpy as np
from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput
from retainstream.services.analyses import runs
from retainstream.services.customers.cells import Cell
from retainstream.services.lifetime import reading
from retainstream.services.lifetime.making import KIND

_TENTH = re.compile(r"(decile|check)-(10|[1-9])")


def make(session: Session, key: str) -> Cell:
    """Return the customers of a figure; raises InvalidInput for a key that leads nowhere."""
    run = runs.in_force(session, KIND)
    if run is None:
        raise _nothing(key)
    tenth = _TENTH.fullmatch(key)
    if tenth and tenth[1] == "check":
        held = reading.checked(session, settings_in_use(), run.id)
        if held is None:
            raise _nothing(key)
        title = f"Tenth {tenth[2]} of 10 by what was expected of them before the period held out"
        return Cell(title, tuple(np.sort(held[0][held[1] == int(tenth[2])]).tolist()), run.summary["check"]["from"])
    found = reading.rows(session, run.id)
    if key == "all":
        inside, title = np.ones(len(found.customer), np.bool_), "Customers with a lifetime value"
    elif key == "top10":
        inside, title = reading.top(found), "The tenth of customers worth most"
    elif tenth:
        inside, title = found.tenth == int(tenth[2]), f"Lifetime value: tenth {tenth[2]} of 10, 10 the highest"
    elif key == "plan/" or (key.removeprefix("plan/") in found.plans and key.startswith("plan/")):
        plan = key.removeprefix("plan/")
        inside = found.plan == (found.plans.index(plan) if plan else -1)
        title = f"With a lifetime value, plan {plan}" if plan else "With a lifetime value, no plan on record"
    else:
        raise _nothing(key)
    return Cell(title, tuple(found.customer[inside].tolist()), run.as_of)


def _nothing(key: str) -> InvalidInput:
    return InvalidInput(
        f"There is no figure of lifetime value {key[:60]!r}.",
        fields={"cell": ["the address of a figure, as its link has it"]},
    )
