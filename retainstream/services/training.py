"""The train job: read, judge the data, fit, judge the model, and record a version whatever the verdict; a served one goes into service.

How a model is trained is `retainstream.ml`'s affair, where its bytes are kept `services.registry`'s. A refused training leaves a row that says
why, and leaves the old model in service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.lib.money import exponent
from retainstream.models import JobRun, ModelVersion
from retainstream.security.actor import Actor
from retainstream.services import audit, datasets, jobs, preferences, registry
from retainstream.services.datasets import Dataset

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor, Economics, Verdict

DEDUPE_KEY = "train"
"""The subject of the served model's own figures; the rivals' are their names."""
_FIT_FROM, _FIT_TO = 0.05, 0.95


class OutOfTimeError(Exception):
    """The training took longer than it may."""


@dataclass(frozen=True)
class Options:
    """What a training was asked for."""

    seed: int = 0
    trials: int = 25
    promote: bool = True
    score: bool = True
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, payload: dict[str, Any], settings: Settings) -> Options:
        """Return the options of a job's payload, with the settings' number of trials as default."""
        return cls(
            seed=int(payload.get("seed") or 0),
            trials=int(payload.get("trials") or settings.train_trials),
            promote=bool(payload.get("promote", True)),
            score=bool(payload.get("score", True)),
            exclude=tuple(payload.get("exclude") or ()),
        )


@dataclass(frozen=True)
class Trained:
    """What came out: the verdict, the predictor when there is one, and its bytes when it may be served."""

    verdict: Verdict
    predictor: ChurnPredictor | None = None
    artifact: bytes | None = None
    aborted: bool = False


def request(session: Session, actor: Actor, options: dict[str, Any]) -> JobRun:
    """Queue a training; raises NotReady or InvalidInput at once for what would stop it, and Conflict when one is open."""
    asked = {key: value for key, value in options.items() if value is not None}
    datasets.ready_to_train(session, asked.get("exclude", ()))
    return jobs.enqueue(session, actor, "train", asked, dedupe_key=DEDUPE_KEY)


def run(context: jobs.JobContext) -> dict[str, object]:
    """Train a model on every labelled customer and record it.

    Returns
    -------
    dict
        `model_version`, `servable`, `verdict`, `metrics`, `champion` (whether it went into service) and `score_job`.

    Raises
    ------
    NotReady
        When it could not start: no data, no label, an import in progress. A training that was judged and refused succeeds.
    """
    options = Options.of(context.payload, context.settings)
    with read_unit() as session:
        done = _done_before(session, context.job_id)
        if done is not None:
            return done
        data = datasets.training_set(session, exclude=options.exclude)
        economics = _economics(session, context.settings)
    context.progress("reading", _FIT_FROM)
    trained = _train(context, data, options, economics)
    context.progress("saving", _FIT_TO)
    with context.holding_unit() as session:
        return _record(session, context, data, options, trained)


def _done_before(session: Session, job_id: int) -> dict[str, object] | None:
    """Return the result when an earlier run of this very job got as far as its commit."""
    queued_at = session.scalar(select(JobRun.created_at).where(JobRun.id == job_id)) or 0
    version = session.scalar(
        select(ModelVersion).where(ModelVersion.job_id == job_id, ModelVersion.trained_at >= queued_at)
    )
    if version is None:
        return None
    current = registry.champion(session)
    return _result(version, current is not None and current.version_id == version.id, None)


def _economics(session: Session, settings: Settings) -> Economics:
    from retainstream.ml import Economics

    chosen = preferences.read(session)
    unit = 10 ** exponent(settings.currency)
    return Economics(
        acceptance=chosen.acceptance, value=max(chosen.value_minor, 1) / unit, cost=chosen.contact_cost_minor / unit
    )


def _train(context: jobs.JobContext, data: Dataset, options: Options, economics: Economics) -> Trained:
    from retainstream.ml import ChurnPredictor, Verdict, assess

    verdict = assess(data.frame, data.y)
    if not verdict.ok:
        return Trained(verdict)
    predictor = ChurnPredictor(
        n_trials=options.trials, n_jobs=context.threads, random_state=options.seed, economics=economics
    )
    try:
        predictor.fit(data.frame, data.y, features=list(data.features), row_ids=data.ids, progress=_reporter(context))
    except OutOfTimeError:
        minutes = context.settings.train_minutes
        return Trained(
            Verdict(
                False, "out_of_time", f"The training was ended after {minutes:,} minutes, the longest it may take."
            ),
            aborted=True,
        )
    except ValueError as refused:
        return Trained(Verdict(False, "cannot_train", str(refused)))
    verdict = assess(predictor.report_)
    return Trained(verdict, predictor, predictor.to_artifact() if verdict.ok else None)


def _reporter(context: jobs.JobContext) -> Callable[[str, float], None]:
    """Return the callback that turns the fit's share into the job's, and ends a training that takes too long."""
    ends = clock.monotonic() + context.settings.train_minutes * 60

    def report(phase: str, share: float) -> None:
        if clock.monotonic() > ends:
            raise OutOfTimeError
        context.progress(phase, _FIT_FROM + (_FIT_TO - _FIT_FROM) * share)

    return report


def _record(
    session: Session, context: jobs.JobContext, data: Dataset, options: Options, trained: Trained
) -> dict[str, object]:
    """Write the version with its figures, put it into service when it may be served, and queue the scoring: one commit."""
    report = None if trained.predictor is None else trained.predictor.report_
    version = registry.store(session, _version(session, context, data, options, trained), trained.artifact)
    if report is not None:
        registry.write_figures(session, version.id, report)
    audit.record(
        session,
        context.actor,
        "model.train",
        "model_version",
        version.id,
        outcome="done" if version.servable else "refused",
    )
    score_job = None
    if version.servable and options.promote:
        reason = "first model" if registry.champion(session) is None else "newly trained"
        registry.promote(session, context.actor, version.id, reason)
        score_job = queue_scoring(session, context.actor, version.id) if options.score else None
    session.flush()
    return _result(version, version.servable and options.promote, score_job)


def queue_scoring(session: Session, actor: Actor, version_id: int) -> int | None:
    """Queue the scoring of everybody by a version that has come into service; None when that is queued or running already.

    The key names the version: a scoring that is about to end with the version before must not stand in for this one.
    """
    try:
        return jobs.enqueue(session, actor, "score", {"scope": "all"}, dedupe_key=f"score:all:{version_id}").id
    except Conflict:
        return None


def promote(session: Session, actor: Actor, version_id: int) -> dict[str, object]:
    """Put a version into service and queue the scoring by it; errors as of `registry.promote`."""
    changed = registry.promote(session, actor, version_id)
    return {
        "model_version": version_id,
        "changed": changed,
        "score_job": queue_scoring(session, actor, version_id) if changed else None,
    }


def rollback(session: Session, actor: Actor) -> dict[str, object]:
    """Put the version before back into service and queue the scoring by it; errors as of `registry.rollback`."""
    version_id = registry.rollback(session, actor)
    return {"model_version": version_id, "changed": True, "score_job": queue_scoring(session, actor, version_id)}


def _version(
    session: Session, context: jobs.JobContext, data: Dataset, options: Options, trained: Trained
) -> ModelVersion:
    from retainstream.ml.artifact import sha256
    from retainstream.ml.training import library_versions

    predictor, artifact = trained.predictor, trained.artifact
    report = None if predictor is None else predictor.report_
    assert data.definition_id is not None
    assert data.y is not None
    churned = int(data.y.sum())
    return ModelVersion(
        kind="snapshot",
        definition_id=data.definition_id,
        feature_set_id=registry.store_feature_set(session, data.features).id,
        servable=artifact is not None,
        verdict=asdict(trained.verdict),
        parameters={
            "xgboost": {} if report is None else report.to_dict()["parameters"],
            "trials": options.trials,
            "typical": {} if predictor is None else predictor.served_.typical,
        },
        report={} if report is None else report.to_dict(),
        data_window={
            "rows": len(data),
            "churned": churned,
            "base_rate": churned / len(data),
            "unlabelled": data.unlabelled,
            "left_out_empty": list(data.empty),
            "data_as_of": clock.iso(data.data_as_of),
            "import_ids": list(data.batch_ids),
            "excluded": list(options.exclude),
        },
        seed=options.seed,
        calibrated=report is not None and report.calibration.passed,
        aborted=trained.aborted,
        artifact_sha256=None if artifact is None else sha256(artifact),
        libraries=library_versions() if report is None else report.versions,
        trained_at=clock.now_us(),
        trained_by=context.actor.user_id,
        job_id=context.job_id,
    )


def _result(version: ModelVersion, champion: bool, score_job: int | None) -> dict[str, object]:
    return {
        "model_version": version.id,
        "servable": version.servable,
        "verdict": version.verdict,
        "metrics": version.report.get("metrics", {}),
        "champion": champion,
        "score_job": score_job,
    }
