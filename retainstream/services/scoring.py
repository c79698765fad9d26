"""The score job: scores customers with the champion, keeps the history, and puts all latest scores in force in one commit.

Heavy work happens between units of work. Until the last commit the run is `running` and nobody sees its rows; a run that was killed is
marked abandoned and its history removed by the next attempt. Presenting scores is `services.predictions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.models import Customer, FeatureSet, JobRun, LatestScore, ScoreHistory, ScoringRun
from retainstream.services import audit, datasets, jobs, preferences, registry, revisions
from retainstream.services.datasets import Dataset
from retainstream.services.preferences import BAND_NAMES, Preferences

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml import ChurnPredictor

PREDICTED_FROM_BAND = 2
"""From this band on (high) a customer is predicted to leave: `predicted_churners` is the length of the list that opens."""
REASONS_KEPT = 5
HISTOGRAM_BINS = 20
_CHUNK = 50_000
_WRITE = 4_000
_ERASE_SPAN = 50_000
_TRIES = 3
_Z95 = 1.959964


@dataclass(frozen=True)
class Work:
    """What a run has in hand: the model, the customers, and the row of the run."""

    champion: registry.Champion
    predictor: ChurnPredictor
    data: Dataset
    preferences: Preferences
    scope: str
    as_of: int
    feature_hash: str


@dataclass
class Scores:
    """Scores of n customers in the order of the data set; `probability` is None when the model is not calibrated."""

    margin: np.ndarray
    p0: np.ndarray
    p1: np.ndarray
    probability: np.ndarray | None
    reasons: list[str] = field(default_factory=list)
    notices: dict[int, list[list[str]]] = field(default_factory=dict)
    recomputed: int = 0

    @classmethod
    def empty(cls, n: int, *, calibrated: bool) -> Scores:
        """Return room for n scores."""
        import numpy as np

        return cls(np.empty(n), np.empty(n), np.empty(n), np.empty(n) if calibrated else None)


def run(context: jobs.JobContext) -> dict[str, object]:
    """Score all customers that have not left (payload scope `all`, the default), or those in `customer_ids` (scope `ids`).

    Returns
    -------
    dict
        `run_id`, `model_version`, `n_scored` and the run's summary.

    Raises
    ------
    NotReady
        When no model is in service.
    Conflict
        When the model in service changed again and again while it was scoring.
    """
    scope, customer_ids = _scope(context.payload)
    with read_unit() as session:
        done = _done_before(session, context.job_id)
    if done is not None:
        return done
    _clean_up(context)
    for _ in range(_TRIES):
        result = _attempt(context, scope, customer_ids)
        if result is not None:
            return result
    raise Conflict("The model in service changed while customers were being scored; score again.")


def _scope(payload: dict[str, Any]) -> tuple[str, list[int] | None]:
    scope = payload.get("scope", "all")
    if scope == "all":
        return "all", None
    if scope == "ids" and isinstance(payload.get("customer_ids"), list):
        return "ids", [int(one) for one in payload["customer_ids"]]
    raise InvalidInput("The scope of a scoring is all, or ids with customer_ids.", fields={"scope": ["all or ids"]})


def _done_before(session: Session, job_id: int) -> dict[str, object] | None:
    """Return the result when an earlier run of this very job got as far as its last commit."""
    queued_at = session.scalar(sa.select(JobRun.created_at).where(JobRun.id == job_id)) or 0
    query = sa.select(ScoringRun).where(
        ScoringRun.job_id == job_id, ScoringRun.state == "complete", ScoringRun.started_at >= queued_at
    )
    found = session.scalar(query)
    return None if found is None else _result(found)


def _result(found: ScoringRun) -> dict[str, object]:
    return {
        "run_id": found.id,
        "model_version": found.model_version_id,
        "scope": found.scope,
        "n_scored": found.n_scored,
        **found.summary,
    }


def _attempt(context: jobs.JobContext, scope: str, customer_ids: list[int] | None) -> dict[str, object] | None:
    """Score once; None when another model went into service meanwhile, so that these scores must not count."""
    context.progress("reading", 0.02)
    work = _read(scope, customer_ids)
    run_id = _begin(context, work)
    try:
        scores = _score(context, work, run_id)
        ranks = _ranks(work, scores)
        context.progress("saving", 0.9)
        result = _finish(context, work, run_id, scores, ranks)
    except jobs.JobLost:
        raise  # whoever holds the job now takes this run's rows away
    except Exception:
        _clean_up(context)
        raise
    if result is None:
        _clean_up(context)
    return result


def _read(scope: str, customer_ids: list[int] | None) -> Work:
    with read_unit() as session:
        current = registry.required_champion(session)
        predictor = registry.load(session, current.version_id, current.sha256)
        names = [spec.name for spec in predictor.features_]
        data = datasets.scoring_set(session, customer_ids, names=names)
        feature_hash = session.scalar(sa.select(FeatureSet.sha256).where(FeatureSet.id == current.feature_set_id)) or ""
        return Work(current, predictor, data, preferences.read(session), scope, clock.now_us(), feature_hash)


def _begin(context: jobs.JobContext, work: Work) -> int:
    with context.holding_unit() as session:
        found = ScoringRun(
            model_version_id=work.champion.version_id,
            role=registry.CHAMPION,
            scope=work.scope,
            state="running",
            as_of=work.as_of,
            data_as_of=work.data.data_as_of or work.as_of,
            definition_id=work.champion.definition_id,
            feature_hash=work.feature_hash,
            started_at=clock.now_us(),
            job_id=context.job_id,
        )
        session.add(found)
        session.flush()
        return found.id


def _score(context: jobs.JobContext, work: Work, run_id: int) -> Scores:
    """Score chunk by chunk outside of any unit, and write each chunk's history, which nobody reads before the run is complete."""
    n = len(work.data)
    scores = Scores.empty(n, calibrated=work.predictor.report_.calibration.passed)
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        _score_chunk(work, scores, start, stop, context.threads)
        _write_history(context, work.data, scores, run_id, slice(start, stop))
        context.progress("scoring", 0.05 + 0.83 * stop / n)
    return scores


def _score_chunk(work: Work, scores: Scores, start: int, stop: int, threads: int) -> None:
    """Fill one chunk. A customer that was in training is scored by what never saw it; the predictor knows them by id."""
    from retainstream.ml.wording import compact_reasons

    served = work.predictor.served_
    frame = work.data.frame.iloc[start:stop]
    base = served.encoder.base(frame)
    fold = served.folds_of(stop - start, work.data.ids[start:stop])
    margin, found = served.explained(base, fold, threads)
    scores.margin[start:stop] = margin
    scores.p0[start:stop], scores.p1[start:stop] = served.intervals(margin, fold)
    if scores.probability is not None:
        scores.probability[start:stop] = served.calibrated(margin, fold)
    scores.recomputed += found.recomputed
    scores.reasons += compact_reasons(found.values, groups=served.correlated, top=REASONS_KEPT)
    _note(scores, frame, base, [spec.name for spec in served.specs], start)


def _note(scores: Scores, frame: Any, base: np.ndarray, names: list[str], start: int) -> None:
    """Keep which values were missing, and which the model could not read: a category that it does not know."""
    import numpy as np

    for j, name in enumerate(names):
        empty = np.flatnonzero(np.isnan(base[:, j]))
        if len(empty):
            absent = frame[name].isna().to_numpy()[empty]
            for i, missing in zip(empty.tolist(), absent.tolist(), strict=True):
                scores.notices.setdefault(start + i, []).append([name, "missing" if missing else "unseen"])


def _write_history(context: jobs.JobContext, data: Dataset, scores: Scores, run_id: int, part: slice) -> None:
    """Append a chunk to the history, but for customers that were erased since they were read."""
    rows = zip(data.ids[part].tolist(), scores.margin[part].tolist(), data.version_ids[part].tolist(), strict=True)
    values = [(one, run_id, margin, version, one) for one, margin, version in rows]
    sql = "INSERT INTO score_history (customer_id, run_id, margin, version_id) SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM customers WHERE id = ?)"
    with context.holding_unit() as session:
        _many(session, sql, values)


def _many(session: Session, sql: str, rows: list[tuple[Any, ...]]) -> None:
    connection = session.connection()
    for start in range(0, len(rows), _WRITE):
        connection.exec_driver_sql(sql, rows[start : start + _WRITE])


@dataclass(frozen=True)
class Ranks:
    """Place of each customer among the scored (0 to 1, 1 nearest to leaving), and the band that follows."""

    percentile: np.ndarray
    band: np.ndarray


def _ranks(work: Work, scores: Scores) -> Ranks:
    """Rank among all scored customers: those of this run, and for a run over some customers also all the others in force."""
    import numpy as np

    everybody = np.sort(scores.margin)
    if work.scope != "all":
        with read_unit() as session:
            others = session.execute(
                sa.select(LatestScore.customer_id, LatestScore.margin)
                .join(ScoringRun, ScoringRun.id == LatestScore.run_id)
                .where(ScoringRun.model_version_id == work.champion.version_id)
            ).all()
        if others:
            ids, margins = (np.asarray(part) for part in zip(*others, strict=True))
            everybody = np.sort(np.append(scores.margin, margins[~np.isin(ids, work.data.ids)]))
    below = np.searchsorted(everybody, scores.margin, side="left")
    upto = np.searchsorted(everybody, scores.margin, side="right")
    percentile = (below + upto) / (2.0 * max(len(everybody), 1))  # ties share the middle of their places
    edges, value = (
        (work.preferences.percentile_bands, percentile)
        if scores.probability is None
        else (work.preferences.risk_bands, scores.probability)
    )
    return Ranks(percentile, np.searchsorted(np.asarray(edges), value, side="right"))


def _latest_rows(work: Work, run_id: int, scores: Scores, ranks: Ranks) -> Iterator[tuple[Any, ...]]:
    import json

    n = len(work.data)
    probability = [None] * n if scores.probability is None else scores.probability.tolist()
    columns = (
        work.data.ids.tolist(), scores.margin.tolist(), probability, scores.p0.tolist(), scores.p1.tolist(), ranks.percentile.tolist(),
        ranks.band.tolist(), scores.reasons,
    )  # fmt: skip
    for i, (one, margin, p, p0, p1, percentile, band, reasons) in enumerate(zip(*columns, strict=True)):
        noted = scores.notices.get(i)
        notices = None if noted is None else json.dumps(noted, separators=(",", ":"), ensure_ascii=False)
        yield one, run_id, margin, p, p0, p1, percentile, band, band >= PREDICTED_FROM_BAND, reasons, notices, one


_INSERT_LATEST = (
    "INSERT INTO latest_scores (customer_id, run_id, margin, probability, p0, p1, percentile, band, predicted, reasons, notices)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM customers WHERE id = ?)"
)


def _finish(
    context: jobs.JobContext, work: Work, run_id: int, scores: Scores, ranks: Ranks
) -> dict[str, object] | None:
    """Put the scores in force: one commit. None, and nothing written, when another model is in service by now."""
    rows = list(_latest_rows(work, run_id, scores, ranks))
    summary, histograms = _summary(work, scores, ranks), _histograms(scores)
    with context.holding_unit() as session:
        current = registry.champion(session)
        if current is None or current.version_id != work.champion.version_id:
            return None
        if work.scope == "all":
            session.execute(sa.delete(LatestScore))
        else:
            _many(session, "DELETE FROM latest_scores WHERE customer_id = ?", [(row[0],) for row in rows])
        _many(session, _INSERT_LATEST, rows)
        found = session.get_one(ScoringRun, run_id)
        found.state, found.finished_at = "complete", clock.now_us()
        found.n_scored, found.summary, found.histograms = len(rows), summary, histograms
        revisions.bump(session, "scores")
        audit.record(session, context.actor, "scores.run", "scoring_run", run_id)
        session.flush()
        return _result(found)


def _summary(work: Work, scores: Scores, ranks: Ranks) -> dict[str, object]:
    """Sum a run up. Figures made of probabilities are None when the model's are not to be shown.

    The interval of the expected number of churners is that of a sum of independent yes/no outcomes (Poisson binomial), by the normal
    approximation: it covers chance alone, not the model's own error.
    """
    import numpy as np

    n = len(work.data)
    counts = np.bincount(ranks.band, minlength=len(BAND_NAMES))
    missing: dict[str, int] = {}
    unseen: dict[str, int] = {}
    for noted in scores.notices.values():
        for name, kind in noted:
            where = missing if kind == "missing" else unseen
            where[name] = where.get(name, 0) + 1
    summary: dict[str, object] = {
        "predicted_churners": int(counts[PREDICTED_FROM_BAND:].sum()),
        "bands": {name: int(count) for name, count in zip(BAND_NAMES, counts, strict=True)},
        "recomputed_share": scores.recomputed / max(n, 1),
        "missing_values": missing,
        "unseen_categories": unseen,
        "expected_churners": None,
        "expected_churners_interval": None,
        "average_probability": None,
        "revenue_at_risk_minor": None,
    }
    p = scores.probability
    if p is not None:
        expected, spread = float(p.sum()), _Z95 * float(np.sqrt((p * (1 - p)).sum()))
        summary |= {
            "expected_churners": expected,
            "expected_churners_interval": [max(expected - spread, 0.0), min(expected + spread, float(n))],
            "average_probability": float(p.mean()) if n else None,
            "revenue_at_risk_minor": round(float(np.nansum(work.data.revenue_minor * p))),
        }
    return summary


def _histograms(scores: Scores) -> dict[str, object]:
    """Return counts in 20 equal bins of the margin and of the probability, with the edges: what drift is later measured against."""
    import numpy as np

    found: dict[str, object] = {}
    for name, values, limits in (("margin", scores.margin, None), ("probability", scores.probability, (0.0, 1.0))):
        if values is not None and len(values):
            counts, edges = np.histogram(values, bins=HISTOGRAM_BINS, range=limits)
            found[name] = {"counts": counts.tolist(), "edges": [round(float(edge), 6) for edge in edges]}
    return found


def _clean_up(context: jobs.JobContext) -> None:
    """Take away what unfinished runs left. Jobs run one at a time, so a run that is still `running` has nobody behind it.

    The history is keyed by customer, so it is walked in spans of ids: short writes, however long the table. The run is marked last, so
    that a kill half-way leaves the rest to the next attempt.
    """
    with read_unit() as session:
        dead = list(session.scalars(sa.select(ScoringRun.id).where(ScoringRun.state == "running")))
        first, last = session.execute(sa.select(sa.func.min(Customer.id), sa.func.max(Customer.id))).one()
    if not dead:
        return
    for start in range(first or 0, (last or 0) + 1, _ERASE_SPAN):
        span = ScoreHistory.customer_id.between(start, start + _ERASE_SPAN - 1)
        with context.holding_unit() as session:
            session.execute(sa.delete(ScoreHistory).where(span, ScoreHistory.run_id.in_(dead)))
    with context.holding_unit() as session:
        session.execute(
            sa.update(ScoringRun).where(ScoringRun.id.in_(dead)).values(state="abandoned", finished_at=clock.now_us())
        )
