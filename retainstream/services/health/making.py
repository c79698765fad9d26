"""The step of the analyse job that scores everybody's health: at the end of the data, and at the last month ends that no run with the same schemes tells of.

Those month ends are made anew when a scheme changes, so that a trend holds one scheme's scores against each other. Whom a segment's scheme is for goes
by who is in the segment now, on past dates as well: a rule may ask for what only the present knows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import AnalysisRun, HealthScore
from retainstream.services import jobs
from retainstream.services.analyses import runs
from retainstream.services.health import backtest, ground, parts, schemes
from retainstream.services.health.ground import Ground
from retainstream.services.health.schemes import BAND_NAMES, SchemeView
from retainstream.services.segments import matching, saved
from retainstream.services.segments.columns import Population

if TYPE_CHECKING:
    from retainstream.ml.asof.builder import Builder

KIND = "health"
SEEN = "_seen"
"""Where a row keeps the days since the last sign of life, whether or not they are a part of its scheme."""
Cells = dict[str, list[float | None]]


@dataclass(frozen=True)
class Scored:
    """Everybody's health at a time; arrays of one place a customer, by rising id.

    `seen` is in days, NaN without any sign of life; `parts` is what a row keeps of each part: key -> [points, value], None for what is missing.
    """

    moment: int
    ids: np.ndarray
    scheme: np.ndarray
    score: np.ndarray
    confidence: np.ndarray
    band: np.ndarray
    parts: list[Cells]


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Score everybody's health and judge the schemes; raises NotReady where there is nothing to make a score of."""
    with read_unit() as session:
        found = ground.read(session, context.settings)
        used = schemes.active(session)
    if not any(one.segment_id is None for one in used):
        wanted = ground.default_parts(found)
        with context.holding_unit() as session:
            schemes.keep_default(session, wanted)
            used = schemes.active(session)
    with read_unit() as session:
        members = _members(session, used)
        moments = [one for one in found.month_ends() if not _told(session, one, used)]
    judged = backtest.judge(context, found, used, (part[0], part[0] + 0.6 * (part[1] - part[0])))
    builder = found.builder(used)
    ended: list[tuple[int, Scored]] = []
    for place, moment in enumerate([*moments, found.moment]):
        context.progress("health scores", part[0] + (part[1] - part[0]) * (0.6 + 0.4 * place / (len(moments) + 1)))
        scored = at(found, builder, used, members, moment)
        if len(scored.ids) or moment == found.moment:
            ended.append((_write(context, found, used, scored), scored))
    with context.holding_unit() as session:  # all at once: until then the run before is the one in force
        for run_id, scored in ended:
            present = scored.moment == found.moment
            told = _summary(scored) | ({"backtest": judged} if present else {})
            runs.complete(session, run_id, n=len(scored.ids), summary=told)
    last = ended[-1][1]
    return {"customers": len(last.ids), "as_of": clock.iso(last.moment), "dates": len(ended), **_summary(last)}


def at(
    found: Ground, builder: Builder, used: tuple[SchemeView, ...], members: dict[int, np.ndarray], moment: int
) -> Scored:
    """Return everybody's health at a time, by what was known then."""
    from retainstream.ml.health import score

    ids = found.customers(moment)
    n = len(ids)
    frame = builder.at(moment, ids)
    chosen = np.zeros(n, np.int64)
    for (
        scheme
    ) in used:  # that for everybody else comes first; of two segments' the later one does not take from the earlier
        mine = np.ones(n, bool) if scheme.segment_id is None else np.isin(ids, members[scheme.id])
        general = chosen == 0 if scheme.segment_id is None else np.isin(chosen, [0, used[0].id])
        chosen[mine & general] = scheme.id
    scores, confidence, band = np.full(n, np.nan), np.zeros(n), np.full(n, -1, np.int8)
    told: list[Cells] = [{} for _ in range(n)]
    seen = (
        frame[parts.RECENCY].to_numpy(np.float64)
        if parts.RECENCY in frame and parts.SILENCE in found.known
        else np.full(n, np.nan)
    )
    for scheme in used:
        rows = np.flatnonzero(chosen == scheme.id)
        if not len(rows):
            continue
        values = parts.values(frame.iloc[rows], found.sources(scheme.parts))
        result = score(scheme.of_ml(), values)
        scores[rows], confidence[rows], band[rows] = result.score, result.confidence, result.band
        for row, cells in zip(rows, _cells(scheme, result.points, values, seen[rows]), strict=True):
            told[row] = cells
    return Scored(moment, ids, chosen, scores, confidence, band, told)


def _cells(scheme: SchemeView, points: np.ndarray, values: np.ndarray, seen: np.ndarray) -> list[Cells]:
    found = []
    rows = zip(np.round(points, 1).tolist(), np.round(values, 2).tolist(), np.round(seen, 1).tolist(), strict=True)
    for own, own_values, days in rows:
        cells: Cells = {key: [_known(p), _known(v)] for key, p, v in zip(scheme.keys, own, own_values, strict=True)}
        if not math.isnan(days):
            cells[SEEN] = [None, days]
        found.append(cells)
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _members(session: Session, used: tuple[SchemeView, ...]) -> dict[int, np.ndarray]:
    """Return who is in the segment of each scheme now, by the scheme's id; nobody where its rule cannot be told at present."""
    found: dict[int, np.ndarray] = {}
    population = Population(session)
    for scheme in used:
        if scheme.segment_id is None:
            continue
        try:
            found[scheme.id] = matching.ids(population, saved.read(session, scheme.segment_id).node)
        except NotReady:
            found[scheme.id] = np.zeros(0, np.int64)
    return found


def _told(session: Session, moment: int, used: tuple[SchemeView, ...]) -> bool:
    """Tell whether a run with the same schemes tells of a past date already."""
    rows = session.scalars(
        select(AnalysisRun.inputs).where(
            AnalysisRun.kind == KIND, AnalysisRun.state == "complete", AnalysisRun.as_of == moment
        )
    )
    return any(inputs.get("schemes") == [one.id for one in used] for inputs in rows)


def _write(context: jobs.JobContext, found: Ground, used: tuple[SchemeView, ...], scored: Scored) -> int:
    """Write the rows of a run, in chunks, and return its id; it counts once it is completed."""
    inputs = {"schemes": [one.id for one in used], "definition_id": found.definition_id}
    run_id = runs.begin(context, KIND, as_of=scored.moment, data_as_of=found.data_as_of, inputs=inputs)
    ids, scheme = scored.ids.tolist(), scored.scheme.tolist()
    scores, confidence = np.round(scored.score, 3).tolist(), np.round(scored.confidence, 4).tolist()
    names = (*BAND_NAMES, None)
    rows = (
        {
            "run_id": run_id,
            "customer_id": ids[row],
            "scheme_id": scheme[row],
            "score": None if np.isnan(scores[row]) else scores[row],
            "confidence": confidence[row],
            "band": names[scored.band[row]],
            "parts": scored.parts[row],
        }
        for row in range(len(ids))
    )
    runs.write(context, HealthScore, rows)
    return run_id


def _summary(scored: Scored) -> dict[str, Any]:
    known = ~np.isnan(scored.score)
    counts = np.bincount(scored.band[known], minlength=len(BAND_NAMES)).tolist() if known.any() else [0] * 4
    return {
        "bands": dict(zip(BAND_NAMES, counts, strict=True)),
        "without": int((~known).sum()),
        "mean": round(float(scored.score[known].mean()), 2) if known.any() else None,
        "confidence": round(float(scored.confidence.mean()), 4) if len(scored.ids) else None,
    }
