"""Exactly whom a figure of the RFM page counts.

Keys:

    <name>                            who is in a named group
    r<1-5>f<1-5>                      a cell of the map; `r5` or `f5` alone is a row or a column
    all                               everybody with a score
    <from>><to>@<day>..<day>          who moved from one group to another between two days (2024-03, or now)

`<from>` may be `entered` (not there on the earlier day) and `<to>` `left`; `*` stands for any.
"""

from __future__ import annotations

import re

import numpy as np
from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput
from retainstream.services.analyses import runs
from retainstream.services.customers.cells import Cell
from retainstream.services.rfm import reading
from retainstream.services.rfm.making import KIND
from retainstream.services.rfm.values import PURCHASES

ALL, ANY, ENTERED, LEFT = "all", "*", "entered", "left"
_SCORES = re.compile(r"(?:r([1-5]))?(?:f([1-5]))?")
_MOVE = re.compile(r"([^>@]{1,24})>([^>@]{1,24})@([\w-]{3,7})\.\.([\w-]{3,7})")


def move_key(before: str, after: str, moves: reading.Moves) -> str:
    """Return the key of a cell of the table of moves."""
    return f"{before}>{after}@{moves.before.name}..{moves.after.name}"


def make(session: Session, key: str) -> Cell:
    """Return the customers of a figure; raises InvalidInput for a key that leads nowhere."""
    from retainstream.ml.rfm import NAMES

    moved = _MOVE.fullmatch(key)
    if moved:
        return _moved(session, key, *moved.groups())
    run = runs.in_force(session, KIND)
    scores = _SCORES.fullmatch(key)
    if run is None or not (key == ALL or key in NAMES or (key and scores)):
        raise _nothing(key)
    found = reading.rows(session, run.id)
    inside, title = np.ones(len(found.customer), np.bool_), "Everybody with an RFM score"
    if key in NAMES:
        inside, title = found.group == NAMES.index(key), f"RFM group {key}"
    elif scores and key != ALL:
        r, f = scores.groups()
        inside = (found.r == int(r) if r else inside) & (found.f == int(f) if f else True)
        bought = "buying" if run.inputs["meaning"] == PURCHASES else "activity"
        said = [f"recency {r} of 5"] if r else []
        said += [f"frequency of {bought} {f} of 5"] if f else []
        title = ", ".join(said).capitalize()
    return Cell(title, tuple(found.customer[inside].tolist()), found.as_of)


def _moved(session: Session, key: str, before: str, after: str, start: str, end: str) -> Cell:
    from retainstream.ml.rfm import NAMES

    moves = reading.migration(session, settings_in_use(), start, end)
    inside = np.ones(moves.table.population, np.bool_)
    for name, side, outside in ((before, moves.table.before, ENTERED), (after, moves.table.after, LEFT)):
        if name == ANY:
            continue
        if name != outside and name not in NAMES:
            raise _nothing(key)
        inside &= side == (len(NAMES) if name == outside else NAMES.index(name))
    words = {ANY: "any group", ENTERED: "not there yet", LEFT: "no longer there"}
    title = f"RFM: {words.get(before, before)} at the end of {start}, {words.get(after, after)} {_when(end)}"
    return Cell(title, tuple(moves.table.customer[inside].tolist()), moves.after.as_of)


def _when(day: str) -> str:
    return "now" if day == reading.NOW else f"at the end of {day}"


def _nothing(key: str) -> InvalidInput:
    return InvalidInput(
        f"There is no figure of RFM {key[:60]!r}.", fields={"cell": ["the address of a figure, as its link has it"]}
    )
