"""Exactly whom a figure of the survival page counts.

Keys, their parts between slashes, texts percent-encoded:

    all/<by>/<group>                  everybody of a group
    left/<by>/<group>/<from>/<to>     who left after <from> months and until <to>, from the very start where <from> is 0
    risk/<by>/<group>/<months>        who was at risk just before <months>
    without/<by>                      who has no value, and so is in no group
    unknown                           who is left out, because nobody knows since when they had been customers

`<by>` and `<group>` are those of the curves; `-` stands for everybody together.
"""

from __future__ import annotations

import math

import numpy as np
from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput
from retainstream.services.customers.cells import Cell
from retainstream.services.survival import curves, grouping, lives
from retainstream.services.survival.grouping import Choice
from retainstream.services.survival.lives import Lives

EVERYBODY = "-"


def key_of(*parts: object) -> str:
    """Return a key, or a part of one, from parts that are encoded already."""
    return "/".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)


def by_token(choice: Choice) -> str:
    """Return how keys name what customers are told apart by."""
    return EVERYBODY if choice.key == grouping.ALL else grouping.token(choice.key)


def make(session: Session, key: str) -> Cell:
    """Return the customers of a figure; raises InvalidInput for a key that leads nowhere."""
    kind, *parts = key.split("/")
    settings = settings_in_use()
    if kind == "unknown" and not parts:
        everybody = lives.read(session, settings)
        return _cell("Customers since nobody knows when", everybody, everybody.unknown)
    if kind not in ("all", "left", "risk", "without") or not parts:
        raise _nothing(key)
    choice = next((one for one in grouping.choices(session) if by_token(one) == parts[0]), None)
    if choice is None:
        raise _nothing(key)
    everybody, groups = curves.grouped(session, settings, choice)
    if kind == "without" and len(parts) == 1:
        return _cell(f"{choice.title}: not on record", everybody, everybody.customer[groups.place < 0])
    place = next(
        (at for at, label in enumerate(groups.labels) if parts[1:] and grouping.token(label) == parts[1]), None
    )
    if place is None:
        raise _nothing(key)
    inside = groups.place == place
    words = groups.labels[place] if choice.key == grouping.ALL else f"{choice.title} {groups.labels[place]}"
    rows, what = _figure(everybody, kind, parts[2:], key)
    return _cell(f"{words}{what}", everybody, everybody.customer[inside & rows])


def _figure(everybody: Lives, kind: str, parts: list[str], key: str) -> tuple[np.ndarray, str]:
    """Return which rows a figure counts, whatever their group, and what it says of them."""
    numbers = [_number(part, key) for part in parts]
    if kind == "all" and not numbers:
        return np.ones(len(everybody), bool), ""
    if kind == "risk" and len(numbers) == 1:
        at = numbers[0]
        seen = (everybody.entry < at) | (everybody.entry <= 0)
        return seen & (everybody.months >= at), f", at risk at {at:g} months"
    if kind == "left" and len(numbers) == 2 and numbers[0] < numbers[1]:
        since, until = numbers
        after = everybody.months > since if since > 0 else np.ones(len(everybody), bool)
        between = f"by month {until:g}" if not since else f"after month {since:g}"
        between += f" and until {until:g}" if since and math.isfinite(until) else ""
        return everybody.left & after & (everybody.months <= until), f", left {between}"
    raise _nothing(key)


def _number(text: str, key: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _nothing(key) from None
    if math.isnan(number) or number < 0:
        raise _nothing(key)
    return number


def _cell(title: str, everybody: Lives, ids: np.ndarray) -> Cell:
    return Cell(title, tuple(ids.tolist()), everybody.as_of)


def _nothing(key: str) -> InvalidInput:
    return InvalidInput(
        f"There is no figure of survival {key[:60]!r}.",
        fields={"cell": ["the address of a figure, as its link has it"]},
    )
