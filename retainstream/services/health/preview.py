"""How customers would be spread over the bands by a scheme that nobody keeps yet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db
from retainstream.lib.kept import Kept
from retainstream.services.health import ground, parts, reading
from retainstream.services.health.schemes import BAND_NAMES, SchemePart, SchemeView
from retainstream.services.segments import matching, saved
from retainstream.services.segments.columns import Population


@dataclass(frozen=True)
class Preview:
    """Customers by band, those without a score, and the middle score; None where nobody has one."""

    n: int
    bands: dict[str, int]
    without: int
    middle: float | None


_columns: Kept[np.ndarray] = Kept(24)


def preview(
    session: Session,
    settings: Settings,
    scheme_parts: Sequence[SchemePart],
    edges: Sequence[float],
    segment_id: int | None,
) -> Preview:
    """Return how the customers of a segment, or everybody, would stand; raises NotReady before there are any scores."""
    from retainstream.ml.health import score

    found = reading.standing(session)
    columns = {part.key: column(session, settings, found, part.key) for part in scheme_parts}
    values = np.column_stack([columns[part.key] for part in scheme_parts])
    if segment_id is not None:
        node = saved.read(session, segment_id).node
        values = values[np.isin(found.ids, matching.ids(Population(session), node))]
    tried = SchemeView(0, "", segment_id, None, tuple(scheme_parts), tuple(edges), False, False, 0, None)
    result = score(tried.of_ml(), values)
    known = ~np.isnan(result.score)
    counts = np.bincount(result.band[known], minlength=len(BAND_NAMES)).tolist()
    middle = float(np.median(result.score[known])) if known.any() else None
    return Preview(len(values), dict(zip(BAND_NAMES, counts, strict=True)), int((~known).sum()), middle)


def column(session: Session, settings: Settings, found: reading.Standing, key: str) -> np.ndarray:
    """Return a part's values for everybody with a score: those that the scores were made of, or made now as of the same time and then kept."""
    held = found.values.get(key)
    if held is not None and not found.missing(key).any() and len(np.unique(found.scheme)) == 1:
        return held
    state: Hashable = (db.engine.url.database, found.run_id, found.made_at, len(found), key)
    return _columns.of(state, lambda: _made(session, settings, found, key))


def _made(session: Session, settings: Settings, found: reading.Standing, key: str) -> np.ndarray:
    from retainstream.ml.asof.builder import features

    basis = ground.read(session, settings)
    source = basis.known.get(key)
    if source is None:
        return np.full(len(found), np.nan)
    frame = features(basis.history, parts.specs_of([source]), found.as_of, found.ids)
    return parts.values(frame, [source])[:, 0]


def suggested(session: Session, settings: Settings, key: str) -> SchemePart | None:
    """Return a part as somebody would add it, with ends by how customers spread; None for one that this box cannot make."""
    source = parts.catalogue(session).get(key)
    if source is None:
        return None
    ends = parts.ends_of(source, column(session, settings, reading.standing(session), key))
    worst, best = ends or ((0.0, 1.0) if source.good == "high" else (1.0, 0.0))
    return SchemePart(key, source.title, 0, worst, best, source.unit)
