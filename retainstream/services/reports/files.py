"""The files of reports: where they lie, who may read one, and taking away those that are off the record.

A file is on record from the commit that its job makes it with; whatever else lies in the folder was left by work that was killed, or was replaced,
deleted, or removed with a person who was erased.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Forbidden, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import JobRun, Report, ReportFile
from retainstream.security.actor import Actor
from retainstream.services import audit
from retainstream.services.paging import page_by_id
from retainstream.services.reports import saved
from retainstream.services.reports.documents import FIGURES
from retainstream.services.reports.formats import FORMATS

FOLDER = "reports"
KEPT = 30
"""Makings of one report that are kept, the newest."""
_UNFINISHED = re.compile(r"\.making-(\d+)\..+")


@dataclass(frozen=True)
class Found:
    """A file to send: where it is, what to call it, its MIME type, and whether customers are in it."""

    path: Path
    name: str
    mimetype: str
    people: bool


def folder_of(settings: Settings) -> Path:
    """Return the folder of all reports."""
    return settings.instance_path / FOLDER


def listed(session: Session, actor: Actor, report_id: int, request: PageRequest = FIRST_PAGE) -> Page:
    """Return the makings of a report, newest first; raises NotFound, and InvalidInput for another list's cursor."""
    saved.one(session, actor, report_id)
    mine = select(ReportFile).where(ReportFile.report_id == report_id)
    total = len(session.scalars(select(ReportFile.id).where(ReportFile.report_id == report_id)).all())
    rows, following = page_by_id(session, mine, ReportFile.id, f"report:{report_id}", request)
    items = [{**saved.present(row[0]), "may_read": _readable(actor, row[0])} for row in rows]
    return Page(items, following, total)


def _readable(actor: Actor, file: ReportFile) -> bool:
    return file.state == "made" and saved.may_read_file(actor, file)


def find(session: Session, actor: Actor, settings: Settings, report_id: int, file_id: int) -> Found:
    """Return a file for somebody to read.

    Raises
    ------
    NotFound
        For an unknown report or file, one that was never made or was removed, and one that is no longer on the disk (as after a restore of the
        database alone).
    Forbidden
        When personal details are in it and the person may not see them.
    """
    view = saved.one(session, actor, report_id)
    file = session.get(ReportFile, file_id)
    if file is None or file.report_id != report_id or file.state == "failed":
        raise NotFound("There is no such file of this report.")
    if file.state == "removed" or file.path is None:
        raise NotFound(file.error or "This file was removed.")
    if not saved.may_read_file(actor, file):
        raise Forbidden("Customers with personal details are in this file, which your role or token does not include.")
    path = folder_of(settings) / file.path
    if not path.is_file():
        raise NotFound("This file is no longer on the disk: make the report again.")
    plain = re.sub(r"[^A-Za-z0-9]+", "-", view.report.name).strip("-").lower()[:60] or "report"
    name = f"{plain}-{clock.from_us(file.made_at):%Y-%m-%d}.{file.format}"
    return Found(path, name, FORMATS[file.format].mimetype, file.holds != FIGURES)


def record(session: Session, actor: Actor, file_id: int) -> None:
    """Put the reading of a file with customers into the audit trail."""
    audit.record(session, actor, "report.download", "report_file", file_id)


def prune(session: Session, report_id: int) -> None:
    """Take the oldest makings of a report off the record, beyond the newest `KEPT`."""
    newest = select(ReportFile.id).where(ReportFile.report_id == report_id).order_by(ReportFile.id.desc()).limit(KEPT)
    session.execute(
        delete(ReportFile).where(ReportFile.report_id == report_id, ReportFile.id.not_in(newest)),
        execution_options={"synchronize_session": False},
    )


def sweep(session: Session, settings: Settings) -> int:
    """Delete what lies in the folder and is not on record, and return how many files that were.

    Call it in a writing unit: a job gives a file its name inside one, so that none that is about to be on record is met.
    """
    top = folder_of(settings)
    if not top.is_dir():
        return 0
    on_record = set(session.scalars(select(ReportFile.path).where(ReportFile.state == "made")))
    running = set(session.scalars(select(JobRun.id).where(JobRun.state == "running")))
    reports = set(session.scalars(select(Report.id)))
    gone = 0
    for folder in [each for each in top.iterdir() if each.is_dir()]:
        for path in folder.iterdir():
            unfinished = _UNFINISHED.fullmatch(path.name)
            if f"{folder.name}/{path.name}" in on_record or (unfinished and int(unfinished[1]) in running):
                continue
            path.unlink(missing_ok=True)
            gone += 1
        if not folder.name.isdigit() or int(folder.name) not in reports:
            with contextlib.suppress(OSError):  # a job has just begun in it
                folder.rmdir()
    return gone
