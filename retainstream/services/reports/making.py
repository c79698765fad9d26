"""The job that makes one report: read, written beside its place, and put on record with its file in one commit, so that a kill leaves all or nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy, Conflict, Forbidden, NotFound, RetainStreamError
from retainstream.lib import clock
from retainstream.models import Report, ReportFile, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import Role, permissions_of
from retainstream.services import revisions
from retainstream.services.jobs import JobCancelled, JobContext, JobLost
from retainstream.services.reports import files, subjects
from retainstream.services.reports.documents import FIGURES, Asking
from retainstream.services.reports.formats import FORMATS, Format

log = logging.getLogger("retainstream.reports")
_TRIES = 3


@dataclass(frozen=True)
class _Draft:
    """A written file that is not on record yet."""

    path: Path
    format: str
    holds: str
    as_of: int | None
    n_rows: int
    removals: int


def run(context: JobContext) -> dict[str, object]:
    """Make the report of the job's payload; a job that is done again after a kill makes no second file.

    Returns
    -------
    dict
        `report_id`, `file_id`, `n_rows` and `n_bytes`.

    Raises
    ------
    RetainStreamError
        Why it could not be made; that is on record as a failed making, too.
    """
    report_id = int(str(context.payload["report_id"]))
    with read_unit() as session:
        done = session.scalars(select(ReportFile).where(ReportFile.job_id == context.job_id)).first()
    if done is not None and done.state != "failed":
        return _told(done)
    folder = files.folder_of(context.settings) / str(report_id)
    part = folder / f".making-{context.job_id}.{context.claimed.generation}"
    try:
        return _made(context, report_id, part)
    except (JobLost, JobCancelled, Busy):
        raise
    except RetainStreamError as why:
        _record_failure(context, report_id, why.message)
        raise
    except Exception:
        log.exception("report %s could not be made", report_id)
        _record_failure(
            context,
            report_id,
            f"Something went wrong inside; the server's log has the details under job {context.job_id}.",
        )
        raise
    finally:
        part.unlink(missing_ok=True)


def _made(context: JobContext, report_id: int, part: Path) -> dict[str, object]:
    for _ in range(_TRIES):
        context.progress("reading", 0.02)
        draft = _written(context, report_id, part)
        context.progress("keeping", 0.98)
        file = _kept(context, report_id, draft)
        if file is not None:
            with unit_of_work() as session:
                files.sweep(session, context.settings)
            return _told(file)
    raise Conflict("Customers were taken away each time that it was read: make it again.")


def _written(context: JobContext, report_id: int, part: Path) -> _Draft:
    """Read and write the report; nothing of it is on record yet."""
    with read_unit() as session:
        report = _required(session, report_id)
        form, subject = FORMATS[report.format], subjects.known(report.subject)
        removals = revisions.one(session, "removals")
        asking = Asking(session, context.settings, _owner(session, report), report.name, report.query, form.most)
        follow = _following(context, form)
        document = subjects.make(subject, replace(asking, follow=follow))
    follow(0)
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in part.parent.glob(f"{part.stem}.*"):  # by a run of this job that was killed
        left.unlink(missing_ok=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb+") as out:
        rows = form.write(document, out, context.settings)
        out.flush()
        os.fsync(out.fileno())
    return _Draft(part, report.format, document.holds, document.as_of, rows, removals)


def _following(context: JobContext, form: Format) -> Callable[[int], None]:
    def follow(rows: int) -> None:
        context.progress(
            f"writing {form.word}" + (f", {rows:,} rows" if rows else ""), 0.1 + 0.8 * rows / (rows + 20_000)
        )

    return follow


def _kept(context: JobContext, report_id: int, draft: _Draft) -> ReportFile | None:
    """Put a file on record; None when somebody was erased since it was read, for then they may be in it."""
    with context.holding_unit() as session:
        _required(session, report_id)
        if draft.holds != FIGURES and revisions.one(session, "removals") != draft.removals:
            return None
        session.execute(delete(ReportFile).where(ReportFile.job_id == context.job_id))
        file = ReportFile(
            report_id=report_id,
            job_id=context.job_id,
            made_at=clock.now_us(),
            as_of=draft.as_of,
            state="made",
            format=draft.format,
            holds=draft.holds,
            n_bytes=draft.path.stat().st_size,
            n_rows=draft.n_rows,
        )
        session.add(file)
        session.flush()
        file.path = f"{report_id}/{file.id}.{draft.format}"
        # Given its name before the commit: without the commit it is off the record, and the next sweep takes it away.
        draft.path.replace(files.folder_of(context.settings) / file.path)
        session.flush()
        files.prune(session, report_id)
    return file


def _record_failure(context: JobContext, report_id: int, why: str) -> None:
    with context.holding_unit() as session:
        report = session.get(Report, report_id)
        if report is None:
            return
        session.execute(delete(ReportFile).where(ReportFile.job_id == context.job_id))
        session.add(
            ReportFile(
                report_id=report_id, job_id=context.job_id, made_at=clock.now_us(), state="failed", format=report.format,
                holds=FIGURES, error=why,
            )
        )  # fmt: skip
        session.flush()
        files.prune(session, report_id)


def _required(session: Session, report_id: int) -> Report:
    report = session.get(Report, report_id)
    if report is None:
        raise NotFound("The report was deleted meanwhile.")
    return report


def _owner(session: Session, report: Report) -> Actor:
    """Return whose rights count: the owner's, as they are today."""
    owner = session.get_one(User, report.owner_id)
    if not owner.active:
        raise Forbidden(
            f"The account of {owner.name or owner.email}, whose report this is, is switched off: make a report of your own."
        )
    role = Role(owner.role)
    return Actor("system", permissions_of(role), user_id=owner.id, email=owner.email, name=owner.name, role=role)


def _told(file: ReportFile) -> dict[str, object]:
    return {"report_id": file.report_id, "file_id": file.id, "n_rows": file.n_rows, "n_bytes": file.n_bytes}
