"""The health scores in force, and those of about 30 days before, as arrays that every page reads: made once for each state of the data."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import String, select, type_coerce
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import AnalysisRun, Customer, HealthScore
from retainstream.services import revisions
from retainstream.services.analyses import runs
from retainstream.services.health.making import KIND, SEEN
from retainstream.services.health.schemes import BAND_NAMES

FALL = 10.0
"""So many points less than about 30 days before are called falling."""
LOW = 40.0
"""A part with fewer points than this is called low."""
_TREND_DAYS, _TREND_FROM, _TREND_TO = 30, 14, 46
NOT_YET = "Health scores have not been made yet; the first ones take a minute."


@dataclass(frozen=True)
class Standing:
    """Everybody's health in force; arrays of one place a customer, by rising id.

    Attributes
    ----------
    as_of, data_as_of, made_at : int
        Microseconds UTC.
    score, confidence : float64
        0 to 100, NaN where no part is known; 0 to 1.
    band : int8
        Place in `BAND_NAMES`, -1 without a score.
    scheme : int64
        Id of the scheme that the score is by.
    points, values : dict of str to float64 array
        By key of a part; NaN where it is missing, or no part of the customer's scheme.
    seen : float64
        Days since the last sign of life, NaN without any.
    before_as_of : int or None
        Of the run that the trend is held against; None without one 14 to 46 days before.
    change : float64
        Points since then; NaN for those who had no score then, or one by another scheme.
    summary, inputs : dict
        Of the run.
    """

    run_id: int
    as_of: int
    data_as_of: int
    made_at: int
    ids: np.ndarray
    score: np.ndarray
    confidence: np.ndarray
    band: np.ndarray
    scheme: np.ndarray
    points: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    seen: np.ndarray
    before_as_of: int | None
    change: np.ndarray
    summary: dict[str, Any]
    inputs: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    def in_band(self, name: str) -> np.ndarray:
        """Return a mask of those in a band."""
        return np.asarray(self.band == BAND_NAMES.index(name))

    def falling(self) -> np.ndarray:
        """Return a mask of those who lost `FALL` points or more."""
        return np.asarray(np.nan_to_num(self.change) <= -FALL)

    def low(self, key: str) -> np.ndarray:
        """Return a mask of those whose part is low; nobody for a part that no scheme has."""
        column = self.points.get(key)
        return np.zeros(len(self), bool) if column is None else np.asarray(np.nan_to_num(column, nan=100.0) < LOW)

    def missing(self, key: str) -> np.ndarray:
        """Return a mask of those whose scheme has the part, and of whom it is not known."""
        column = self.points.get(key)
        if column is None:
            return np.zeros(len(self), bool)
        has = np.isin(self.scheme, np.unique(self.scheme[~np.isnan(column)]))
        return np.asarray(has & np.isnan(column))


_loaded: Kept[Standing] = Kept(2)
_shown: Kept[Standing] = Kept(2)


def standing(session: Session) -> Standing:
    """Return the scores in force without those who are gone since; raises NotReady before there are any."""
    run = newest_run(session)
    if run is None:
        raise NotReady(NOT_YET)
    past = _before(session, run)
    # A retried or thinned run may go or come without the one in force changing, so the one before is part of the key.
    key: Hashable = (db.engine.url.database, run.id, run.made_at, None if past is None else past.id)
    counters = revisions.read(session)
    return _shown.of(
        (key, counters["customers"], counters["removals"]),
        lambda: _visible(session, _loaded.of(key, lambda: _load(session, run, past))),
    )


def newest_run(session: Session) -> AnalysisRun | None:
    """Return the run in force; None before there was any."""
    return runs.in_force(session, KIND)


def _before(session: Session, run: AnalysisRun) -> AnalysisRun | None:
    """Return the run that lies about 30 days before another one, the nearest to that."""
    wanted = run.as_of - _TREND_DAYS * clock.DAY_US
    rows = session.scalars(
        select(AnalysisRun).where(
            AnalysisRun.kind == KIND,
            AnalysisRun.state == "complete",
            AnalysisRun.as_of <= run.as_of - _TREND_FROM * clock.DAY_US,
            AnalysisRun.as_of >= run.as_of - _TREND_TO * clock.DAY_US,
        )
    ).all()
    return min(rows, key=lambda one: (abs(one.as_of - wanted), -one.id), default=None)


def _load(session: Session, run: AnalysisRun, past: AnalysisRun | None) -> Standing:
    rows = session.execute(
        select(
            HealthScore.customer_id,
            HealthScore.scheme_id,
            HealthScore.score,
            HealthScore.confidence,
            HealthScore.band,
            type_coerce(HealthScore.parts, String),
        )
        .where(HealthScore.run_id == run.id)
        .order_by(HealthScore.customer_id)
    ).all()
    n = len(rows)
    place = {name: at for at, name in enumerate(BAND_NAMES)}
    ids = np.fromiter((row[0] for row in rows), np.int64, n)
    scheme = np.fromiter((row[1] for row in rows), np.int64, n)
    score = np.fromiter((np.nan if row[2] is None else row[2] for row in rows), np.float64, n)
    points, values = _columns([row[5] for row in rows])
    seen = values.pop(SEEN, np.full(n, np.nan))
    points.pop(SEEN, None)
    return Standing(
        run_id=run.id, as_of=run.as_of, data_as_of=run.data_as_of, made_at=run.made_at, ids=ids, score=score,
        confidence=np.fromiter((row[3] for row in rows), np.float64, n),
        band=np.fromiter((-1 if row[4] is None else place[row[4]] for row in rows), np.int8, n),
        scheme=scheme, points=points, values=values, seen=seen,
        before_as_of=None if past is None else past.as_of,
        change=_change(session, past, ids, scheme, score), summary=run.summary, inputs=run.inputs,
    )  # fmt: skip


def _columns(texts: list[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return points and values by key of a part from what rows keep; read at once, since a hundred thousand texts one by one take seconds."""
    told: list[dict[str, list[float | None]]] = json.loads(f"[{','.join(texts)}]")
    nothing: list[float | None] = [None, None]
    keys = dict.fromkeys(key for one in told for key in one)
    points: dict[str, np.ndarray] = {}
    values: dict[str, np.ndarray] = {}
    for key in keys:
        own = [one.get(key, nothing) for one in told]
        points[key] = np.fromiter((np.nan if pair[0] is None else pair[0] for pair in own), np.float64, len(own))
        values[key] = np.fromiter((np.nan if pair[1] is None else pair[1] for pair in own), np.float64, len(own))
    return points, values


def _change(
    session: Session, past: AnalysisRun | None, ids: np.ndarray, scheme: np.ndarray, score: np.ndarray
) -> np.ndarray:
    change = np.full(len(ids), np.nan)
    if past is None or not len(ids):
        return change
    rows = session.execute(
        select(HealthScore.customer_id, HealthScore.scheme_id, HealthScore.score)
        .where(HealthScore.run_id == past.id, HealthScore.score.is_not(None))
        .order_by(HealthScore.customer_id)
    ).all()
    owners = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    at = np.minimum(np.searchsorted(ids, owners), len(ids) - 1)
    same = (ids[at] == owners) & (scheme[at] == np.fromiter((row[1] for row in rows), np.int64, len(rows)))
    change[at[same]] = score[at[same]] - np.fromiter((row[2] for row in rows), np.float64, len(rows))[same]
    return change


def _visible(session: Session, found: Standing) -> Standing:
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    rows = np.isin(found.ids, there)
    if rows.all():
        return found
    per_row = ("ids", "score", "confidence", "band", "scheme", "seen", "change")
    return replace(
        found,
        points={key: column[rows] for key, column in found.points.items()},
        values={key: column[rows] for key, column in found.values.items()},
        **{name: getattr(found, name)[rows] for name in per_row},
    )


@dataclass(frozen=True)
class PastScore:
    """A customer's health at one time: `scheme_id` says by which scheme, `score` is None where no part was known."""

    as_of: int
    scheme_id: int
    score: float | None
    confidence: float
    band: str | None
    parts: dict[str, Any]


def history(session: Session, customer_id: int, most: int = 60) -> tuple[PastScore, ...]:
    """Return a customer's scores on record, oldest first: one for each as-of, the newest so many."""
    rows = session.execute(
        select(AnalysisRun.as_of, HealthScore)
        .join(AnalysisRun, AnalysisRun.id == HealthScore.run_id)
        .where(HealthScore.customer_id == customer_id, AnalysisRun.state == "complete")
        .order_by(AnalysisRun.as_of.desc(), AnalysisRun.id.desc())
        .limit(2 * most)
    ).all()
    found: dict[int, PastScore] = {}
    for moment, row in rows:
        parts = {key: cell for key, cell in row.parts.items() if key != SEEN}
        found.setdefault(moment, PastScore(moment, row.scheme_id, row.score, row.confidence, row.band, parts))
    return tuple(found[moment] for moment in sorted(found))[-most:]


def past_runs(session: Session, most: int = 24) -> tuple[AnalysisRun, ...]:
    """Return the complete runs, oldest first, one for each as-of, the newest so many."""
    rows = session.scalars(
        select(AnalysisRun)
        .where(AnalysisRun.kind == KIND, AnalysisRun.state == "complete")
        .order_by(AnalysisRun.as_of.desc(), AnalysisRun.id.desc())
        .limit(2 * most)
    ).all()
    found: dict[int, AnalysisRun] = {}
    for row in rows:
        found.setdefault(row.as_of, row)
    return tuple(found[moment] for moment in sorted(found))[-most:]
