"""What people and services do with jobs: queue, look, list, cancel. Claiming and ending them is `lease`."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.services import audit
from retainstream.services.paging import page_by_id

OPEN_STATES = ("queued", "running")


def enqueue(
    session: Session, actor: Actor, kind: str, payload: dict[str, object], dedupe_key: str | None = None
) -> JobRun:
    """Queue a job in the caller's unit of work and return its row.

    Parameters
    ----------
    kind : str
        A word of the table in `retainstream.jobs.handlers`.
    payload : dict
        What the job needs to know, as JSON; rows by their ids, never secrets.
    dedupe_key : str, optional
        At most one job with this key is queued or running at any time.

    Raises
    ------
    Conflict
        When an open job has the same dedupe key; `detail["job_id"]` names it.
    """
    if dedupe_key is not None:
        already = session.scalar(
            select(JobRun.id).where(JobRun.dedupe_key == dedupe_key, JobRun.state.in_(OPEN_STATES))
        )
        if already is not None:
            raise Conflict(f"The same work is already queued or running as job {already}.", detail={"job_id": already})
    job = JobRun(
        kind=kind,
        state="queued",
        payload=payload,
        dedupe_key=dedupe_key,
        requested_by=actor.user_id,
        created_at=clock.now_us(),
    )
    session.add(job)
    session.flush()
    audit.record(session, actor, "job.queue", "job", job.id, fields=["kind", "payload"])
    return job


def enqueue_anew(
    session: Session, actor: Actor, kind: str, payload: dict[str, object], dedupe_key: str
) -> JobRun | None:
    """Queue a job that must see what the caller's unit of work changes; None where one waits that will.

    One that runs already has read what it works on, so one more is queued behind it, under a key of its own.
    """
    keys = (dedupe_key, f"{dedupe_key}:next")
    states = select(JobRun.dedupe_key, JobRun.state).where(JobRun.dedupe_key.in_(keys), JobRun.state.in_(OPEN_STATES))
    open_now: dict[str | None, str] = dict(session.execute(states).all())
    free = next((key for key in keys if key not in open_now), None)
    if "queued" in open_now.values() or free is None:
        return None
    return enqueue(session, actor, kind, payload, free)


def present(job: JobRun) -> dict[str, object]:
    """Return the form of a job that the API, the pages and the command line show."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "phase": job.phase,
        "progress": round(job.progress, 4),
        "result": _without_rows(job.result),
        "error": job.error,
        "created_at": clock.iso(job.created_at),
        "started_at": clock.iso(job.started_at),
        "finished_at": clock.iso(job.finished_at),
        "cancel_requested": job.cancel_requested,
        "attempts": job.attempts,
        "requested_by": job.requested_by,
    }


def _without_rows(result: dict[str, object] | None) -> dict[str, object] | None:
    """Leave out by which row a result names a customer: results outlive an erasure, and nobody outside knows rows."""
    if result is None:
        return None
    return {name: _nameless(value) if isinstance(value, list) else value for name, value in result.items()}


def _nameless(items: list[object]) -> list[object]:
    return [
        {name: value for name, value in item.items() if name != "customer_id"} if isinstance(item, dict) else item
        for item in items
    ]


def get(session: Session, job_id: int) -> JobRun:
    """Return one job; raises NotFound."""
    job = session.get(JobRun, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def list_jobs(
    session: Session, request: PageRequest = FIRST_PAGE, *, kind: str | None = None, state: str | None = None
) -> Page:
    """Return jobs, newest first; raises InvalidInput for a cursor of another list."""
    conditions: list[ColumnElement[bool]] = []
    if kind is not None:
        conditions.append(JobRun.kind == kind)
    if state is not None:
        conditions.append(JobRun.state == state)
    total = session.scalar(select(func.count()).select_from(JobRun).where(*conditions)) or 0
    rows, following = page_by_id(session, select(JobRun).where(*conditions), JobRun.id, "jobs", request)
    return Page([present(row[0]) for row in rows], following, total)


def cancel(session: Session, actor: Actor, job_id: int) -> JobRun:
    """Cancel a queued job at once, or ask a running one to stop; a job that was asked before stays as it is.

    Raises
    ------
    NotFound
        When there is no such job.
    Conflict
        When the job has ended already.
    """
    job = get(session, job_id)
    if job.state not in OPEN_STATES:
        raise Conflict(f"Job {job_id} has ended already; it is {job.state}.", detail={"state": job.state})
    if job.cancel_requested:
        return job
    changes: dict[str, object] = {"cancel_requested": True}
    if job.state == "queued":
        changes |= {"state": "cancelled", "phase": "cancelled", "finished_at": clock.now_us()}
    session.execute(
        update(JobRun).where(JobRun.id == job_id).values(**changes), execution_options={"synchronize_session": False}
    )
    session.refresh(job)
    audit.record(session, actor, "job.cancel", "job", job_id, fields=changes)
    return job
