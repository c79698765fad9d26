"""Health scores written straight into the tables, with a back-test, a trend and two schemes: pages are tested without making anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import AnalysisRun, Customer, HealthScheme, HealthScore
from retainstream.services import revisions
from retainstream.services.health.schemes import BAND_NAMES

PARTS = (
    ("silence", "Time since the last activity", 55, 40.0, 1.0, "days"),
    ("payment", "Failed payments in the last 90 days", 30, 2.0, 0.0, ""),
    ("feature.a_part_whose_name_is_long", "A part whose title is about as long as titles of features may be", 15, 0.0, 9.0, "hours"),
)  # fmt: skip


def add_health(session: Session, most: int = 400) -> int:
    """Score the first visible customers today and 30 days ago; return the scheme's id. Some have no score, some parts are missing."""
    now = clock.now_us() // clock.DAY_US * clock.DAY_US
    keys = ("key", "title", "weight", "worst", "best", "unit")
    parts = [dict(zip(keys, one, strict=True)) for one in PARTS]
    session.execute(update(HealthScheme).where(HealthScheme.retired_at.is_(None)).values(retired_at=now - 9))
    old = HealthScheme(name="Ours", parts=parts, bands=[40, 60, 80], created_at=now - 9, retired_at=now - 5)
    scheme = HealthScheme(name="Ours", parts=parts, bands=[40, 60, 80], proposed=True, created_at=now - 5)
    session.add_all([old, scheme])
    session.flush()
    ids = session.scalars(select(Customer.id).where(Customer.visible()).order_by(Customer.id).limit(most)).all()
    rng = np.random.default_rng(4)
    for moment in (now - 30 * clock.DAY_US, now):
        run = AnalysisRun(
            kind="health", state="complete", as_of=moment, data_as_of=moment, n=len(ids), made_at=moment,
            inputs={"schemes": [scheme.id]}, summary=_summary(scheme.id),
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add_all(_row(run.id, scheme.id, one, rng) for one in ids)
    revisions.bump(session, "analyses")
    session.flush()
    return scheme.id


def _row(run_id: int, scheme_id: int, customer_id: int, rng: np.random.Generator) -> HealthScore:
    if rng.random() < 0.02:
        parts: dict[str, Any] = {key: [None, None] for key, *_ in PARTS}
        return HealthScore(run_id=run_id, customer_id=customer_id, scheme_id=scheme_id, confidence=0.0, parts=parts)
    points = [None if rng.random() < 0.1 and at else round(float(rng.random() * 100), 1) for at in range(len(PARTS))]
    weights = [one[2] for one, given in zip(PARTS, points, strict=True) if given is not None]
    score = sum(given * one[2] for one, given in zip(PARTS, points, strict=True) if given is not None) / sum(weights)
    band = BAND_NAMES[sum(score >= edge for edge in (40, 60, 80))]
    told = {key: [given, given] for (key, *_), given in zip(PARTS, points, strict=True)}
    return HealthScore(
        run_id=run_id, customer_id=customer_id, scheme_id=scheme_id, score=score, confidence=sum(weights) / 100, band=band, parts=told
    )  # fmt: skip


def _summary(scheme_id: int) -> dict[str, Any]:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.03, "high": value + 0.03}

    panel = {
        "message": None, "n": 4200, "customers": 610, "left": 230, "left_out": 3, "health": figure(0.71), "silence": figure(0.66),
        "model": None, "against_silence": figure(0.05), "against_model": None,
        "dates": [{"as_of": f"2026-0{month}-01T00:00:00Z", "n": 1400, "left": 77, "auc": 0.7} for month in (5, 6, 7)],
        "bands": [{"name": name, "n": 1050, "left": 50, "rate": figure(0.06)} for name in BAND_NAMES],
    }  # fmt: skip
    beside = {**panel, "model": figure(0.78), "against_model": figure(-0.07)}
    weights = dict(zip((one[0] for one in PARTS), (70, 30, 0), strict=True))
    proposal = {
        "message": None, "better": True, "weights": weights, "intervals": {key: figure(40) for key in weights},
        "gain": {"value": 0.02, "low": 0.01, "high": 0.03}, "current": figure(0.7), "proposed": figure(0.72),
        "learnt": 2800, "learnt_left": 150, "judged": 1400, "judged_left": 80,
    }  # fmt: skip
    own = {"past": panel, "beside_model": beside, "proposal": proposal}
    return {
        "mean": 55.0, "confidence": 0.9, "without": 4, "bands": dict.fromkeys(BAND_NAMES, 100),
        "backtest": {"message": None, "horizon_days": 30, "schemes": {str(scheme_id): own}},
    }  # fmt: skip
