"""What a run leaves in the database: its row, the history as it goes, and at the end the scores in force with what follows from the rule."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import Customer, LatestScore, ScoreHistory, ScoringRun
from retainstream.services import audit, jobs, registry, revisions
from retainstream.services.scoring import computing, standings
from retainstream.services.scoring.computing import PREDICTED_FROM_BAND, Ranks, Scores, Work

_WRITE = 4_000
_ERASE_SPAN = 50_000


def begin(context: jobs.JobContext, work: Work) -> int:
    """Add the run's row, which counts for nothing until the run is complete, and return its id."""
    with context.holding_unit() as session:
        found = ScoringRun(
            model_version_id=work.model.version_id,
            role=work.role,
            scope=work.scope,
            state="running",
            as_of=work.as_of,
            data_as_of=work.rows.data_as_of or work.as_of,
            definition_id=work.model.definition_id,
            feature_hash=work.feature_hash,
            started_at=clock.now_us(),
            job_id=context.job_id,
        )
        session.add(found)
        session.flush()
        return found.id


def history(context: jobs.JobContext, work: Work, scores: Scores, run_id: int, part: slice) -> None:
    """Append a chunk to the history, which nobody reads before the run is complete, but for customers that were erased since they were read."""
    ids = work.rows.ids[part].tolist()
    versions: list[int | None] = (
        [None] * len(ids) if work.rows.version_ids is None else work.rows.version_ids[part].tolist()
    )
    rows = zip(ids, scores.margin[part].tolist(), versions, strict=True)
    values = [(one, run_id, margin, version, one) for one, margin, version in rows]
    sql = "INSERT INTO score_history (customer_id, run_id, margin, version_id) SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM customers WHERE id = ?)"
    with context.holding_unit() as session:
        _many(session, sql, values)


def _many(session: Session, sql: str, rows: list[tuple[Any, ...]]) -> None:
    connection = session.connection()
    for start in range(0, len(rows), _WRITE):
        connection.exec_driver_sql(sql, rows[start : start + _WRITE])


def _latest_rows(work: Work, run_id: int, scores: Scores, ranks: Ranks) -> Iterator[tuple[Any, ...]]:
    n = len(work.rows)
    probability = [None] * n if scores.probability is None else scores.probability.tolist()
    values_behind: Sequence[str | None] = scores.reason_values or [None] * n
    columns = (
        work.rows.ids.tolist(), scores.margin.tolist(), probability, scores.p0.tolist(), scores.p1.tolist(), ranks.percentile.tolist(),
        ranks.band.tolist(), scores.reasons, values_behind,
    )  # fmt: skip
    for i, (one, margin, p, p0, p1, percentile, band, reasons, values) in enumerate(zip(*columns, strict=True)):
        noted = scores.notices.get(i)
        notices = None if noted is None else json.dumps(noted, separators=(",", ":"), ensure_ascii=False)
        predicted = band >= PREDICTED_FROM_BAND
        yield one, run_id, margin, p, p0, p1, percentile, band, predicted, reasons, notices, values, one


_INSERT_LATEST = (
    "INSERT INTO latest_scores (customer_id, run_id, margin, probability, p0, p1, percentile, band, predicted, reasons, notices, reason_values)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM customers WHERE id = ?)"
)


def put_in_force(
    context: jobs.JobContext, work: Work, run_id: int, scores: Scores, ranks: Ranks
) -> dict[str, object] | None:
    """Put the scores in force: one commit. None, and nothing written, when another model is in service by now.

    With a run of a forward-looking model over everybody, who has left by its rule is written down in the same commit.
    """
    rows = list(_latest_rows(work, run_id, scores, ranks))
    summary, histograms = computing.summary(work, scores, ranks), computing.histograms(scores)
    with context.holding_unit() as session:
        current = registry.champion(session)
        if current is None or current.version_id != work.model.version_id:
            return None
        if work.scope == "all":
            session.execute(sa.delete(LatestScore))
            if work.standings is not None and standings.write(session, work.standings):
                revisions.bump(session, "customers")
        else:
            _many(session, "DELETE FROM latest_scores WHERE customer_id = ?", [(row[0],) for row in rows])
        _many(session, _INSERT_LATEST, rows)
        found = complete(session, run_id, len(rows), summary, histograms)
        audit.record(session, context.actor, "scores.run", "scoring_run", run_id)
        if work.scope == "all":
            _have_analyses_follow(session, context)
        session.flush()
        return result_of(found)


def _have_analyses_follow(session: Session, context: jobs.JobContext) -> None:
    with contextlib.suppress(Conflict):  # one that is queued already sees these scores, too
        jobs.enqueue(session, context.actor, "analyse", {}, dedupe_key="analyse")


def complete(
    session: Session, run_id: int, n_scored: int, summary: dict[str, object], histograms: dict[str, object]
) -> ScoringRun:
    """Mark a run as complete, from which moment its history counts; the caller commits."""
    found = session.get_one(ScoringRun, run_id)
    found.state, found.finished_at = "complete", clock.now_us()
    found.n_scored, found.summary, found.histograms = n_scored, summary, histograms
    revisions.bump(session, "scores")
    return found


def result_of(found: ScoringRun) -> dict[str, object]:
    """Return what the job that made a run says of it."""
    return {
        "run_id": found.id,
        "model_version": found.model_version_id,
        "scope": found.scope,
        "as_of": clock.iso(found.as_of),
        "n_scored": found.n_scored,
        **found.summary,
    }


def clean_up(context: jobs.JobContext) -> None:
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
