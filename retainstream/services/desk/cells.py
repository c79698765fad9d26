"""The customers behind the counts of Today that are no tasks: `desk:beyond`, `desk:resting` and `desk:proposed`.

The hold-out has no list, by design: whom a list shows, somebody reaches.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput
from retainstream.services.customers.cells import Cell
from retainstream.services.desk import standing

_TITLES = {
    "beyond": "Worth reaching, beyond today’s capacity",
    "resting": "Worth reaching, resting after an act",
    "proposed": "Worth reaching, not taken",
}


def make(session: Session, key: str) -> Cell:
    """Return the cell of a key; raises InvalidInput for one that leads nowhere."""
    if key not in _TITLES:
        raise InvalidInput(
            f"There is no figure of the desk {key[:40]!r}.", fields={"cell": [f"one of {', '.join(_TITLES)}"]}
        )
    desk = standing.read(session, settings_in_use())
    places = {"beyond": desk.beyond, "resting": desk.resting, "proposed": desk.candidates}[key]
    return Cell(_TITLES[key], tuple(desk.ranking.ids[places].tolist()))
