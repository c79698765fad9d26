"""Reports on record: who sees, keeps, changes and deletes which. Making one is `making`, its files are `files`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import JobRun, Report, ReportFile, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit
from retainstream.services.customers import asked
from retainstream.services.reports import parameters, schedules
from retainstream.services.reports.documents import FIGURES, PERSONAL
from retainstream.services.reports.formats import FORMATS
from retainstream.services.reports.subjects import SUBJECTS, Subject, known

MOST = 200
LONGEST_NAME, LONGEST_QUERY = 80, 2000
WRITES = Permission.CUSTOMERS_EXPORT
"""Who keeps reports and has them made; reading one takes the permission of its subject."""


@dataclass(frozen=True)
class ReportView:
    """A report with what stands around it. `made` and `failed` are its newest files of these states; `job` is the open work on it."""

    report: Report
    subject: Subject
    owner: str
    may_change: bool
    last: ReportFile | None
    n_files: int
    job: int | None

    @property
    def paused(self) -> bool:
        """Whether it has a schedule that rests."""
        return self.report.schedule is not None and self.report.next_at is None

    def to_dict(self) -> dict[str, Any]:
        """Return the API's form."""
        report = self.report
        return {
            "id": report.id,
            "name": report.name,
            "subject": report.subject,
            "parameters": report.query,
            "format": report.format,
            "schedule": report.schedule,
            "schedule_words": schedules.words(report.schedule),
            "paused": self.paused,
            "next_at": clock.iso(report.next_at),
            "owner": self.owner,
            "may_change": self.may_change,
            "created_at": clock.iso(report.created_at),
            "files": self.n_files,
            "last_file": None if self.last is None else present(self.last),
            "job_id": self.job,
        }


def present(file: ReportFile) -> dict[str, Any]:
    """Return the API's form of one making."""
    return {
        "id": file.id,
        "made_at": clock.iso(file.made_at),
        "as_of": clock.iso(file.as_of),
        "state": file.state,
        "format": file.format,
        "holds": file.holds,
        "n_bytes": file.n_bytes,
        "n_rows": file.n_rows,
        "error": file.error,
    }


def may_read(actor: Actor, report: Report) -> bool:
    """Tell whether somebody may read a report: its subject's permission, and for a list that searches for a person that for personal details."""
    subject = SUBJECTS.get(report.subject)
    if subject is None or not actor.may(subject.permission):
        return False
    return actor.may(Permission.CUSTOMERS_PERSONAL) or not parse_qs(report.query).get("q")


def may_read_file(actor: Actor, file: ReportFile) -> bool:
    """Tell whether somebody who may read the report may read this file of it."""
    if file.holds == FIGURES:
        return True
    return actor.may(Permission.CUSTOMERS_EXPORT) and (
        file.holds != PERSONAL or actor.may(Permission.CUSTOMERS_PERSONAL)
    )


def every(session: Session, actor: Actor) -> list[ReportView]:
    """Return the reports that somebody may read, by name."""
    found = [one for one in session.scalars(select(Report).order_by(Report.name, Report.id)) if may_read(actor, one)]
    ids = [one.id for one in found]
    newest = select(func.max(ReportFile.id)).where(ReportFile.report_id.in_(ids)).group_by(ReportFile.report_id)
    last = {file.report_id: file for file in session.scalars(select(ReportFile).where(ReportFile.id.in_(newest)))}
    counts: dict[int, int] = dict(
        session.execute(
            select(ReportFile.report_id, func.count())
            .where(ReportFile.report_id.in_(ids))
            .group_by(ReportFile.report_id)
        ).all()
    )
    people = {row.id: row.name or row.email for row in session.execute(select(User.id, User.name, User.email))}
    work = _open_jobs(session)
    return [
        ReportView(
            one, known(one.subject), people.get(one.owner_id, ""), _may_change(actor, one), last.get(one.id), counts.get(one.id, 0), work.get(one.id)
        )
        for one in found
    ]  # fmt: skip


def one(session: Session, actor: Actor, report_id: int) -> ReportView:
    """Return one report; raises NotFound also for one that the person may not read."""
    report = session.get(Report, report_id)
    if report is None or not may_read(actor, report):
        raise NotFound("There is no such report; it may have been deleted meanwhile.")
    return next(view for view in every(session, actor) if view.report.id == report_id)


def _open_jobs(session: Session) -> dict[int, int]:
    query = select(JobRun.dedupe_key, JobRun.id).where(
        JobRun.kind == schedules.KIND, JobRun.state.in_(("queued", "running"))
    )
    return {int(key.partition(":")[2]): job for key, job in session.execute(query) if key}


def create(session: Session, actor: Actor, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Keep a report and return it; its first file is made when it is due or asked for.

    Parameters
    ----------
    given : mapping
        `name`, `subject`, `parameters` (a query string, of a list or as `parameters` has it), `format`, and `schedule` as `schedules.checked` has it.

    Raises
    ------
    InvalidInput
        Naming each field that is not as expected.
    Forbidden
        For somebody who may not export or not read the subject, or who is no person on record.
    Conflict
        When there are as many reports as may be.
    """
    actor.require(WRITES)
    if actor.user_id is None:
        raise Forbidden("A report belongs to a person, whose rights count: sign in as one.")
    subject = known(str(given.get("subject", "")))
    actor.require(subject.permission)
    if (session.scalar(select(func.count()).select_from(Report)) or 0) >= MOST:
        raise Conflict(f"There are {MOST} reports already: delete one that nobody reads any more.")
    report = Report(
        name=_name(given.get("name")),
        subject=subject.key,
        query=_query(session, subject, str(given.get("parameters") or "")),
        format=_format(given.get("format")),
        owner_id=actor.user_id,
        created_at=clock.now_us(),
    )
    _plan(report, given.get("schedule"), settings)
    session.add(report)
    session.flush()
    audit.record(session, actor, "report.create", "report", report.id, fields=["subject", "format", "schedule"])
    return report


def change(session: Session, actor: Actor, settings: Settings, report_id: int, given: Mapping[str, Any]) -> Report:
    """Change what is named of `name`, `parameters`, `format`, `schedule` and `paused`; raises as `create`, Forbidden for other people's."""
    report = _own(session, actor, report_id)
    if "name" in given:
        report.name = _name(given["name"])
    if "parameters" in given:
        report.query = _query(session, known(report.subject), str(given["parameters"] or ""))
    if "format" in given:
        report.format = _format(given["format"])
    if "schedule" in given:
        _plan(report, given["schedule"], settings)
    if "paused" in given:
        if given["paused"] and report.schedule is None:
            raise InvalidInput(
                "A report that is made by hand cannot pause.", fields={"paused": ["a report with a schedule"]}
            )
        if given["paused"]:
            report.next_at = None
        elif report.next_at is None:
            _plan(report, report.schedule, settings)
    session.flush()
    audit.record(session, actor, "report.change", "report", report.id, fields=sorted(given))
    return report


def delete(session: Session, actor: Actor, report_id: int) -> str:
    """Take a report and its files off the record and return its name; the caller lets `files.sweep` take the files themselves away."""
    report = _own(session, actor, report_id)
    name = report.name
    session.delete(report)
    audit.record(session, actor, "report.delete", "report", report_id)
    session.flush()
    return name


def request(session: Session, actor: Actor, report_id: int) -> JobRun:
    """Have a report made now; raises Conflict while it is being made."""
    actor.require(WRITES)
    one(session, actor, report_id)
    return schedules.queue(session, report_id, actor)


def _own(session: Session, actor: Actor, report_id: int) -> Report:
    actor.require(WRITES)
    view = one(session, actor, report_id)
    if not view.may_change:
        raise Forbidden(f"Only {view.owner}, whose report this is, can change it, or an administrator.")
    return view.report


def _may_change(actor: Actor, report: Report) -> bool:
    return actor.may(WRITES) and (report.owner_id == actor.user_id or actor.may(Permission.USERS_MANAGE))


def _plan(report: Report, schedule: Mapping[str, Any] | None, settings: Settings) -> None:
    report.schedule = schedules.checked(schedule)
    now = clock.now_us()
    report.next_at = None if report.schedule is None else schedules.next_after(report.schedule, settings.time_zone, now)


def _name(given: object) -> str:
    name = " ".join(str(given or "").split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            "The report needs a name.", fields={"name": [f"a name of 1 to {LONGEST_NAME} ordinary characters"]}
        )
    return name


def _query(session: Session, subject: Subject, given: str) -> str:
    if not subject.listed:
        return parameters.checked(session, subject.key, given) if given else ""
    query = asked.checked_query(given)
    if len(query) > LONGEST_QUERY:
        raise InvalidInput(
            "This list has too many filters.", fields={"parameters": [f"at most {LONGEST_QUERY} characters"]}
        )
    return query


def _format(given: object) -> str:
    if given not in FORMATS:
        raise InvalidInput("There is no such form.", fields={"format": [f"one of {', '.join(FORMATS)}"]})
    return str(given)
