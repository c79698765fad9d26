"""Exactly whom a figure of health counts.

Keys:

    all, unknown                 everybody with a row; those of whom no part is known
    band.<name>                  a band, `critical` to `good`
    falling                      those who lost ten points or more
    part-<key>.low, .missing     a part with few points, or that is not known; the key percent-encoded
    scheme.<id>                  those whose score is by a scheme
    business.<which>             `before`, `lost`, `now`, `active` or `ten`: figures of the health of the business
"""

from __future__ import annotations

from urllib.parse import quote, unquote

import numpy as np
from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.services.customers.cells import Cell
from retainstream.services.health import business, reading, schemes
from retainstream.services.health.reading import Standing
from retainstream.services.health.schemes import BAND_NAMES

KIND = "health"
_BUSINESS = {
    "before": "Customers 30 days before",
    "lost": "Customers lost in 30 days",
    "now": "Customers now",
    "active": "Customers with a sign of life in the last 30 days",
    "ten": "The ten customers of most revenue",
}


def address(key: str) -> str:
    """Return the address of a figure."""
    return f"{KIND}:{key}"


def part_key(key: str, what: str) -> str:
    """Return the key of the figure `low` or `missing` of a part."""
    return f"part-{quote(key, safe='')}.{what}"


def make(session: Session, key: str) -> Cell:
    """Return the customers of a figure; raises InvalidInput for a key that leads nowhere, or before there are any scores."""
    try:
        if key.startswith("business."):
            return _of_business(session, key.removeprefix("business."))
        found = reading.standing(session)
        title, rows = _rows(session, found, key)
    except (NotFound, NotReady) as nothing:
        raise InvalidInput(nothing.message, fields={"cell": ["the address of a figure of health"]}) from nothing
    return Cell(title, tuple(found.ids[rows].tolist()), found.as_of)


def _rows(session: Session, found: Standing, key: str) -> tuple[str, np.ndarray]:
    if key == "all":
        return "With a health score", np.ones(len(found), bool)
    if key == "unknown":
        return "Health not known", np.isnan(found.score)
    if key == "falling":
        return "Health falling", found.falling()
    kind, _, rest = key.partition(".")
    if kind == "band" and rest in BAND_NAMES:
        return f"Health {rest}", found.in_band(rest)
    if kind == "scheme" and rest.isdecimal() and len(rest) < 12:
        scheme = schemes.read(session, int(rest))
        return f"Health by the scheme “{scheme.name}”", np.asarray(found.scheme == scheme.id)
    name, _, what = key.removeprefix("part-").rpartition(".")
    part = unquote(name)
    if key.startswith("part-") and what in ("low", "missing") and part in found.points:
        title = titles(session).get(part, part)
        rows = found.low(part) if what == "low" else found.missing(part)
        return f"{title}: {'few points' if what == 'low' else 'not known'}", rows
    raise NotFound(f"There is no figure of health {key[:60]!r}.")


def titles(session: Session) -> dict[str, str]:
    """Return the titles of the parts in use, by key."""
    return {part.key: part.title for scheme in schemes.active(session) for part in scheme.parts}


def _of_business(session: Session, which: str) -> Cell:
    found = business.read(session, settings_in_use())
    if which not in found.members:
        raise NotFound(f"There is no figure of the business {which[:40]!r}.")
    return Cell(_BUSINESS[which], tuple(found.members[which].tolist()), found.as_of)
