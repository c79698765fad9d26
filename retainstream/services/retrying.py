"""Asking again for work that failed or was cancelled: the same kind with the same payload, through the door that it came in by.

Each kind's own request checks again what would stop it, so a retry is refused with the same sentence as a first try. Queuing, listing and
cancelling are `services.jobs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from retainstream.errors import Conflict
from retainstream.models import ImportBatch, JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import demo_job, jobs, predictions, registry, replay, training
from retainstream.services.analyses import job as analyses_job
from retainstream.services.imports import batches

RETRIED = ("failed", "cancelled")
FILE_GONE = "The file was let go when this import ended, and nothing of it was kept. Mend the file, if it was at fault, and load it again."


def _train(session: Session, actor: Actor, job: JobRun) -> JobRun:
    return training.request(session, actor, dict(job.payload))


def _score(session: Session, actor: Actor, job: JobRun) -> JobRun:
    if job.payload.get("scope", "all") == "all":
        return predictions.generate(session, actor)
    registry.required_champion(session)
    return jobs.enqueue(session, actor, "score", dict(job.payload))


def _replay(session: Session, actor: Actor, job: JobRun) -> JobRun:
    payload: dict[str, Any] = dict(job.payload)
    return replay.request(session, actor, payload)


def _judge(session: Session, actor: Actor, job: JobRun) -> JobRun:
    return jobs.enqueue(session, actor, "judge", dict(job.payload), dedupe_key=job.dedupe_key or "judge")


def _undo(session: Session, actor: Actor, job: JobRun) -> JobRun:
    batch = _batch(session, job)
    if batch is None or batch.state != "undoing":
        return batches.queue_undo(
            session, actor, int(str(job.payload["batch_id"])), confirm=bool(job.payload.get("confirm"))
        )
    return jobs.enqueue(session, actor, "undo", dict(job.payload), dedupe_key=f"batch:{batch.id}")


def _load(session: Session, actor: Actor, job: JobRun) -> JobRun:
    batch = _batch(session, job)
    if batch is None or not _holds_file(batch):
        raise Conflict(FILE_GONE)
    fresh = jobs.enqueue(session, actor, job.kind, dict(job.payload), dedupe_key=f"batch:{batch.id}")
    batch.job_id = fresh.id
    session.flush()
    return fresh


def _analyse(session: Session, actor: Actor, _job: JobRun) -> JobRun:
    return analyses_job.request(session, actor)


def _look_at_segments(session: Session, actor: Actor, _job: JobRun) -> JobRun:
    return jobs.enqueue(session, actor, "segments", {}, dedupe_key="segments")


def _report(session: Session, actor: Actor, job: JobRun) -> JobRun:
    return jobs.enqueue(session, actor, job.kind, dict(job.payload), dedupe_key=job.dedupe_key)


def _demo(session: Session, actor: Actor, _job: JobRun) -> JobRun:
    return demo_job.request(session, actor)


_AGAIN: dict[str, tuple[Permission, Callable[[Session, Actor, JobRun], JobRun]]] = {
    "train": (Permission.MODEL_TRAIN, _train),
    "score": (Permission.PREDICTIONS_WRITE, _score),
    "replay": (Permission.PREDICTIONS_WRITE, _replay),
    "judge": (Permission.PREDICTIONS_WRITE, _judge),
    "undo": (Permission.IMPORTS_WRITE, _undo),
    "import": (Permission.IMPORTS_WRITE, _load),
    "ingest": (Permission.EVENTS_WRITE, _load),
    "analyse": (Permission.PREDICTIONS_WRITE, _analyse),
    "segments": (Permission.SEGMENTS_WRITE, _look_at_segments),
    "report": (Permission.CUSTOMERS_EXPORT, _report),
    "demo": (Permission.SETTINGS_WRITE, _demo),
}
"""Kind -> what its first request takes, and how it is asked for again."""


def may(session: Session, actor: Actor, job: JobRun) -> bool:
    """Tell whether a person is to be offered a retry: the job ended without success, the act is theirs, and what it needs is still there.

    An offer is no promise: the request itself may be refused, such as a training while another one runs.
    """
    if job.state not in RETRIED or job.kind not in _AGAIN or not actor.may(_AGAIN[job.kind][0]):
        return False
    return not file_gone(session, job)


def file_gone(session: Session, job: JobRun) -> bool:
    """Tell whether a load cannot be tried again because its file was let go."""
    if job.kind not in ("import", "ingest"):
        return False
    batch = _batch(session, job)
    return batch is None or not _holds_file(batch)


def retry(session: Session, actor: Actor, job_id: int) -> JobRun:
    """Queue the same work again and return the new job.

    Raises
    ------
    NotFound
        When there is no such job.
    Forbidden
        When the actor may not ask for this kind of work.
    Conflict
        When the job did not fail and was not cancelled, when its file is gone, or when the same work is open already.
    NotReady, InvalidInput
        As a first request of the kind.
    """
    job = jobs.get(session, job_id)
    if job.kind not in _AGAIN:
        raise Conflict(f"Work of the kind {job.kind!r} is not asked for by hand.")
    permission, again = _AGAIN[job.kind]
    actor.require(permission)
    if job.state not in RETRIED:
        raise Conflict(
            f"Job {job_id} is {job.state}; only one that failed or was cancelled is tried again.",
            detail={"state": job.state},
        )
    return again(session, actor, job)


def _batch(session: Session, job: JobRun) -> ImportBatch | None:
    batch_id = job.payload.get("batch_id")
    return None if batch_id is None else session.get(ImportBatch, int(str(batch_id)))


def _holds_file(batch: ImportBatch) -> bool:
    return batch.state in ("queued", "applying") and batch.upload_name is not None
