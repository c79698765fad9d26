"""The judge job: every run whose window has closed meets what happened, once; the first judgement stands.

Outcomes are written in short units, the run's figures in the last one; outcomes count only beside figures. A job that was killed leaves
outcomes without figures, which the next attempt removes before it writes its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import Conflict, NotReady
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, ModelVersion, RunPerformance, ScoreOutcome, ScoringRun
from retainstream.services import as_of, churn_definitions, exposures, jobs
from retainstream.services.performance import figures
from retainstream.services.score_history import THINNED

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.outcomes import Labels, Outcomes
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.ml.performance import Performance

ROLES = ("champion", "replay")
STAYED, LEFT, LEFT_WITHIN_LEAD = 0, 1, 2
_WRITE = 4_000
_ERASE_SPAN = 50_000
_INSERT = (
    "INSERT INTO score_outcomes (run_id, customer_id, state, left_at) SELECT ?, ?, ?, ?"
    " WHERE EXISTS (SELECT 1 FROM customers WHERE id = ?)"  # who was erased meanwhile leaves no trace
)


@dataclass(frozen=True)
class Waiting:
    """A complete run over everybody that nobody judged yet; `closed` by the data at hand."""

    run_id: int
    version_id: int
    definition_id: int
    as_of: int
    n_scored: int
    calibrated: bool
    estimated: bool
    closed: bool


def judge(context: jobs.JobContext) -> dict[str, object]:
    """Judge every run whose window has closed, and note an estimate for those whose window is open.

    Returns
    -------
    dict
        `judged` and `estimated`, how many; `unreadable`, runs whose model cannot be loaded; `data_end`, None without any history.
    """
    context.progress("reading", 0.01)
    with read_unit() as session:
        try:
            data_end = as_of.data_end(session)
        except NotReady:
            return {"judged": 0, "estimated": 0, "unreadable": 0, "data_end": None}
        found = waiting(session, data_end)
        due = [run.run_id for run in found if run.closed]
        history = as_of.history(session, context.settings) if due else None
    judged = 0 if history is None else judge_runs(context, due, history, data_end, part=(0.05, 0.9))
    estimated, lost = _note_estimates(context, [run for run in found if not run.closed])
    return {
        "judged": judged,
        "estimated": estimated,
        "unreadable": len(due) - judged + lost,
        "data_end": clock.iso(data_end),
    }


def waiting(session: Session, data_end: int) -> list[Waiting]:
    """Return the runs that are not judged yet and whose scores are still there, oldest first."""
    query = (
        select(ScoringRun, ChurnDefinition, ModelVersion.calibrated)
        .join(ChurnDefinition, ChurnDefinition.id == ScoringRun.definition_id)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .outerjoin(RunPerformance, RunPerformance.run_id == ScoringRun.id)
        .where(
            ScoringRun.state == "complete",
            ScoringRun.scope == "all",
            ScoringRun.role.in_(ROLES),
            ChurnDefinition.kind != churn_definitions.LABELLED,
            RunPerformance.run_id.is_(None),
        )
        .order_by(ScoringRun.as_of, ScoringRun.id)
    )
    return [
        Waiting(
            run.id, run.model_version_id, run.definition_id, run.as_of, run.n_scored, calibrated, figures.ESTIMATE in run.summary,
            run.as_of + required_rule(definition).maturity_us <= data_end,
        )
        for run, definition, calibrated in session.execute(query)
        if THINNED not in run.summary
    ]  # fmt: skip


def required_rule(definition: ChurnDefinition) -> ChurnRule:
    """Return the rule of a definition that looks ahead."""
    rule = churn_definitions.rule_of(definition)
    assert rule is not None  # runs of a labelled column are never asked for
    return rule


def judge_runs(
    context: jobs.JobContext,
    run_ids: Iterable[int],
    history: History,
    data_end: int,
    *,
    part: tuple[float, float] = (0.0, 1.0),
) -> int:
    """Judge some runs by a history that was read already; those that are judged, or whose window is open, are passed over.

    Parameters
    ----------
    history : History
        Of everybody; may reach beyond `data_end`.
    data_end : int
        Microseconds UTC: what is known from then on is not looked at.
    part : pair of floats
        Which part of the whole job this is, for its progress.

    Returns
    -------
    int
        How many were judged. A run whose model cannot be loaded is left as it is.
    """
    from retainstream.ml.asof.outcomes import Outcomes

    wanted = set(run_ids)
    with read_unit() as session:
        due = [run for run in waiting(session, data_end) if run.closed and run.run_id in wanted]
        used = {run.definition_id for run in due}
        rules = {key: required_rule(session.get_one(ChurnDefinition, key)) for key in used}
    by_definition: dict[int, list[Waiting]] = defaultdict(list)
    for run in due:
        by_definition[run.definition_id].append(run)
    done, judged = 0, 0
    for key, runs in by_definition.items():
        outcomes = Outcomes(rules[key], history, data_end)
        for run in runs:
            context.progress("judging", part[0] + (part[1] - part[0]) * done / len(due))
            judged += _judge_one(context, run, outcomes)
            done += 1
    return judged


def _judge_one(context: jobs.JobContext, run: Waiting, outcomes: Outcomes) -> bool:
    """Judge one run; False when its model cannot be loaded."""
    import numpy as np

    with read_unit() as session:
        try:
            rows = figures.rows_of(session, run.run_id, run.version_id)
        except Conflict:
            return False
        version = session.get_one(ModelVersion, run.version_id)
        acts = exposures.treated_between(session, run.as_of, run.as_of + outcomes.rule.maturity_us)
    found = outcomes.labels(rows.ids, run.as_of)
    kept, treated = found.y >= 0, np.isin(rows.ids, acts)
    gone = run.n_scored - len(rows.ids)
    metrics: dict[str, object] = {
        **figures.presented(_realised(rows, found, kept)),
        "left_out": {**found.left_out, **({"erased": gone} if gone > 0 else {})},
        "other_reason": found.other_reason,
        "treated": int(treated.sum()),
        "untreated": _untreated(rows, found, kept & ~treated) if treated.any() else None,
        "promised": figures.promised(version, int(kept.sum())),
    }
    _remove(context, run.run_id, rows.ids)
    for values in _outcome_rows(run, rows.ids, found, outcomes.rule):
        with context.holding_unit() as session:
            session.connection().exec_driver_sql(_INSERT, values)
    with context.holding_unit() as session:
        session.add(
            RunPerformance(run_id=run.run_id, data_end=outcomes.data_end, evaluated_at=clock.now_us(), metrics=metrics)
        )
    return True


def _realised(rows: figures.Rows, found: Labels, kept: np.ndarray) -> Performance:
    from retainstream.ml.performance import realised

    return realised(
        rows.margin[kept],
        None if rows.probability is None else rows.probability[kept],
        found.y[kept],
        capacities=figures.capacities(int(kept.sum())),
        threshold=rows.threshold,
    )


def _untreated(rows: figures.Rows, found: Labels, kept: np.ndarray) -> dict[str, object]:
    """Return how the scores did among customers on whom nobody acted in the window: an act that works makes a right score look wrong."""
    plain = figures.presented(_realised(rows, found, kept))
    return {name: plain[name] for name in ("n", "churners", "mean_probability", "observed_share", "metrics")}


def _outcome_rows(
    run: Waiting, ids: np.ndarray, found: Labels, rule: ChurnRule
) -> Iterator[list[tuple[int, int, int, int | None, int]]]:
    """Yield what became of the customers, a block at a time. Those that a judgement leaves out have no row, but for leavers within the lead."""
    import numpy as np

    from retainstream.ml.asof.columns import NEVER

    opens = run.as_of + rule.lead_days * clock.DAY_US
    within_lead = (found.y < 0) & (found.left_at >= run.as_of) & (found.left_at < opens)
    state = np.where(within_lead, LEFT_WITHIN_LEAD, found.y)
    told = np.flatnonzero(state >= 0)
    for start in range(0, len(told), _WRITE):
        rows = told[start : start + _WRITE]
        yield [
            (run.run_id, one, code, None if at == NEVER else at, one)
            for one, code, at in zip(
                ids[rows].tolist(), state[rows].tolist(), found.left_at[rows].tolist(), strict=True
            )
        ]


def _remove(context: jobs.JobContext, run_id: int, ids: np.ndarray) -> None:
    """Remove what an attempt that was killed wrote of a run."""
    last = int(ids[-1]) if len(ids) else -1
    for start in range(0, last + 1, _ERASE_SPAN):
        span = ScoreOutcome.customer_id.between(start, start + _ERASE_SPAN - 1)
        with context.holding_unit() as session:
            session.execute(delete(ScoreOutcome).where(ScoreOutcome.run_id == run_id, span))


def _note_estimates(context: jobs.JobContext, still_open: Sequence[Waiting]) -> tuple[int, int]:
    """Keep with each run what its probabilities promise, so that no reader has to sort a hundred thousand scores; return done and unreadable."""
    done, lost = 0, 0
    missing = [run for run in still_open if run.calibrated and not run.estimated]
    for number, run in enumerate(missing):
        context.progress("estimating", 0.9 + 0.1 * number / len(missing))
        with read_unit() as session:
            try:
                found = figures.estimate(session, run.run_id, run.version_id)
            except Conflict:
                lost += 1
                continue
        with context.holding_unit() as session:
            held = session.get_one(ScoringRun, run.run_id)
            noted = {**held.summary, figures.ESTIMATE: found}
            session.execute(update(ScoringRun).where(ScoringRun.id == run.run_id).values(summary=noted))
        done += 1
    return done, lost
