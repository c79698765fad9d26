"""What a runner does with jobs: claim one, keep it, end it. Every step is one conditional update that must change exactly one row.

A claim raises the job's generation. Whoever was presumed dead and comes back holds an older generation, and can change nothing.
The box runs one job at a time, oldest first: training beside an import would starve the dashboard of both cores and of memory.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, func, select, update
from sqlalchemy.orm import Session, aliased

from retainstream.lib import clock
from retainstream.models import JobRun

GAVE_UP = "The job's process ended without a word {attempts} times, so it is not tried again. The log of the server may say why."


@dataclass(frozen=True)
class Claim:
    """A job that this process holds, under the generation that proves it; `attempts` counts from 1."""

    job_id: int
    generation: int
    kind: str
    attempts: int


class Standing(Enum):
    """How a claim stands: still held, held but asked to stop, or lost to somebody else."""

    HELD = "held"
    CANCEL = "cancel"
    LOST = "lost"


def _held(claimed: Claim) -> ColumnElement[bool]:
    return (JobRun.id == claimed.job_id) & (JobRun.generation == claimed.generation) & (JobRun.state == "running")


def _change(session: Session, condition: ColumnElement[bool], **values: object) -> int:
    statement = update(JobRun).where(condition).values(**values)
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(cast("CursorResult[Any]", result).rowcount)


def anything_to_claim(session: Session) -> bool:
    """Tell, cheaply, whether a job waits and none runs."""
    states = set(session.scalars(select(JobRun.state).where(JobRun.state.in_(("queued", "running"))).distinct()))
    return states == {"queued"}


def loading_unfinished(session: Session) -> bool:
    """Tell whether a job runs, or an import or undo that was begun waits for another attempt."""
    resumed = (JobRun.state == "queued") & JobRun.kind.in_(("import", "undo")) & JobRun.started_at.is_not(None)
    found = session.scalar(select(JobRun.id).where((JobRun.state == "running") | resumed).limit(1))
    return found is not None


def claim(session: Session, owner: str, lease_seconds: float, job_id: int | None = None) -> Claim | None:
    """Claim the oldest queued job, or the one named, unless any job runs; None when there was nothing to have.

    Parameters
    ----------
    owner : str
        Who claims, for people who read the row: host and process.
    lease_seconds : float
        How long the claim holds without a heartbeat.
    """
    wanted = (
        job_id if job_id is not None else session.scalar(select(func.min(JobRun.id)).where(JobRun.state == "queued"))
    )
    if wanted is None:
        return None
    running = aliased(JobRun)
    nothing_runs = ~select(running.id).where(running.state == "running").exists()
    now = clock.now_us()
    changed = _change(
        session,
        (JobRun.id == wanted) & (JobRun.state == "queued") & nothing_runs,
        state="running",
        generation=JobRun.generation + 1,
        attempts=JobRun.attempts + 1,
        owner=owner[:80],
        phase="starting",
        progress=0.0,
        started_at=func.coalesce(JobRun.started_at, now),
        heartbeat_at=now,
        lease_until=now + int(lease_seconds * clock.SECOND_US),
    )
    if changed != 1:
        return None
    row = session.execute(select(JobRun.generation, JobRun.kind, JobRun.attempts).where(JobRun.id == wanted)).one()
    return Claim(wanted, row.generation, row.kind, row.attempts)


def standing(session: Session, claimed: Claim) -> Standing:
    """Return how a claim stands, without touching it."""
    asked = session.scalar(select(JobRun.cancel_requested).where(_held(claimed)))
    if asked is None:
        return Standing.LOST
    return Standing.CANCEL if asked else Standing.HELD


def heartbeat(session: Session, claimed: Claim, lease_seconds: float) -> Standing:
    """Renew the lease and return how the claim stands."""
    now = clock.now_us()
    _change(session, _held(claimed), heartbeat_at=now, lease_until=now + int(lease_seconds * clock.SECOND_US))
    return standing(session, claimed)


def report(session: Session, claimed: Claim, phase: str, fraction: float) -> Standing:
    """Write the progress (0 to 1) of a held job and return how the claim stands."""
    _change(session, _held(claimed), phase=phase[:100], progress=min(max(fraction, 0.0), 1.0))
    return standing(session, claimed)


def _end(session: Session, claimed: Claim, state: str, **values: object) -> bool:
    changed = _change(
        session, _held(claimed), state=state, finished_at=clock.now_us(), lease_until=None, owner=None, **values
    )
    return changed == 1


def finish(session: Session, claimed: Claim, result: dict[str, object]) -> bool:
    """Record success; False when the claim was lost. Raises ValueError or TypeError for a result that JSON cannot hold."""
    json.dumps(result, allow_nan=False)
    return _end(session, claimed, "succeeded", phase="done", progress=1.0, result=result)


def fail(session: Session, claimed: Claim, code: str, message: str, **detail: object) -> bool:
    """Record a failure in a person's words; False when the claim was lost."""
    return _end(session, claimed, "failed", phase="failed", error={"code": code, "message": message, **detail})


def end_cancelled(session: Session, claimed: Claim) -> bool:
    """Record that a running job was stopped as asked; False when the claim was lost."""
    return _end(session, claimed, "cancelled", phase="cancelled")


def give_back(session: Session, claimed: Claim) -> bool:
    """Queue a held job again without counting the attempt: the server stops in good order. False when the claim was lost."""
    changed = _change(
        session,
        _held(claimed),
        state="queued",
        phase="waiting",
        progress=0.0,
        owner=None,
        lease_until=None,
        attempts=func.max(JobRun.attempts - 1, 0),
    )
    return changed == 1


def retry_or_fail(session: Session, claimed: Claim, message: str = GAVE_UP) -> bool:
    """Settle a held job whose process died: cancelled when that was asked, else queued again, else failed. False when lost."""
    job = session.scalar(select(JobRun).where(_held(claimed)))
    if job is None:
        return False
    if job.cancel_requested:
        return end_cancelled(session, claimed)
    if job.attempts >= job.max_attempts:
        return fail(session, claimed, "process_died", message.format(attempts=job.attempts))
    changed = _change(
        session,
        _held(claimed),
        state="queued",
        phase="waiting to try again",
        progress=0.0,
        owner=None,
        lease_until=None,
    )
    return changed == 1


def requeue_expired(session: Session, alive: Collection[Claim] = ()) -> int:
    """Settle every running job whose lease ran out; returns how many there were.

    Parameters
    ----------
    alive : collection of Claim
        Jobs that the caller itself runs and knows to be alive: a heartbeat may be late because a long write held the lock.
    """
    mine = {(item.job_id, item.generation) for item in alive}
    expired = session.execute(
        select(JobRun.id, JobRun.generation, JobRun.kind, JobRun.attempts).where(
            JobRun.state == "running", func.coalesce(JobRun.lease_until, 0) < clock.now_us()
        )
    ).all()
    claims = [Claim(*row) for row in expired if (row.id, row.generation) not in mine]
    return sum(retry_or_fail(session, item) for item in claims)
