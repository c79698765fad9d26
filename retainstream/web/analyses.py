"""What pages of derived figures share: what they say before there is anything to show, and the button that has the figures made."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.db import unit_of_work
from retainstream.errors import Conflict
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.analyses import job, runs
from retainstream.web import current_jobs
from retainstream.web.browser_session import go
from retainstream.web.current_jobs import JobView
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_analyses", __name__)
PLACES = ("/segments", "/revenue", "/health")
"""Beginnings of the addresses that a making may lead back to."""


@dataclass(frozen=True)
class NotYet:
    """A page without its figures: why, the job that is making them if one is, and whether this person may have them made."""

    text: str
    back: str
    work: JobView | None
    may_make: bool


def not_yet(session: Session, person: Actor, text: str, back: str) -> NotYet:
    """Return what `analyses/_not_yet.html` says. The button is there only while they were never made: making them again would change nothing."""
    open_jobs = current_jobs.read(session).open
    work = next((one for one in open_jobs if one.kind == job.KIND), None)
    never = runs.in_force(session, "material") is None
    return NotYet(text, back, work, never and person.may(Permission.PREDICTIONS_WRITE))


@blueprint.post("/analyses/make")
@requires_page(Permission.PREDICTIONS_WRITE)
def make() -> BaseResponse:
    """Queue the job that makes every analysis, and go back."""
    try:
        with unit_of_work() as session:
            job.request(session, signed_in_actor())
    except Conflict as refusal:
        flash(refusal.message, "bad")
    else:
        flash("The figures are being made; this page shows them when they are there.", "good")
    back = request.form.get("back", "")
    return go(back if back.startswith(PLACES) else "/jobs")
