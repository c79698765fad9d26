"""The life of a run of an analysis: begun, then complete or abandoned; the newest complete one of a kind is in force."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, cast

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session

from retainstream.db import Base, read_unit
from retainstream.lib import clock
from retainstream.models import AnalysisRun, Customer, HealthScore, LifetimeValue, RfmScore
from retainstream.models.analysis import ANALYSES
from retainstream.services import jobs, revisions

KEPT_DAYS = 62
"""For how long every run is kept; of those before, the last of each month."""
_WRITE = 5_000
_TABLES = (RfmScore, HealthScore, LifetimeValue)


def in_force(session: Session, kind: str) -> AnalysisRun | None:
    """Return the newest complete run of a kind; None before there was any."""
    return session.scalars(
        select(AnalysisRun)
        .where(AnalysisRun.kind == kind, AnalysisRun.state == "complete")
        .order_by(AnalysisRun.id.desc())
        .limit(1)
    ).first()


def all_in_force(session: Session) -> list[dict[str, object]]:
    """Return the run in force of each kind that was ever made, as the API shows it."""
    found = [run for kind in ANALYSES if (run := in_force(session, kind)) is not None]
    return [
        {
            "id": run.id,
            "kind": run.kind,
            "as_of": clock.iso(run.as_of),
            "data_as_of": clock.iso(run.data_as_of),
            "made_at": clock.iso(run.made_at),
            "n": run.n,
            "inputs": run.inputs,
            "summary": run.summary,
        }
        for run in found
    ]


def begin(context: jobs.JobContext, kind: str, *, as_of: int, data_as_of: int, inputs: dict[str, Any]) -> int:
    """Note a run that is under way and return its id; its rows count only once `complete` has put it in force."""
    with context.holding_unit() as session:
        run = AnalysisRun(
            kind=kind,
            state="running",
            as_of=as_of,
            data_as_of=data_as_of,
            inputs=inputs,
            made_at=clock.now_us(),
            job_id=context.job_id,
        )
        session.add(run)
        session.flush()
        return run.id


def write(context: jobs.JobContext, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Write the rows of a run, a part at a time; they count once the run is complete.

    Parameters
    ----------
    rows : iterable of dict
        One for each customer, `run_id` and `customer_id` among its fields. Whoever was erased since the figures were read is left out.
    """
    left = iter(rows)
    while chunk := list(islice(left, _WRITE)):
        ids = [row["customer_id"] for row in chunk]
        with context.holding_unit() as session:
            there = set(session.scalars(select(Customer.id).where(Customer.id.between(min(ids), max(ids)))))
            kept = [row for row in chunk if row["customer_id"] in there]
            if kept:
                session.execute(insert(table), kept)


def complete(session: Session, run_id: int, *, n: int, summary: dict[str, Any]) -> None:
    """Put a run in force, in the caller's unit, and let go of those that are no longer kept.

    Parameters
    ----------
    n : int
        Customers with a figure.
    summary : dict
        What came out and what judged it, as JSON.
    """
    run = session.get_one(AnalysisRun, run_id)
    run.state, run.n, run.summary, run.made_at = "complete", n, summary, clock.now_us()
    session.flush()
    _thin(session, run.kind)
    revisions.bump(session, "analyses")


def clean_up(context: jobs.JobContext) -> int:
    """Remove the runs that do not count, a part at a time so that nobody waits long to write; returns how many there were.

    They are those of attempts that did not get to their end, and those that are kept no longer. Only one job of analyses is open at any time,
    so what runs is this job's own earlier attempt, or that of a job that was killed. A run goes after its rows: a kill half-way leaves the rest
    to the next attempt.
    """
    with read_unit() as session:
        gone = session.scalars(select(AnalysisRun.id).where(AnalysisRun.state != "complete")).all()
    for run_id in gone:
        for table in _TABLES:
            while _remove_part(context, table, run_id) == _WRITE:
                pass
        with context.holding_unit() as session:
            session.execute(delete(AnalysisRun).where(AnalysisRun.id == run_id))
    return len(gone)


def _remove_part(context: jobs.JobContext, table: type[RfmScore | HealthScore | LifetimeValue], run_id: int) -> int:
    with context.holding_unit() as session:
        part = select(table.customer_id).where(table.run_id == run_id).order_by(table.customer_id).limit(_WRITE)
        doomed = delete(table).where(table.run_id == run_id, table.customer_id.in_(part))
        result = session.execute(doomed, execution_options={"synchronize_session": False})
        return int(cast("CursorResult[Any]", result).rowcount)


def _thin(session: Session, kind: str) -> None:
    """Let the runs go that are kept no longer; `clean_up` takes them away."""
    runs = session.execute(
        select(AnalysisRun.id, AnalysisRun.as_of)
        .where(AnalysisRun.kind == kind, AnalysisRun.state == "complete")
        .order_by(AnalysisRun.id.desc())
    ).all()
    kept: set[object] = set()
    gone: list[int] = []
    for place, (run_id, as_of) in enumerate(runs):
        age = clock.now_us() - as_of
        # Of each past as-of only the newest run says anything that the others do not.
        sign: object = as_of if age < KEPT_DAYS * clock.DAY_US else clock.from_us(as_of - 1).strftime("%Y-%m")
        if place and sign in kept:
            gone.append(run_id)
        kept.add(sign)
    session.execute(update(AnalysisRun).where(AnalysisRun.id.in_(gone)).values(state="abandoned"))
