"""What would this have said on a past day? A model and scores of nothing but what was known then, held against who really left.

A replay is an ordinary run of training and scoring on a history that is cut at the day. It appears in the customers' history, and touches
neither scores in force nor aliases nor customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import Identity, JobRun, ModelVersion, ScoringRun
from retainstream.security.actor import Actor
from retainstream.services import as_of, audit, forward_training, jobs, performance, registry, training
from retainstream.services.forward_training import Asked
from retainstream.services.performance import figures
from retainstream.services.preferences import BAND_NAMES
from retainstream.services.scoring import computing, reading, single, writing
from retainstream.services.scoring.job import done_before

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.services.scoring.computing import Ranks, Scores, Work

ROLE = "replay"
TRAIN, EARLIER = "train", "earlier"
TOP = 20
_TRAINED_TO = 0.6


@dataclass(frozen=True)
class Wanted:
    """What a replay was asked for.

    Attributes
    ----------
    as_of : int
        The day, microseconds UTC at its start.
    model : str or int
        `train`: one trained as of that day; `earlier`: the newest version that knew no more than that day; or a version's id.
    keep_scores : bool, optional
        Whether the scores go into the customers' history; None keeps them unless the model has hindsight.
    training : Asked
        How a model is trained, where one is.
    """

    as_of: int
    model: str | int
    keep_scores: bool | None
    training: Asked

    @classmethod
    def of(cls, payload: dict[str, Any], settings: Settings) -> Wanted:
        """Return what a job's payload asks for."""
        asked = Asked.of(payload, settings)
        assert asked.as_of is not None
        return cls(asked.as_of, payload.get("model") or TRAIN, payload.get("keep_scores"), asked)


def request(session: Session, actor: Actor, options: dict[str, Any]) -> JobRun:
    """Queue a replay.

    Raises
    ------
    InvalidInput
        When the day lies beyond the end of the data, or an earlier model is asked for together with another definition.
    NotReady
        Without history, while an import is being applied, without a definition that looks ahead, and when there is no model to replay.
    NotFound, Conflict
        When the version asked for does not exist, or cannot look ahead; Conflict when the same replay is queued or running.
    """
    payload = {key: value for key, value in options.items() if value is not None}
    payload["as_of"] = day = forward_training.check(session, Asked(as_of=payload["as_of"]))
    model = payload.setdefault("model", TRAIN)
    if model == TRAIN:
        if not training.looks_ahead(session, payload.get("definition_id")):
            raise NotReady(
                "No churn definition that looks ahead is in force, so there is nothing to train as of a day."
            )
    else:
        _stored_version(session, model, payload.get("definition_id"), day)
    key = f"replay:{day}:{model}:{payload.get('definition_id') or ''}"
    return jobs.enqueue(session, actor, "replay", payload, dedupe_key=key)


def _stored_version(session: Session, model: str | int, definition_id: int | None, day: int) -> registry.Version:
    """Return the version that is to be replayed; errors as of `request`."""
    if model == EARLIER:
        definition = forward_training.definition_for(session, definition_id)
        query = select(ModelVersion.id).where(
            ModelVersion.artifact_sha256.is_not(None), ModelVersion.as_of.is_not(None), ModelVersion.as_of <= day
        )
        if definition is not None:
            query = query.where(ModelVersion.definition_id == definition.id)
        found = session.scalar(query.order_by(ModelVersion.as_of.desc(), ModelVersion.id.desc()).limit(1))
        if found is None:
            raise NotReady(
                f"No model under this definition knew only what was known before {_day(day)}; let the replay train one."
            )
        return registry.loadable(session, found)
    version = registry.loadable(session, int(model))
    if not version.forward:
        raise Conflict(f"Model version {version.version_id} is a snapshot: it cannot look ahead from a day.")
    if definition_id is not None and definition_id != version.definition_id:
        raise InvalidInput(
            f"Model version {version.version_id} belongs to churn definition {version.definition_id}.",
            fields={"definition_id": ["that of the model, or none"]},
        )
    return version


def run(context: jobs.JobContext) -> dict[str, object]:
    """Score everybody who was a customer on a day with what was known then, and compare with what happened.

    Returns
    -------
    dict
        `run_id` (None when the scores are not kept), `as_of`, `model_version`, `hindsight` (whether that model knew of later days),
        `n_scored`, counts, `outcome` (see `judge`) and `top`, the list that a team would have worked through.

    Raises
    ------
    NotReady
        When too little was known on that day for a model; says what is missing.
    """
    wanted = Wanted.of(context.payload, context.settings)
    with read_unit() as session:
        done = done_before(session, context.job_id)
    if done is not None:
        return _taken_up(context, done)
    writing.clean_up(context)
    context.progress("reading", 0.01)
    version_id, history = _model(context, wanted)
    with read_unit() as session:
        source = reading.forward_source(session, registry.loadable(session, version_id))
        if history is None:
            properties = single.properties_of(source.predictor.features_)
            history = as_of.history(session, context.settings, properties=properties)
        data_end = as_of.data_end(session)
    context.progress("features", _TRAINED_TO + 0.02)
    work = reading.forward_work(source, history.cut(wanted.as_of), wanted.as_of, scope="all", role=ROLE)
    keep = not _hindsight(work) if wanted.keep_scores is None else wanted.keep_scores
    run_id = writing.begin(context, work) if keep else None
    try:
        scores = computing.score(
            context, work, lambda part, so_far: _keep(context, work, so_far, run_id, part), _TRAINED_TO
        )
        ranks = computing.rank(work, scores, work.rows.revenue_minor[:0])
        context.progress("judging", 0.92)
        judged = judge(source.rule, history, work, scores, data_end)
        result = _finish(context, work, run_id, scores, ranks, judged)
    except jobs.JobLost:
        raise
    except Exception:
        writing.clean_up(context)
        raise
    if run_id is not None:
        performance.judge_runs(context, [run_id], history, data_end, part=(0.96, 1.0))
    return result


def _hindsight(work: Work) -> bool:
    """Tell whether the model knew of later days than the one that it scores."""
    return work.model.as_of is not None and work.model.as_of > work.as_of


def _taken_up(context: jobs.JobContext, done: ScoringRun) -> dict[str, object]:
    """Judge a run that an attempt completed before it was killed, unless it came to that as well; return what the run says."""
    with read_unit() as session:
        data_end = as_of.data_end(session)
        history = as_of.history(session, context.settings)
    performance.judge_runs(context, [done.id], history, data_end, part=(0.96, 1.0))
    return writing.result_of(done)


def _keep(context: jobs.JobContext, work: Work, scores: Scores, run_id: int | None, part: slice) -> None:
    if run_id is not None:
        writing.history(context, work, scores, run_id, part)


def _model(context: jobs.JobContext, wanted: Wanted) -> tuple[int, History | None]:
    """Return the version to score with, trained now where that was asked for, and the whole history if that was read for it."""
    with read_unit() as session:
        trained = registry.version_of_job(session, context.job_id)
        if trained is not None and trained.servable:
            return trained.id, None
        if wanted.model != TRAIN:
            return _stored_version(session, wanted.model, wanted.training.definition_id, wanted.as_of).version_id, None
        if trained is not None:
            raise NotReady(_refused(wanted.as_of, trained.verdict))
        material, history = forward_training.gather(session, context.settings, wanted.training)
    options = training.Options(seed=wanted.training.seed, trials=wanted.training.trials, promote=False, score=False)
    known_then = history.cut(material.moment)
    result = training.train_forward(context, material, known_then, wanted.training, options, part=_TRAINED_TO)
    if not result["servable"]:
        raise NotReady(_refused(wanted.as_of, cast("dict[str, object]", result["verdict"])))
    return cast(int, result["model_version"]), history


def _refused(day: int, verdict: dict[str, object]) -> str:
    return f"As of {_day(day)} no model could have been put into service: {verdict.get('message', '')}"


@dataclass(frozen=True)
class Judged:
    """What became of the scored: `y` is 1 left, 0 stayed, -1 left out, in their order; None while the window is open.

    `outcome` has `closed`, and `open_until` while the window has not closed for certain; else `left_out` by reason, and the figures of
    `retainstream.ml.performance.realised`: AUC, calibration, and who was found among the first so many.
    """

    outcome: dict[str, object]
    y: np.ndarray | None = None


def judge(rule: ChurnRule, history: History, work: Work, scores: Scores, data_end: int) -> Judged:
    """Hold scores against what happened up to the end of the data."""
    from retainstream.ml.asof.outcomes import labels
    from retainstream.ml.performance import realised

    closes = work.as_of + rule.maturity_us
    if closes > data_end:
        message = f"The window is still open until {_day(closes)}: what became of these customers is not known for certain yet."
        return Judged({"closed": False, "open_until": clock.iso(closes), "message": message})
    found = labels(rule, history, work.rows.ids, work.as_of, data_end)
    judged = found.y >= 0
    probability = None if scores.probability is None else scores.probability[judged]
    n = int(judged.sum())
    turned_out = realised(scores.margin[judged], probability, found.y[judged], capacities=figures.capacities(n))
    told = {"left_out": found.left_out, **figures.presented(turned_out)}
    return Judged({"closed": True, "open_until": None, **told}, found.y)


def _finish(
    context: jobs.JobContext, work: Work, run_id: int | None, scores: Scores, ranks: Ranks, judged: Judged
) -> dict[str, object]:
    """Make the run count, in one commit, and return what the job says of it."""
    summary = {
        **computing.summary(work, scores, ranks),
        "hindsight": _hindsight(work),
        "outcome": judged.outcome,
        "top": _top(work, scores, ranks, judged.y),
    }
    with context.holding_unit() as session:
        audit.record(session, context.actor, "scores.replay", "scoring_run", run_id)
        if run_id is not None:
            found = writing.complete(session, run_id, len(work.rows), summary, computing.histograms(scores))
            session.flush()
            return writing.result_of(found)
    return {
        "run_id": None,
        "model_version": work.model.version_id,
        "scope": work.scope,
        "as_of": clock.iso(work.as_of),
        "n_scored": len(work.rows),
        **summary,
    }


def _top(work: Work, scores: Scores, ranks: Ranks, y: np.ndarray | None) -> list[dict[str, object]]:
    """Return the first of the list that a team would have worked through. Customers are named by their row: results outlive an erasure."""
    import numpy as np

    return [
        {
            "customer_id": int(work.rows.ids[i]),
            "margin": float(scores.margin[i]),
            "churn_probability": None if scores.probability is None else float(scores.probability[i]),
            "risk_percentile": float(ranks.percentile[i]),
            "risk_band": BAND_NAMES[int(ranks.band[i])],
            "left": None if y is None or y[i] < 0 else bool(y[i]),
        }
        for i in np.lexsort((work.rows.ids, -scores.margin))[:TOP].tolist()
    ]


def found(session: Session, job_id: int) -> dict[str, object]:
    """Return what a replay found, its list by the owner's identifiers; who was erased since is not in it.

    Raises
    ------
    NotFound
        When there is no such replay.
    Conflict
        While it is not done, or when it did not come about.
    """
    job = jobs.get(session, job_id)
    if job.kind != "replay":
        raise NotFound(f"There is no replay {job_id}; job {job_id} is of the kind {job.kind}.")
    if job.state != "succeeded" or job.result is None:
        raise Conflict(f"Replay {job_id} is {job.state}, so it has found nothing yet.", detail={"state": job.state})
    result = cast("dict[str, Any]", dict(job.result))
    ids = [item["customer_id"] for item in result["top"]]
    query = select(Identity.customer_id, Identity.user_id).where(Identity.customer_id.in_(ids))
    names: dict[int, str] = {row.customer_id: row.user_id for row in session.execute(query)}
    result["top"] = [
        {"user_id": names[item["customer_id"]], **{key: value for key, value in item.items() if key != "customer_id"}}
        for item in result["top"]
        if item["customer_id"] in names
    ]
    return {"job_id": job_id, **result}


def _day(instant: int) -> str:
    return str(clock.iso(instant))[:10]
