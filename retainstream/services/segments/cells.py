"""The customers behind a segment's figures: `segment:7` its members now, `segment:7@entered:<look>` and `segment:7@left:<look>` who moved at a look.

`segment:7@present:<instant>` are those who were in it then. Instants are microseconds UTC.
"""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.services.customers.cells import Cell
from retainstream.services.segments import matching, membership, saved
from retainstream.services.segments.columns import Population

_KEY = re.compile(r"(\d{1,18})(?:@(entered|left|present):(\d{1,18}))?")
_WORDS = {"entered": "entered", "left": "left", "present": "members on"}


def make(session: Session, key: str) -> Cell:
    """Return the cell of a key; raises InvalidInput for one that leads nowhere, or whose rule cannot be told at present."""
    match = _KEY.fullmatch(key)
    try:
        if match is None:
            raise NotFound("There is no such figure of a segment.")
        segment = saved.read(session, int(match[1]))
        if match[2] is None:
            population = Population(session)
            ids = matching.ids(population, segment.node)
            return Cell(segment.name, tuple(ids.tolist()), population.moment)
        moment = int(match[3])
        try:
            day = str(clock.iso(moment))[:10]
        except OverflowError:
            raise NotFound("No segment was looked at then.") from None
        found = membership.moved(session, segment.id, match[2], moment)
        return Cell(f"{segment.name}: {_WORDS[match[2]]} {day}", found, moment)
    except (NotFound, NotReady) as nothing:
        raise InvalidInput(nothing.message, fields={"cell": ["the address of a segment's figure"]}) from nothing
