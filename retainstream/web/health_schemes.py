"""The pages of health schemes: which there are, and the editor with its live check and its preview."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, current_app, flash, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib.identifiers import row_id
from retainstream.security.permissions import Permission
from retainstream.services.health import parts, preview, reading, schemes
from retainstream.services.health.schemes import BAND_NAMES, MOST_PARTS, SchemeView
from retainstream.services.segments import saved
from retainstream.web import analyses, frame
from retainstream.web import health_schemes_form as forms
from retainstream.web.browser_session import go
from retainstream.web.customers_view import HEALTH_LOOK
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.health_schemes_form import Form
from retainstream.web.health_scores import PAGE as SCORES
from retainstream.web.health_scores import TABS
from retainstream.web.health_scores_view import address_of
from retainstream.web.template_tools import percent

blueprint = Blueprint("web_health_schemes", __name__)
PAGE = f"{SCORES}/schemes"


@dataclass(frozen=True)
class SchemeLine:
    """A scheme of the list: whom it is for, how many have a score by it, and its parts in words."""

    id: int
    name: str
    whom: str
    badge: str
    count: int
    address: str
    parts: tuple[tuple[str, int], ...]
    undo: bool


@dataclass(frozen=True)
class PreviewLine:
    """A band of the preview."""

    look: str
    word: str
    count: int
    share: str
    width: float


@dataclass(frozen=True)
class PreviewView:
    """How customers would be spread; `words` say why that cannot be shown."""

    title: str
    lines: tuple[PreviewLine, ...]
    words: str


@blueprint.get(PAGE)
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """List the schemes in use."""
    person = signed_in_actor()
    with read_unit() as session:
        used = schemes.active(session)
        counts: dict[int, int] = {}
        nothing = None
        try:
            found = reading.standing(session)
            counts = {one.id: int((found.scheme == one.id).sum()) for one in used}
        except NotReady as why:
            nothing = analyses.not_yet(session, person, why.message, PAGE)
        return frame.page(
            session,
            "health/schemes.html",
            here="health",
            lines=[_line(session, one, counts.get(one.id, 0)) for one in used],
            nothing=None if used else nothing,
            tabs=TABS,
            may_write=person.may(Permission.SEGMENTS_WRITE),
        )


def _line(session: Session, one: SchemeView, count: int) -> SchemeLine:
    badge = "Made by this box" if one.default else "Proposed weights" if one.proposed else ""
    return SchemeLine(
        id=one.id,
        name=one.name,
        whom="Everybody else" if one.segment is None else f"Segment “{one.segment}”",
        badge=badge,
        count=count,
        address=address_of(f"scheme.{one.id}"),
        parts=tuple((part.title, part.weight) for part in one.parts),
        undo=schemes.before(session, one) is not None,
    )


@blueprint.get(f"{PAGE}/new")
@requires_page(Permission.SEGMENTS_WRITE)
def new() -> BaseResponse:
    """Show the editor for a segment, filled with the parts of the scheme for everybody else."""
    with read_unit() as session:
        general = next((one for one in schemes.active(session) if one.segment_id is None), None)
        if general is None:
            flash("Health scores are made first; then segments can have schemes of their own.", "bad")
            return go(PAGE)
        form = replace(forms.of_scheme(general), name="", segment_id=request.args.get("segment", "")[:20])
        return _editor(session, form, None)


@blueprint.get(f"{PAGE}/<int:scheme_id>")
@requires_page(Permission.SEGMENTS_WRITE)
def edit(scheme_id: int) -> BaseResponse:
    """Show the editor filled with a scheme in use."""
    with read_unit() as session:
        return _editor(session, forms.of_scheme(_in_use(session, scheme_id)), scheme_id)


@blueprint.post(f"{PAGE}/preview", defaults={"scheme_id": 0})
@blueprint.post(f"{PAGE}/<int:scheme_id>/preview")
@requires_page(Permission.SEGMENTS_WRITE)
def tried(scheme_id: int) -> BaseResponse:
    """Show how customers would be spread by what is in the editor, add a part to it, or take one out; nothing is stored."""
    with read_unit() as session:
        old = _in_use(session, scheme_id) if scheme_id else None
        form = forms.of_sent(request.form, _titles(session, old))
        if frame.wants_fragment():
            html = render_template("health/_preview.html", preview=_preview(session, form))
            return current_app.make_response(html)
        if request.form.get("add"):
            form = _added(session, form)
        return _editor(session, form, scheme_id or None)


@blueprint.post(PAGE, defaults={"scheme_id": 0})
@blueprint.post(f"{PAGE}/<int:scheme_id>")
@requires_page(Permission.SEGMENTS_WRITE)
def keep(scheme_id: int) -> BaseResponse:
    """Keep what is in the editor."""
    actor = signed_in_actor()
    with read_unit() as session:
        old = _in_use(session, scheme_id) if scheme_id else None
        form = forms.of_sent(request.form, _titles(session, old))
    body = forms.body_of(form)
    if not scheme_id and body["segment_id"] is None:
        problems: dict[str, Sequence[str]] = {"segment_id": ["the segment that it is for"]}
        with read_unit() as session:
            return _editor(session, forms.with_problems(form, problems), None, status=422)
    try:
        with unit_of_work() as session:
            if scheme_id:
                name = schemes.change(session, actor, scheme_id, body).name
            else:
                name = schemes.create(session, actor, body).name
    except InvalidInput as refused:
        with read_unit() as session:
            return _editor(session, forms.with_problems(form, refused.fields), scheme_id or None, status=422)
    except Conflict as refused:
        with read_unit() as session:
            told = forms.with_problems(form, {"segment_id": [refused.message]})
            return _editor(session, told, scheme_id or None, status=422)
    flash(f"“{name}” is kept. The scores are being made anew.", "good")
    return go(PAGE)


@blueprint.post(f"{PAGE}/<int:scheme_id>/delete")
@requires_page(Permission.SEGMENTS_WRITE)
def delete(scheme_id: int) -> BaseResponse:
    """Retire the scheme of a segment."""
    try:
        with unit_of_work() as session:
            name = schemes.delete(session, signed_in_actor(), scheme_id)
    except (Conflict, NotFound) as refused:
        flash(refused.message, "bad")
    else:
        flash(f"“{name}” is deleted. Its customers come under the scheme for everybody else.", "good")
    return go(PAGE)


def _in_use(session: Session, scheme_id: int) -> SchemeView:
    found = schemes.read(session, scheme_id)
    if found.retired_at is not None:
        raise NotFound("This scheme was replaced or deleted meanwhile; the list has those in use.")
    return found


def _titles(session: Session, old: SchemeView | None) -> dict[str, tuple[str, str]]:
    found = {key: (source.title, source.unit) for key, source in parts.catalogue(session).items()}
    kept = () if old is None else old.parts
    return {part.key: (part.title, part.unit) for part in kept} | found


def _added(session: Session, form: Form) -> Form:
    key = request.form["add"][:100]
    if len(form.rows) >= MOST_PARTS or any(row.key == key for row in form.rows):
        return form
    try:
        part = preview.suggested(session, box_settings(), key)
    except NotReady:
        part = None
    return form if part is None else replace(form, rows=(*form.rows, forms.row_of(part)))


def _preview(session: Session, form: Form) -> PreviewView:
    tried_parts = forms.parts_of(form)
    edges = [edge for edge in map(forms.number, form.bands) if edge is not None]
    rising = len(edges) == 3 and all(a < b for a, b in itertools.pairwise((0.0, *edges, 100.0)))
    if tried_parts is None or not rising:
        return PreviewView(
            "No preview yet", (), "Each part needs a weight and two different numbers, and the bands three rising ones."
        )
    try:
        found = preview.preview(session, box_settings(), tried_parts, edges, row_id(form.segment_id))
    except (NotReady, NotFound) as why:
        return PreviewView("No preview yet", (), why.message)
    if found.middle is None:
        return PreviewView("Nobody would have a score", (), "")
    most, total = max(found.bands.values()) or 1, sum(found.bands.values()) or 1
    lines = tuple(
        PreviewLine(
            HEALTH_LOOK[name],
            name.capitalize(),
            found.bands[name],
            percent(found.bands[name] / total),
            round(100 * found.bands[name] / most, 1),
        )
        for name in BAND_NAMES
    )
    without = f"{found.without:,} of {found.n:,} would have no score." if found.without else ""
    return PreviewView(f"The middle of {found.n:,} customers would have {found.middle:.0f} points", lines, without)


def _editor(session: Session, form: Form, scheme_id: int | None, status: int = 200) -> BaseResponse:
    taken = {row.key for row in form.rows}
    used = schemes.active(session)
    own = next((one for one in used if one.id == scheme_id), None)
    covered = {one.segment_id for one in used if one.id != scheme_id}
    segments = [(str(one.id), one.name) for one in saved.listed(session) if one.id not in covered]
    return frame.page(
        session,
        "health/scheme.html",
        here="health",
        status=status,
        form=form,
        scheme_id=scheme_id,
        general=own is not None and own.segment_id is None,
        segments=segments,
        choices=[(key, one.title) for key, one in parts.catalogue(session).items() if key not in taken],
        full=len(form.rows) >= MOST_PARTS,
        preview=_preview(session, form),
    )
