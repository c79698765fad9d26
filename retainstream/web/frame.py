"""What stands around every page of a signed-in person: the rail, the search, how old the figures are, running jobs, and the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, render_template, request
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services import dashboard
from retainstream.web import current_jobs
from retainstream.web.current_jobs import JobsView
from retainstream.web.guards import signed_in_actor
from retainstream.web.navigation import Destination, destinations_for
from retainstream.web.person_view import PersonView, person_view
from retainstream.web.template_tools import day, moment


@dataclass(frozen=True)
class AsOf:
    """The chip that says how old the figures are; `detail` is the long form, for the pointer and for screen readers."""

    words: str
    detail: str
    stale: bool


@dataclass(frozen=True)
class Frame:
    """Everything around a page. `here` is the key of the page's place in the rail."""

    here: str
    destinations: tuple[Destination, ...]
    person: PersonView
    jobs: JobsView
    as_of: AsOf | None


def page(session: Session, template: str, *, here: str, status: int = 200, **content: Any) -> Response:
    """Render a page inside the frame.

    Parameters
    ----------
    session : Session
        Of the reading unit that the content was read in, so that the figures of frame and page agree.
    template : str
        One that extends `frame.html`.
    here : str
        Key of the rail's entry that the page belongs to.
    """
    return filled(around(session, here), template, status=status, **content)


def filled(frame: Frame, template: str, *, status: int = 200, **content: Any) -> Response:
    """Render a page inside a frame that was read before, by a page whose content says something of what stands around it."""
    html = render_template(template, frame=frame, **content)
    return current_app.make_response((html, status))


def around(session: Session, here: str) -> Frame:
    """Return the frame for the signed-in person."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    return Frame(
        here=here,
        destinations=destinations_for(person),
        person=person_view(person),
        jobs=current_jobs.read(session),
        as_of=as_of(dashboard.metrics(session, settings)),
    )


def as_of(metrics: Mapping[str, Any]) -> AsOf | None:
    """Return the chip; None before anything was scored."""
    if metrics["scored_at"] is None:
        return None
    words = f"Data to {day(metrics['data_as_of'])} · scored {moment(metrics['scored_at'])}"
    stale = bool(metrics["stale"])
    detail = (
        "Newer data came in, or a nightly scoring was missed: these scores are out of date."
        if stale
        else "Scores are up to date."
    )
    return AsOf(f"{words} · out of date" if stale else words, detail, stale)


def wants_fragment() -> bool:
    """Whether HTMX asks for a part of a page; a page that HTMX restores from history is asked for whole."""
    return bool(request.headers.get("HX-Request")) and not request.headers.get("HX-History-Restore-Request")
