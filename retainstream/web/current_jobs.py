"""The strip of running work that pages follow by polling. The list of jobs and what came of each is `jobs`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, render_template, request
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services import jobs
from retainstream.web.guards import requires_page

blueprint = Blueprint("web_current_jobs", __name__)
BUSY_SECONDS = 2
IDLE_SECONDS = 20
NAMES = {
    "train": "Training",
    "score": "Scoring",
    "replay": "Replay of a past day",
    "judge": "Check of past scores",
    "import": "Import of customers",
    "ingest": "Import of events",
    "undo": "Undoing an import",
    "analyse": "Analyses",
    "report": "Making a report",
    "demo": "Making the demo",
}
"""What each kind of work is called."""


@dataclass(frozen=True)
class JobView:
    """One job as a person sees it; `percent` is None while it waits."""

    id: int
    kind: str
    name: str
    state: str
    phase: str
    percent: int | None
    message: str

    @property
    def open(self) -> bool:
        """Tell whether it still waits or runs."""
        return self.state in ("queued", "running")


@dataclass(frozen=True)
class JobsView:
    """Open jobs, and the one that ended last."""

    open: tuple[JobView, ...]
    last: JobView | None
    last_at: str | None

    @property
    def poll_seconds(self) -> int:
        """Return after how long the page asks again: soon while something runs, now and then otherwise."""
        return BUSY_SECONDS if self.open else IDLE_SECONDS


def read(session: Session) -> JobsView:
    """Return what runs, waits, and ended last."""
    items = jobs.list_jobs(session, PageRequest(limit=20)).items
    running = tuple(_view(item) for item in reversed(items) if item["state"] in ("queued", "running"))
    ended = next((item for item in items if item["state"] not in ("queued", "running")), None)
    return JobsView(running, _view(ended) if ended else None, str(ended["finished_at"]) if ended else None)


def _view(job: dict[str, object]) -> JobView:
    state, progress = str(job["state"]), job["progress"]
    error = job["error"]
    message = str(error.get("message", "")) if isinstance(error, dict) else ""
    percent = int(100 * progress) if isinstance(progress, float | int) and state == "running" else None
    kind = str(job["kind"])
    return JobView(int(str(job["id"])), kind, NAMES.get(kind, kind), state, str(job["phase"]), percent, message)


@blueprint.get("/jobs/current")
@requires_page(Permission.JOBS_READ)
def current() -> Response:
    """Answer the strip; 304 while nothing changed. `was` tells that the page saw work: when that has ended, the strip says so.

    The page loads itself anew then, unless somebody is in the middle of something on it.
    """
    with read_unit() as session:
        view = read(session)
    ended = bool(request.args.get("was")) and not view.open
    response = current_app.make_response(render_template("_jobs.html", jobs=view, ended=ended))
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("HX-Request")
    response.make_conditional(request)
    return response
