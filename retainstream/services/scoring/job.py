"""The order of a scoring run: read, score chunk by chunk, rank, put in force; and cleaning up after runs that did not get there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import Conflict, InvalidInput
from retainstream.models import JobRun, ScoringRun
from retainstream.services import jobs
from retainstream.services.scoring import computing, reading, writing

_TRIES = 3


def run(context: jobs.JobContext, whom: Sequence[int] | None = None) -> dict[str, object]:
    """Score all customers that have not left (payload scope `all`, the default), or those in `customer_ids` (scope `ids`).

    `whom` are customers that the caller chose, whatever the payload says.

    A forward-looking model scores who is a customer at the end of the data by its own churn definition; who has left, or has announced to
    leave, is counted and not scored.

    Returns
    -------
    dict
        `run_id`, `model_version`, `n_scored` and the run's summary.

    Raises
    ------
    NotReady
        When no model is in service, or a forward-looking one finds no history.
    Conflict
        When the model in service changed again and again while it was scoring.
    """
    scope, customer_ids = _scope(context.payload) if whom is None else ("ids", list(whom))
    with read_unit() as session:
        done = done_before(session, context.job_id)
    if done is not None:
        return writing.result_of(done)
    writing.clean_up(context)
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


def done_before(session: Session, job_id: int) -> ScoringRun | None:
    """Return the run of this very job that an earlier attempt brought to its last commit."""
    queued_at = session.scalar(sa.select(JobRun.created_at).where(JobRun.id == job_id)) or 0
    return session.scalar(
        sa.select(ScoringRun).where(
            ScoringRun.job_id == job_id, ScoringRun.state == "complete", ScoringRun.started_at >= queued_at
        )
    )


def _attempt(context: jobs.JobContext, scope: str, customer_ids: list[int] | None) -> dict[str, object] | None:
    """Score once; None when another model went into service meanwhile, so that these scores must not count."""
    context.progress("reading", 0.02)
    work = reading.champion_work(context, scope, customer_ids)
    run_id = writing.begin(context, work)
    try:
        scores = computing.score(
            context, work, lambda part, so_far: writing.history(context, work, so_far, run_id, part)
        )
        ranks = computing.rank(work, scores, reading.others_in_force(work))
        context.progress("saving", 0.9)
        result = writing.put_in_force(context, work, run_id, scores, ranks)
    except jobs.JobLost:
        raise  # whoever holds the job now takes this run's rows away
    except Exception:
        writing.clean_up(context)
        raise
    if result is None:
        writing.clean_up(context)
    return result
