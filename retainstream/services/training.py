"""The train job: read, judge the data, fit, judge the model, and record a version whatever the verdict; a served one goes into service.

How a model is trained is `retainstream.ml`'s affair, where its bytes are kept `services.registry`'s. A refused training leaves a row that says
why, and leaves the old model in service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.lib.money import exponent
from retainstream.models import JobRun, ModelVersion
from retainstream.security.actor import Actor
from retainstream.services import (
    as_of,
    audit,
    churn_definitions,
    datasets,
    forward_training,
    jobs,
    preferences,
    registry,
)
from retainstream.services.datasets import Dataset

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor, Economics, Verdict
    from retainstream.ml.asof.columns import History

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
    if looks_ahead(session, asked.get("definition_id")):
        forward_training.check(
            session,
            forward_training.Asked(
                as_of=asked.get("as_of"), ignore_silent_feeds=bool(asked.get("ignore_silent_feeds"))
            ),
        )
    else:
        if asked.get("as_of") is not None:
            raise InvalidInput(
                "A labelled column says who has left, and not when: it cannot be looked at as of a day.",
                fields={"as_of": ["only for a churn definition that looks ahead"]},
            )
        datasets.ready_to_train(session, asked.get("exclude", ()))
    return jobs.enqueue(session, actor, "train", asked, dedupe_key=DEDUPE_KEY)


def looks_ahead(session: Session, definition_id: int | None = None) -> bool:
    """Tell whether a training would look ahead: whether the churn definition asked for, or the one in force, is a rule."""
    definition = forward_training.definition_for(session, definition_id)
    return definition is not None and churn_definitions.rule_of(definition) is not None


def run(context: jobs.JobContext) -> dict[str, object]:
    """Train a model and record it: one that looks ahead where the churn definition is a rule, else one of every labelled customer.

    Returns
    -------
    dict
        `model_version`, `servable`, `verdict`, `metrics`, `champion` (whether it went into service) and `score_job`.

    Raises
    ------
    NotReady
        When it could not start: no data, no label, an import in progress, a silent feed. A training that was judged and refused succeeds.
    """
    options = Options.of(context.payload, context.settings)
    with read_unit() as session:
        done = registry.version_of_job(session, context.job_id)
        if done is not None:
            return _result(session, done, _scoring_by(session, done))
        forward = looks_ahead(session, forward_training.Asked.of(context.payload, context.settings).definition_id)
    return _run_forward(context, options) if forward else _run_snapshot(context, options)


def _run_snapshot(context: jobs.JobContext, options: Options) -> dict[str, object]:
    with read_unit() as session:
        data = datasets.training_set(session, exclude=options.exclude)
        economics = economics_of(session, context.settings)
    context.progress("reading", _FIT_FROM)
    trained = _train(context, data, options, economics)
    context.progress("saving", _FIT_TO)
    with context.holding_unit() as session:
        return _record(session, context, data, options, trained)


def _run_forward(context: jobs.JobContext, options: Options) -> dict[str, object]:
    context.progress("reading", 0.01)
    asked = forward_training.Asked.of(context.payload, context.settings)
    with read_unit() as session:
        material, history = forward_training.gather(session, context.settings, asked)
    history = history.cut(material.moment)  # the whole one is let go
    return train_forward(context, material, history, asked, options)


def train_forward(
    context: jobs.JobContext,
    material: forward_training.Material,
    history: History,
    asked: forward_training.Asked,
    options: Options,
    *,
    part: float = 1.0,
) -> dict[str, object]:
    """Train a model that looks ahead and record it, served or refused; return what `run` does.

    Parameters
    ----------
    history : History
        Cut at the material's moment.
    part : float
        The share of the whole job that this training is.
    """
    with read_unit() as session:
        economics = economics_of(session, context.settings)
        known = as_of.dictionary(session, history)
    report = _reporter(context, part)
    try:
        trained = forward_training.train(
            material, history, known, asked, economics, threads=context.threads, progress=report
        )
    except OutOfTimeError:
        trained = forward_training.Trained(_too_long(context), registry.FORWARD, tuple(known))
    data_as_of = forward_training.newest_known(history)
    context.progress("saving", part * _FIT_TO)
    with context.holding_unit() as session:
        version = forward_training.record(session, context, material, asked, trained, data_as_of)
        score_job = _put_into_service(session, context, version, options)
        session.flush()
        return _result(session, version, score_job)


def economics_of(session: Session, settings: Settings) -> Economics:
    """Return what reaching a customer costs and brings, in the currency's main unit."""
    from retainstream.ml import Economics

    chosen = preferences.read(session)
    unit = 10 ** exponent(settings.currency)
    return Economics(
        acceptance=chosen.acceptance,
        value=max(chosen.value_minor, 1) / unit,
        cost=chosen.contact_cost_minor / unit,
        incentive=chosen.incentive_minor / unit,
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
        return Trained(_too_long(context), aborted=True)
    except ValueError as refused:
        return Trained(Verdict(False, "cannot_train", str(refused)))
    verdict = assess(predictor.report_)
    return Trained(verdict, predictor, predictor.to_artifact() if verdict.ok else None)


def _too_long(context: jobs.JobContext) -> Verdict:
    from retainstream.ml import Verdict

    minutes = context.settings.train_minutes
    return Verdict(False, "out_of_time", f"The training was ended after {minutes:,} minutes, the longest it may take.")


def _reporter(context: jobs.JobContext, part: float = 1.0) -> Callable[[str, float], None]:
    """Return the callback that turns the fit's share into the job's, and ends a training that takes too long."""
    ends = clock.monotonic() + context.settings.train_minutes * 60

    def report(phase: str, share: float) -> None:
        if clock.monotonic() > ends:
            raise OutOfTimeError
        context.progress(phase, part * (_FIT_FROM + (_FIT_TO - _FIT_FROM) * share))

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
    score_job = _put_into_service(session, context, version, options)
    session.flush()
    return _result(session, version, score_job)


def _put_into_service(
    session: Session, context: jobs.JobContext, version: ModelVersion, options: Options
) -> int | None:
    """Promote a version that may be served, where that was asked for, and queue the scoring by it; return that job's id.

    A simple rule, made where there is too little for a model, does not take the place of a model that looks ahead.
    """
    current = registry.champion(session)
    lesser = version.kind == registry.SIMPLE_RULE and current is not None and current.kind == registry.FORWARD
    if not (version.servable and options.promote) or lesser:
        return None
    reason = "first model" if current is None else "newly trained"
    registry.promote(session, context.actor, version.id, reason)
    return queue_scoring(session, context.actor, version.id) if options.score else None


def queue_scoring(session: Session, actor: Actor, version_id: int) -> int | None:
    """Queue the scoring of everybody by a version that has come into service; None when that is queued or running already.

    The key names the version: a scoring that is about to end with the version before must not stand in for this one.
    """
    try:
        return jobs.enqueue(session, actor, "score", {"scope": "all"}, dedupe_key=_scoring_key(version_id)).id
    except Conflict:
        return None


def _scoring_key(version_id: int) -> str:
    return f"score:all:{version_id}"


def _scoring_by(session: Session, version: ModelVersion) -> int | None:
    """Return the scoring that was queued when a version was recorded: what an attempt that was killed after that could not say any more."""
    own = (JobRun.dedupe_key == _scoring_key(version.id), JobRun.created_at >= version.trained_at)
    return session.scalar(select(func.min(JobRun.id)).where(*own))


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


def _result(session: Session, version: ModelVersion, score_job: int | None) -> dict[str, object]:
    current = registry.champion(session)
    return {
        "model_version": version.id,
        "servable": version.servable,
        "verdict": version.verdict,
        "metrics": version.report.get("metrics", {}),
        "champion": current is not None and current.version_id == version.id,
        "score_job": score_job,
    }
