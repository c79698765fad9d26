"""Running a job's own function in this process, with its errors let through."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.handlers import resolve
from retainstream.models import JobRun
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs


def run_job(
    settings: Settings,
    kind: str = "",
    payload: dict[str, Any] | None = None,
    *,
    job: int | None = None,
    reopen: bool = False,
) -> dict[str, Any]:
    """Queue a job (or take the one given), claim it, do it, end it, and return its result; an error of the work comes through.

    `reopen` puts an ended job back first, as when its process died before it could say that it was done.
    """
    with unit_of_work() as session:
        if job is None:
            job = jobs.enqueue(session, SYSTEM, kind, payload or {}).id
        if reopen:
            session.execute(update(JobRun).where(JobRun.id == job).values(state="queued", finished_at=None))
    with unit_of_work() as session:
        claimed = jobs.claim(session, "test", 600, job)
    assert claimed is not None
    with read_unit() as session:
        context = jobs.JobContext.load(session, claimed, settings, threads=1)
    try:
        result = resolve(claimed.kind)(context)
    except BaseException:
        with unit_of_work() as session:
            jobs.fail(session, claimed, "error", "failed")
        raise
    with unit_of_work() as session:
        assert jobs.finish(session, claimed, result)
    return result
