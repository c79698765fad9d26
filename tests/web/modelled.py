"""Models of every kind written straight into the tables, with reports of the shape that a training leaves."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import (
    AliasMove,
    ChurnDefinition,
    FeatureImportance,
    FeatureSet,
    JobRun,
    ModelMetric,
    ModelVersion,
)
from retainstream.services import revisions
from tests.web.stocked import SPECS

LEFT = {"kind": "cancel", "horizon_days": 30, "lead_days": 0, "parameters": {"reasons": ["voluntary"]}}


def estimate(value: float, room: float = 0.05) -> dict[str, float]:
    """Return a figure with an interval around it."""
    return {"value": value, "low": value - room, "high": value + room}


def report(*, forward: bool = True, passed: bool = True) -> dict[str, Any]:
    """Return a report: 2,000 rows judged, 100 of which left, 34% of them in the first tenth."""
    shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
    found = (0.06, 0.1, 0.2, 0.34, 0.52, 0.64, 0.8, 1.0)
    made: dict[str, Any] = {
        "n": 2000,
        "n_churned": 100,
        "base_rate": 0.05,
        "n_features": 3,
        "bootstraps": 1000,
        "metrics": {"auc": estimate(0.78), "top_decile_lift": estimate(3.4, 0.6)},
        "rivals": [
            _rival("The same churn rate for everybody", 0.5, 0.28, 0.05),
            _rival("Only Days since last log-in", 0.76, 0.02, 0.04),
            _rival("Random forest", 0.84, -0.06, 0.03),
        ],
        "calibration": {"passed": passed, "reasons": [] if passed else ["the slope is 0.6, and 1 lies outside of it"]},
        "calibration_curve": [
            {"mean_probability": 0.02 * i, "observed": 0.021 * i, "low": 0.01 * i, "high": 0.04 * i, "n": 200}
            for i in range(1, 11)
        ],
        "gains": [
            {"share_reached": share, "share_churners": one, "lift": one / share}
            for share, one in zip(shares, found, strict=True)
        ],
        "giveaways": [{"feature": "payment_failures", "single_auc": 0.97, "auc_with": 0.98, "auc_without": 0.78}],
        "notes": ["Two dates were left out"],
        "forward": None,
    }
    if forward:
        made["forward"] = {
            "data_end": 1_790_000_000_000_000,
            "windows": [_window("train", 6), _window("calibrate", 2), _window("test", 1)],
            "capacities": [
                {"share_reached": share, "share_churners": estimate(one, 0.05), "lift": estimate(one / share, 0.5)}
                for share, one in list(zip(shares, found, strict=True))[:6]
            ],
            "stability": [_date("2026-04-21", 0.79), _date("2026-05-21", 0.77)],
            "random_splits": [{"by": "row", "auc": 0.91}],
        }
    return made


def _rival(title: str, auc: float, gap: float, room: float) -> dict[str, Any]:
    return {"name": title, "title": title, "auc": estimate(auc), "auc_difference": estimate(gap, room)}


def _window(name: str, count: int) -> dict[str, Any]:
    return {
        "name": name,
        "first": "2026-01-20",
        "last": "2026-01-20",
        "dates": list(range(count)),
        "n": 2000,
        "n_churned": 100,
        "base_rate": 0.05,
    }


def _date(day: str, auc: float) -> dict[str, Any]:
    return {
        "as_of": 1_780_000_000_000_000,
        "day": day,
        "part": "test",
        "n": 1000,
        "n_churned": 50,
        "observed": estimate(0.05, 0.01),
        "mean_probability": 0.049,
        "auc": estimate(auc),
    }


def add_version(
    session: Session,
    *,
    kind: str = "forward",
    servable: bool = True,
    calibrated: bool = True,
    message: str = "The model tells who leaves from who stays (AUC 0.780).",
    told: dict[str, Any] | None = None,
    champion: bool = True,
) -> int:
    """Add a version with figures, in service unless `champion` is False, and return its id."""
    now = clock.now_us()
    definition = session.get(ChurnDefinition, 7)
    if definition is None:
        definition = ChurnDefinition(id=7, name="Cancels", version=1, created_at=now, **LEFT)
        session.add(definition)
    if session.get(FeatureSet, 7) is None:
        features = [spec.to_dict() for spec in SPECS]
        session.add(FeatureSet(id=7, sha256="e" * 64, features=features, created_at=now))
    session.flush()
    made = report(passed=calibrated, forward=kind == "forward") if told is None else told
    version = ModelVersion(
        kind=kind,
        definition_id=7,
        feature_set_id=7,
        servable=servable,
        verdict={"ok": servable, "code": "ok" if servable else "too_few_churners", "message": message, "needs": {}},
        parameters={"trials": 12},
        report=made,
        data_window={"rows": 9000, "churned": 450, "customers": 3000, "left_out": {"announced": 48}},
        seed=0,
        calibrated=calibrated,
        libraries={},
        as_of=None if kind == "snapshot" else now,
        trained_at=now,
        artifact_sha256="a" * 64 if servable else None,
    )
    session.add(version)
    session.flush()
    for name, figure in (made.get("metrics") or {}).items():
        session.add(ModelMetric(model_version_id=version.id, subject="xgboost", name=name, n=2000, **figure))
    for rank, (spec, share) in enumerate(zip(SPECS, (0.52, 0.31, 0.17), strict=True), start=1):
        session.add(
            FeatureImportance(
                model_version_id=version.id, feature_name=spec.name, shap_value=share, share=share, rank=rank
            )
        )
    if servable and champion:
        session.add(AliasMove(alias="champion", model_version_id=version.id, moved_at=now, reason="first model"))
    revisions.bump(session, "model")
    session.flush()
    return version.id


def add_job(session: Session, kind: str, state: str, **changes: Any) -> int:
    """Add a job as it stands, and return its id."""
    now = clock.now_us()
    ended = now if state in ("succeeded", "failed", "cancelled") else None
    job = JobRun(kind=kind, state=state, created_at=now, started_at=now, finished_at=ended, **changes)
    session.add(job)
    session.flush()
    return job.id


def replayed(*, closed: bool = True, hindsight: bool = False, left: bool = True) -> dict[str, Any]:
    """Return the result of a replay of 1 March 2026 whose list holds the customers 1 and 2."""
    outcome: dict[str, Any] = {
        "closed": False,
        "open_until": "2026-04-04T00:00:00Z",
        "message": "The window is still open until 2026-04-04.",
    }
    if closed:
        caught = [{"share_reached": 0.1, "reached": 100, "churners": 17, "share_of_churners": 0.34, "lift": 3.4}]
        outcome = {
            "closed": True, "open_until": None, "n": 1000, "churners": 50, "mean_probability": 0.05, "observed_share": 0.05,
            "metrics": {"auc": estimate(0.74)}, "caught": caught, "left_out": {"already_left": 3},
        }  # fmt: skip
    top = [
        {"customer_id": one, "margin": 1.0, "churn_probability": 0.7, "risk_percentile": 0.99, "risk_band": "very_high", "left": told}
        for one, told in ((1, left if closed else None), (2, False if closed else None))
    ]  # fmt: skip
    return {
        "run_id": None if hindsight else 3, "model_version": 1, "scope": "all", "as_of": "2026-03-01T00:00:00Z", "n_scored": 1003,
        "hindsight": hindsight, "outcome": outcome, "top": top,
    }  # fmt: skip
