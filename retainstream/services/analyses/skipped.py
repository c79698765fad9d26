"""Why an analysis is not there: what its step said when the job last ran."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.models import JobRun
from retainstream.services.analyses.job import KIND


def reason(session: Session, words: str, otherwise: str) -> str:
    """Return the sentence with which a step of the job (its `words`) was skipped, or `otherwise` when it was not, or has not run yet."""
    query = select(JobRun.result).where(JobRun.kind == KIND, JobRun.state == "succeeded")
    result = session.scalars(query.order_by(JobRun.id.desc()).limit(1)).first() or {}
    told = result.get(words)
    return str(told["skipped"]) if isinstance(told, dict) and "skipped" in told else otherwise
