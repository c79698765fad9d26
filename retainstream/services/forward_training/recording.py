"""The version of a model that looks ahead with its figures, and how often its test window was opened."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import ModelVersion, TestOpening
from retainstream.services import audit, jobs, registry
from retainstream.services.forward_training.asked import Asked
from retainstream.services.forward_training.learning import Trained
from retainstream.services.forward_training.material import Material

if TYPE_CHECKING:
    from retainstream.ml import Verdict


def record(
    session: Session, context: jobs.JobContext, material: Material, asked: Asked, trained: Trained, data_as_of: int
) -> ModelVersion:
    """Write a version with its figures, and that its test window was opened; it is not put into service. The caller commits."""
    from retainstream.ml.artifact import sha256
    from retainstream.ml.training import library_versions

    report = None if trained.predictor is None else trained.predictor.report_
    version = ModelVersion(
        kind=trained.kind,
        definition_id=material.definition_id,
        feature_set_id=registry.store_feature_set(session, trained.specs).id,
        servable=trained.artifact is not None,
        verdict=_plain(trained.verdict),
        parameters={
            "xgboost": {} if report is None else report.to_dict()["parameters"],
            "trials": asked.trials,
            "typical": {} if trained.predictor is None else trained.predictor.served_.typical,
        },
        report={} if report is None else report.to_dict(),
        data_window={
            **trained.window,
            "as_of": clock.iso(material.moment),
            "data_as_of": clock.iso(data_as_of),
            "excluded": list(asked.exclude),
            "kept": list(asked.keep),
            "earlier_test_openings": earlier_openings(session, material.definition_id, trained.judged),
        },
        seed=asked.seed,
        calibrated=report is not None and report.calibration.passed,
        aborted=trained.verdict.code == "out_of_time",
        artifact_sha256=None if trained.artifact is None else sha256(trained.artifact),
        libraries=library_versions() if report is None else report.versions,
        as_of=material.moment,
        trained_at=clock.now_us(),
        trained_by=context.actor.user_id,
        job_id=context.job_id,
    )
    registry.store(session, version, trained.artifact)
    if report is not None:
        registry.write_figures(session, version.id, report)
    if trained.judged is not None:
        _note_opening(session, material.definition_id, version, trained.judged)
    outcome = "done" if version.servable else "refused"
    audit.record(session, context.actor, "model.train", "model_version", version.id, outcome=outcome)
    session.flush()
    return version


def _plain(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as JSON; a figure that does not exist (NaN) is left out."""
    return asdict(verdict) | {"needs": {name: value for name, value in verdict.needs.items() if math.isfinite(value)}}


def earlier_openings(session: Session, definition_id: int, judged: tuple[int, int] | None) -> int:
    """Count the models under a definition that were judged on a test window which overlaps these observation dates."""
    if judged is None:
        return 0
    query = select(func.count()).select_from(TestOpening)
    overlap = (TestOpening.first_as_of <= judged[1], TestOpening.last_as_of >= judged[0])
    return session.scalar(query.where(TestOpening.definition_id == definition_id, *overlap)) or 0


def openings_of(session: Session, version: ModelVersion) -> int | None:
    """Count the models that were judged on a version's test window by now, itself among them; None where no window was opened."""
    own = session.scalar(select(TestOpening).where(TestOpening.model_version_id == version.id))
    return None if own is None else earlier_openings(session, own.definition_id, (own.first_as_of, own.last_as_of))


def _note_opening(session: Session, definition_id: int, version: ModelVersion, judged: tuple[int, int]) -> None:
    session.add(
        TestOpening(
            definition_id=definition_id,
            model_version_id=version.id,
            first_as_of=judged[0],
            last_as_of=judged[1],
            opened_at=version.trained_at,
        )
    )
