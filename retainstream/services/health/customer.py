"""The health of one customer as the API tells it: the score in force with its parts, and every score on record. The page's words are the web's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.services.customers import record
from retainstream.services.health import listing, reading, schemes
from retainstream.services.health.reading import PastScore
from retainstream.services.health.schemes import BAND_NAMES

_UNKNOWN = dict.fromkeys(("score", "band", "confidence", "change", "scheme_id", "scheme"))


def read(session: Session, user_id: str) -> dict[str, object]:
    """Return a customer's health; the figures are null, and `parts` empty, for one who is not in the scores in force.

    Raises
    ------
    NotFound
        For an unknown customer.
    NotReady
        Before there are any scores.
    """
    customer, _ = record.require(session, user_id)
    found = reading.standing(session)
    told: dict[str, Any] = {"user_id": user_id, **_UNKNOWN, "parts": {}}
    (rows,) = np.nonzero(found.ids == customer.id)
    if len(rows):
        (item,) = listing.items(session, found, rows)
        scheme = schemes.read(session, int(found.scheme[rows[0]]))
        points: Any = item["parts"]
        parts = {
            one.key: {"title": one.title, "unit": one.unit, "weight": one.weight, **points[one.key]}
            for one in scheme.parts
            if one.key in points
        }
        told |= {**item, "scheme": scheme.name, "parts": parts}
    past = [_past(one) for one in reading.history(session, customer.id)]
    return {**told, **listing.dated(found), "history": past}


def bands(session: Session) -> list[dict[str, object]]:
    """Return how customers spread over the bands on each date on record, oldest first; nothing before there are any scores."""
    return [
        {
            "as_of": clock.iso(run.as_of),
            "customers": run.n,
            "mean": run.summary.get("mean"),
            "bands": {name: (run.summary.get("bands") or {}).get(name, 0) for name in BAND_NAMES},
            "unknown": run.summary.get("without"),
        }
        for run in reading.past_runs(session)
    ]


def _past(one: PastScore) -> dict[str, object]:
    return {
        "as_of": clock.iso(one.as_of),
        "scheme_id": one.scheme_id,
        "score": one.score,
        "band": one.band,
        "confidence": one.confidence,
        "parts": {key: {"points": points, "value": value} for key, (points, value) in one.parts.items()},
    }
