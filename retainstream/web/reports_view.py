"""What the pages of reports show, made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retainstream.services.reports import schedules
from retainstream.services.reports.formats import FORMATS
from retainstream.services.reports.saved import ReportView
from retainstream.web.current_jobs import JobView
from retainstream.web.template_tools import moment

STATES = {"made": ("Made", "good"), "failed": ("Failed", "bad"), "removed": ("Removed", "")}
"""State of a file -> its word, and the tone of its badge."""
_UNITS = ("bytes", "kB", "MB", "GB")


@dataclass(frozen=True)
class FileLine:
    """One making: when, its state in a word with a tone, what is in it, why it is not there, and where it is fetched (empty where it may not be)."""

    id: int
    made_at: str
    word: str
    tone: str
    form: str
    said: str
    why: str
    address: str


@dataclass(frozen=True)
class ReportLine:
    """One report of the list."""

    id: int
    name: str
    address: str
    what: str
    owner: str
    schedule: str
    next: str
    paused: bool
    file: FileLine | None
    busy: bool


def line(view: ReportView, may_read: Callable[[Any], bool]) -> ReportLine:
    """Return a report's line; `may_read` tells whether the person may read a file."""
    told = view.to_dict()
    last = told["last_file"]
    return ReportLine(
        id=view.report.id,
        name=view.report.name,
        address=f"/reports/{view.report.id}",
        what=f"{view.subject.title} as {FORMATS[view.report.format].word}",
        owner=view.owner,
        schedule=schedules.words(view.report.schedule),
        next=f"next on {moment(told['next_at'])}" if told["next_at"] else "",
        paused=view.paused,
        file=None
        if view.last is None
        else file_line(view.report.id, {**last, "may_read": view.last.state == "made" and may_read(view.last)}),
        busy=view.job is not None,
    )


def file_line(report_id: int, file: Mapping[str, Any]) -> FileLine:
    """Return a file's line."""
    word, tone = STATES[file["state"]]
    rows = file["n_rows"]
    parts = [f"{rows:,} row{'' if rows == 1 else 's'}"] if rows is not None else []
    if file["state"] == "made":
        parts.append(size(file["n_bytes"]))
        if file["holds"] == "personal":
            parts.append("with personal details")
    return FileLine(
        id=file["id"],
        made_at=file["made_at"],
        word=word,
        tone=tone,
        form=FORMATS[file["format"]].word,
        said=", ".join(parts),
        why=file["error"] or "",
        address=f"/reports/{report_id}/files/{file['id']}" if file["may_read"] else "",
    )


def size(n_bytes: int) -> str:
    """Return a size in words."""
    value, unit = float(n_bytes), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 10 else f"{value:.1f} {_UNITS[unit]}"


@dataclass(frozen=True)
class ReportPage:
    """One report: its line, where what it shows is on a page of its own, its files, the work on it, and what this person may do."""

    line: ReportLine
    lead: str
    source: str
    files: tuple[FileLine, ...]
    following: str
    total: int
    work: JobView | None
    may_change: bool
    may_make: bool


def page(
    view: ReportView,
    files: Any,
    work: JobView | None,
    *,
    may_read: Callable[[Any], bool],
    may_make: bool,
    listed: str,
) -> ReportPage:
    """Return the page of a report; `listed` says in a sentence which list it is, or what its parameters mean."""
    address = view.subject.address
    if view.report.query:
        address = f"{address}?{view.report.query}"
    following = f"/reports/{view.report.id}?cursor={files.next_cursor}" if files.next_cursor else ""
    made = line(view, may_read)
    return ReportPage(
        line=made,
        lead=f"{made.what}. {listed}".strip(),
        source=address,
        files=tuple(file_line(view.report.id, item) for item in files.items),
        following=following,
        total=files.total,
        work=work,
        may_change=view.may_change,
        may_make=may_make,
    )
