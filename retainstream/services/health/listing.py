"""Health scores as lists: page by page in the order of the score, and as CSV; and what the back-test of a run says, scheme by scheme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import Page, PageRequest, decode_cursor, encode_cursor
from retainstream.models import Identity
from retainstream.services.health import reading, schemes
from retainstream.services.health.reading import Standing
from retainstream.services.health.schemes import BAND_NAMES, SchemeView
from retainstream.services.segments import matching, saved
from retainstream.services.segments.columns import Population

SORTS = ("score", "-score", "change", "-change")
_BLOCK = 500


@dataclass(frozen=True)
class Wanted:
    """Which scores: `bands` and `segment_id` narrow, empty and None do not; `sort` is one of `SORTS`, those without a figure last."""

    bands: tuple[str, ...] = ()
    segment_id: int | None = None
    sort: str = "score"


def page(session: Session, wanted: Wanted, request: PageRequest) -> tuple[Standing, Page]:
    """Return the scores in force and a page of them; raises NotReady before there are any, InvalidInput for a cursor of another list."""
    found = reading.standing(session)
    rows = ordered(session, found, wanted)
    start = request.offset
    if request.cursor is not None:
        start = _after(found, rows, wanted.sort, request.cursor)
    part = rows[start : start + request.limit]
    following = None
    if start + len(part) < len(rows):
        last = int(part[-1])
        following = encode_cursor(
            f"health:{wanted.sort}", [_sign(found, wanted.sort)[last].item(), int(found.ids[last])]
        )
    return found, Page(items(session, found, part), following, len(rows))


def ordered(session: Session, found: Standing, wanted: Wanted) -> np.ndarray:
    """Return the places of the scores that are wanted, in their order."""
    rows = np.ones(len(found), bool)
    if wanted.bands:
        rows &= np.isin(found.band, [BAND_NAMES.index(name) for name in wanted.bands])
    if wanted.segment_id is not None:
        node = saved.read(session, wanted.segment_id).node
        rows &= np.isin(found.ids, matching.ids(Population(session), node))
    places = np.flatnonzero(rows)
    return places[np.lexsort((found.ids[places], _sign(found, wanted.sort)[places]))]


def _sign(found: Standing, sort: str) -> np.ndarray:
    """Return what a list is sorted by, rising; what is missing comes last."""
    column = found.change if sort.endswith("change") else found.score
    key = -column if sort.startswith("-") else column
    return np.where(np.isnan(key), 1e9, key)


def _after(found: Standing, rows: np.ndarray, sort: str, cursor: str) -> int:
    try:
        last, last_id = (float(one or 0) for one in decode_cursor(cursor, f"health:{sort}", 2))
    except ValueError as bad:
        raise InvalidInput(
            "The cursor is not one of this list.", fields={"cursor": ["as `next_cursor` had it"]}
        ) from bad
    keys = _sign(found, sort)[rows]
    passed = (keys < last) | ((keys == last) & (found.ids[rows] <= last_id))
    return int(passed.sum())


def items(session: Session, found: Standing, rows: np.ndarray) -> list[dict[str, object]]:
    """Return some scores as the API shows them, in the order of `rows`."""
    ids = found.ids[rows].tolist()
    names = identifiers(session, ids)
    told: list[dict[str, object]] = []
    for row, one in zip(rows.tolist(), ids, strict=True):
        band = int(found.band[row])
        told.append(
            {
                "user_id": names[one],
                "score": number(found.score[row]),
                "band": BAND_NAMES[band] if band >= 0 else None,
                "confidence": number(found.confidence[row], 4),
                "change": number(found.change[row]),
                "scheme_id": int(found.scheme[row]),
                "parts": {
                    key: {"points": number(column[row], 1), "value": number(found.values[key][row])}
                    for key, column in found.points.items()
                },
            }
        )
    return told


def identifiers(session: Session, ids: list[int]) -> dict[int, str]:
    """Return the identifiers of some customers, by id."""
    query = select(Identity.customer_id, Identity.user_id).where(Identity.customer_id.in_(ids))
    return {row[0]: row[1] for row in session.execute(query)}


def number(value: float, digits: int = 2) -> float | None:
    """Return a figure for JSON; None for NaN."""
    return None if np.isnan(value) else round(float(value), digits)


def lines(session: Session, wanted: Wanted) -> Iterator[list[object]]:
    """Yield the scores as rows of a table, the header first: a column of points and one of the value for each part."""
    found = reading.standing(session)
    rows = ordered(session, found, wanted)
    keys = list(found.points)
    yield [
        "user_id", "score", "band", "confidence", "change", "scheme_id",
        *(name for key in keys for name in (f"{key}_points", f"{key}_value")),
    ]  # fmt: skip
    for start in range(0, len(rows), _BLOCK):
        for item in items(session, found, rows[start : start + _BLOCK]):
            parts: Any = item["parts"]
            figures = [parts[key][name] for key in keys for name in ("points", "value")]
            yield [
                *(item[name] for name in ("user_id", "score", "band", "confidence", "change", "scheme_id")),
                *figures,
            ]


def dated(found: Standing) -> dict[str, object]:
    """Return what every answer about the scores in force says of their date."""
    return {
        "as_of": clock.iso(found.as_of),
        "data_as_of": clock.iso(found.data_as_of),
        "made_at": clock.iso(found.made_at),
        "compared_with": clock.iso(found.before_as_of),
    }


@dataclass(frozen=True)
class Judged:
    """A scheme in use with what its back-test says; each is None while that was not made for this very scheme."""

    scheme: SchemeView
    past: dict[str, Any] | None
    beside_model: dict[str, Any] | None
    proposal: dict[str, Any] | None


def judged(session: Session) -> tuple[dict[str, Any], tuple[Judged, ...]]:
    """Return the back-test of the run in force, and what it says of each scheme in use; raises NotReady before there are any scores."""
    told: dict[str, Any] = reading.standing(session).summary.get("backtest") or {"message": None, "schemes": {}}
    found = []
    for scheme in schemes.active(session):
        own = told["schemes"].get(str(scheme.id), {})
        found.append(Judged(scheme, own.get("past"), own.get("beside_model"), own.get("proposal")))
    return told, tuple(found)


def proposed_weights(session: Session, scheme_id: int) -> dict[str, int]:
    """Return the weights that the back-test proposes for a scheme in use, by key; raises Conflict where it proposes none."""
    schemes.read(session, scheme_id)
    _, found = judged(session)
    proposal = next((one.proposal for one in found if one.scheme.id == scheme_id), None)
    if proposal is None or proposal["message"] is not None:
        raise Conflict(
            (proposal or {}).get("message") or "Nothing is proposed for this scheme: its back-test was not made yet."
        )
    return {str(key): int(weight) for key, weight in proposal["weights"].items()}
