"""The pages of long work: the list, one job with what came of it, and asking again or stopping. The strip in the top bar is `current_jobs`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, flash, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import JobRun
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import jobs, retrying
from retainstream.services.access import accounts
from retainstream.web import frame, jobs_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_jobs", __name__)
PAGE = 25
_MADE = {
    "train": ("/model/versions/{model_version}", "Version {model_version}", Permission.MODEL_READ),
    "score": ("/", "Home", Permission.DASHBOARD_READ),
    "replay": ("/model/replay/{job}", "What it found", Permission.PREDICTIONS_READ),
    "judge": ("/model/performance", "Promised and realised", Permission.MODEL_READ),
    "import": ("/data/imports/{batch_id}", "Import {batch_id}", Permission.IMPORTS_READ),
    "ingest": ("/data/imports/{batch_id}", "Import {batch_id}", Permission.IMPORTS_READ),
    "undo": ("/data/imports/{batch_id}", "Import {batch_id}", Permission.IMPORTS_READ),
    "report": ("/reports/{report_id}", "The report", Permission.DASHBOARD_READ),
    "demo": ("/", "Home", Permission.DASHBOARD_READ),
}
"""Kind -> where what it made is seen, once it is done: address and word, with figures of the job's payload and result, and the permission."""
_FROM_THE_BEGINNING = ("import", "ingest", "undo")
"""Kinds whose page is there before they are done, and tells why they failed."""


@blueprint.get("/jobs")
@requires_page(Permission.JOBS_READ)
def show() -> BaseResponse:
    """List jobs, newest first; while one of them is open, HTMX asks for the list again."""
    kind, state = _chosen("kind", jobs_view.KINDS), _chosen("state", jobs_view.STATES)
    cursor = request.args.get("cursor") or None
    with read_unit() as session:
        page = jobs.list_jobs(session, PageRequest(PAGE, cursor), kind=kind, state=state)
        people = accounts.names(session)
        lines = [jobs_view.line(item, people, clock.now()) for item in page.items]
        content: dict[str, Any] = {
            "lines": lines,
            "busy": any(line.state in jobs_view.OPEN for line in lines),
            "total": page.total,
            "list_address": _address(kind, state, cursor),
            "following": _address(kind, state, page.next_cursor) if page.next_cursor else "",
            "first": _address(kind, state) if cursor else "",
            "filtered": bool(kind or state),
        }
        if frame.wants_fragment():
            return current_app.make_response(render_template("jobs/_list.html", **content))
        chips: dict[str, Any] = {
            "states": _chips(
                state, {key: word for key, (word, _) in jobs_view.STATES.items()}, lambda one: _address(kind, one)
            ),
            "kinds": _chips(kind, jobs_view.KINDS, lambda one: _address(one, state)),
        }
        return frame.page(session, "jobs/jobs.html", here="jobs", **chips, **content)


def _chosen(name: str, known: Collection[str]) -> str | None:
    value = request.args.get(name) or None
    if value is not None and value not in known:
        raise InvalidInput(f"There are no jobs of the {name} {value[:40]!r}.", fields={name: ["one of the list"]})
    return value


def _address(kind: str | None, state: str | None, cursor: str | None = None) -> str:
    asked = {name: value for name, value in (("kind", kind), ("state", state), ("cursor", cursor)) if value}
    return f"/jobs?{urlencode(asked)}" if asked else "/jobs"


def _chips(
    chosen: str | None, words: Mapping[str, str], address: Callable[[str | None], str]
) -> list[tuple[str, str, bool]]:
    """Return word, address and whether it is on, for everything and for each."""
    choices: list[tuple[str | None, str]] = [(None, "All"), *words.items()]
    return [(word, address(key), key == chosen) for key, word in choices]


@blueprint.get("/jobs/<int:job_id>")
@requires_page(Permission.JOBS_READ)
def show_job(job_id: int) -> BaseResponse:
    """Show one job; while it is open, HTMX asks for its progress again."""
    person = signed_in_actor()
    with read_unit() as session:
        job = jobs.get(session, job_id)
        view = jobs_view.page(
            jobs.present(job), accounts.names(session), clock.now(), file_gone=retrying.file_gone(session, job)
        )
        if frame.wants_fragment():
            return current_app.make_response(render_template("jobs/_progress.html", job=view))
        return frame.page(
            session,
            "jobs/job.html",
            here="jobs",
            job=view,
            may_retry=retrying.may(session, person, job),
            may_cancel=view.open and not view.stopping and person.may(Permission.JOBS_CANCEL),
            links=_links(person, job),
        )


def _links(person: Actor, job: JobRun) -> list[tuple[str, str]]:
    """Return where what came of a job is seen, among the pages that the person may open."""
    found = []
    place = _MADE.get(job.kind) if job.state == "succeeded" or job.kind in _FROM_THE_BEGINNING else None
    if place is not None and person.may(place[2]):
        figures = {"job": job.id, **(job.payload or {}), **(job.result or {})}
        # What an older version wrote may lack a figure: then there is no link.
        with contextlib.suppress(KeyError):
            found.append((place[0].format_map(figures), place[1].format_map(figures)))
    scoring = job.result.get("score_job") if job.result else None
    if isinstance(scoring, int):
        found.append((f"/jobs/{scoring}", "The scoring that followed"))
    return found


@blueprint.post("/jobs/<int:job_id>/cancel")
@requires_page(Permission.JOBS_CANCEL)
def cancel(job_id: int) -> BaseResponse:
    """Stop a job."""
    person = signed_in_actor()
    try:
        with unit_of_work() as session:
            ended = jobs.cancel(session, person, job_id).state == "cancelled"
    except Conflict as refusal:
        flash(refusal.message, "bad")
    else:
        flash(f"Job {job_id} is cancelled." if ended else f"Job {job_id} is asked to stop.", "good")
    return go(f"/jobs/{job_id}")


@blueprint.post("/jobs/<int:job_id>/retry")
@requires_page(Permission.JOBS_READ)
def retry(job_id: int) -> BaseResponse:
    """Ask for the same work again; the service looks whether the person may ask for this kind."""
    person = signed_in_actor()
    try:
        with unit_of_work() as session:
            fresh = retrying.retry(session, person, job_id).id
    except (Conflict, NotReady, InvalidInput) as refusal:
        flash(refusal.message, "bad")
        return go(f"/jobs/{job_id}")
    flash(f"It is asked for again as job {fresh}.", "good")
    return go(f"/jobs/{fresh}")
