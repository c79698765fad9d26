"""How long the scores of a run are kept: daily runs, then weekly, then monthly ones. What was judged stays as figures."""

from __future__ import annotations

from collections.abc import Hashable
from typing import cast

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, Customer, RunPerformance, ScoreHistory, ScoreOutcome, ScoringRun

ALL_FOR_US = 2 * clock.DAY_US
DAILY_FOR_US = 35 * clock.DAY_US
WEEKLY_FOR_US = 26 * 7 * clock.DAY_US
UNJUDGED_FOR_US = 2 * 365 * clock.DAY_US
"""A run whose window has not been judged keeps its scores so long, however many runs there are."""
THINNED = "thinned_at"
_SPAN = 50_000


def thin_out() -> int:
    """Remove the scores of runs that the policy does not keep, in short writing units; return how many runs were thinned.

    The policy: every run of the last two days, then the last of a day for five weeks, of a week for half a year, and of a month from then on.
    The row of a run, its summary and its realised figures stay. Needs an application context and no open unit of work.
    """
    with read_unit() as session:
        doomed = surplus(session, clock.now_us())
        last = session.scalar(select(Customer.id).order_by(Customer.id.desc()).limit(1)) or 0
    for run_id in doomed:
        for table in (ScoreHistory, ScoreOutcome):
            for start in range(0, last + 1, _SPAN):
                span = table.customer_id.between(start, start + _SPAN - 1)
                with unit_of_work() as session:
                    session.execute(delete(table).where(table.run_id == run_id, span))
        with unit_of_work() as session:
            run = session.get_one(ScoringRun, run_id)
            noted = {**run.summary, THINNED: clock.iso(clock.now_us())}
            session.execute(update(ScoringRun).where(ScoringRun.id == run_id).values(summary=noted))
    return len(doomed)


def surplus(session: Session, now: int) -> list[int]:
    """Return the runs whose scores are not to be kept: complete runs over everybody, by role and model kind, that a later one stands for.

    The newest run of its kind is never among them (the scores in force come from it), nor one whose window is still to be judged.
    """
    query = (
        select(ScoringRun, ChurnDefinition.kind, RunPerformance.run_id)
        .join(ChurnDefinition, ChurnDefinition.id == ScoringRun.definition_id)
        .outerjoin(RunPerformance, RunPerformance.run_id == ScoringRun.id)
        .where(ScoringRun.state == "complete", ScoringRun.scope == "all")
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
    )
    kept: set[Hashable] = set()
    doomed: list[int] = []
    for row in session.execute(query):
        run, kind, judged = row[0], row[1], cast("int | None", row[2])
        place = (run.role, run.definition_id, _slot(now - run.as_of, run.as_of))
        waiting = kind != "labelled_column" and judged is None and now - run.as_of < UNJUDGED_FOR_US
        if waiting or place not in kept or place[2] is None:
            kept.add(place)
        elif THINNED not in run.summary:
            doomed.append(run.id)
    return doomed


def _slot(age: int, as_of: int) -> Hashable:
    """Return what of which only one run is kept; None for a run that is kept in any case."""
    if age <= ALL_FOR_US:
        return None
    if age <= DAILY_FOR_US:
        return "day", as_of // clock.DAY_US
    if age <= WEEKLY_FOR_US:
        return "week", as_of // (7 * clock.DAY_US)
    moment = clock.from_us(as_of)
    return "month", moment.year, moment.month
