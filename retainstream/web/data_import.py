"""Loading a file in the browser: it is sent once, looked at, its columns are put right, and then it is queued. The reading is done by the services.

The modules that judge files bring numpy, which a worker needs for these pages only: they are imported by the views.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from flask import Blueprint, flash, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotFound, RetainStreamError, TooLarge, UnsupportedMedia
from retainstream.security.permissions import Permission
from retainstream.services.imports import files
from retainstream.web import data_words, frame
from retainstream.web.browser_session import current_actor, go
from retainstream.web.error_pages import error_page
from retainstream.web.guards import requires_page, signed_in_actor

if TYPE_CHECKING:
    from retainstream.services.events.drafts import Draft

blueprint = Blueprint("web_data_import", __name__)
GUESS = "guess"
MORE_BAD = "With this change {now:,} rows cannot be read, {before:,} before. Nothing was imported: look at them below, then import again."


@dataclass(frozen=True)
class UploadView:
    """The page that takes a file."""

    targets: tuple[tuple[str, str], ...]
    chosen: str
    max_mb: int
    problem: str


@blueprint.get("/data/import")
@requires_page(Permission.IMPORTS_WRITE)
def choose() -> BaseResponse:
    """Show where to drop a file."""
    return _upload_page()


@blueprint.post("/data/import")
@requires_page(Permission.IMPORTS_WRITE)
def receive() -> BaseResponse:
    """Take a file, look at it, and go on to its page."""
    from retainstream.services.events import drafts

    settings, sent = box_settings(), request.files.get("file")
    if sent is None or not sent.filename:
        return _upload_page(422, "Choose a file first.")
    wanted = request.form.get("target", GUESS)
    try:
        target = None if wanted == GUESS else drafts.require_target(wanted)
        upload = files.receive(cast(BinaryIO, sent.stream), sent.filename, settings)
        with read_unit() as session:
            draft = drafts.begin(session, settings, signed_in_actor(), upload, target)
    except (TooLarge, UnsupportedMedia, InvalidInput) as refusal:
        name = files.tidy_filename(sent.filename)
        return _upload_page(refusal.status, f"{name}: {refusal.message}")
    return go(f"/data/import/{draft.token}")


@blueprint.errorhandler(413)
def too_large(error: RequestEntityTooLarge) -> BaseResponse:
    """Say on the page itself that a file was too large to be read at all."""
    if current_actor() is None:
        return error_page(error)
    limit = box_settings().import_max_mb
    return _upload_page(
        413, f"The file is larger than the limit of {limit:,} MB. Compressed as .gz or .zip it may fit."
    )


@blueprint.get("/data/import/<token>")
@requires_page(Permission.IMPORTS_WRITE)
def draft(token: str) -> BaseResponse:
    """Show a file on trial."""
    from retainstream.services.events import drafts

    try:
        found = drafts.find(box_settings(), signed_in_actor(), token)
    except NotFound as gone:
        return _upload_page(404, gone.message)
    return _draft_page(found)


@blueprint.post("/data/import/<token>")
@requires_page(Permission.IMPORTS_WRITE)
def decide(token: str) -> BaseResponse:
    """Take what a person said about the file: an answer, an edit to be checked, another target, the import, or that it goes."""
    from retainstream.services.events import drafts

    settings, form = box_settings(), request.form
    try:
        found = drafts.find(settings, signed_in_actor(), token)
    except NotFound as gone:
        return _upload_page(404, gone.message)
    if form.get("act") == "discard":
        drafts.discard(settings, found)
        flash(f"{found.filename} was thrown away; nothing of it was imported.", "good")
        return go("/data/import")
    try:
        fresh = _retargeted(found, form) if "target" in form else _checked(found, form)
    except (InvalidInput, UnsupportedMedia) as refusal:
        return _draft_page(_as_typed(found, form), refusal.status, refusal.fields, refusal.message)
    if form.get("act") != "import":
        return _draft_page(fresh) if frame.wants_fragment() else go(f"/data/import/{token}")
    return _import(found, fresh)


def _import(before: Draft, draft: Draft) -> BaseResponse:
    from retainstream.services.events import drafts

    if draft.questions:
        return _draft_page(draft, 409)
    bad, was = (int(item.found["counts"].get("bad", 0)) for item in (draft, before))
    if bad > was:
        return _draft_page(draft, 409, message=MORE_BAD.format(now=bad, before=was))
    try:
        with drafts.taken(box_settings(), draft), unit_of_work() as session:
            batch, _ = drafts.queue(session, signed_in_actor(), draft)
            number = batch.id
    except NotFound as gone:
        return _upload_page(404, gone.message)
    except RetainStreamError as refusal:
        return _draft_page(draft, refusal.status, refusal.fields, refusal.message)
    return go(f"/data/imports/{number}")


def _retargeted(draft: Draft, form: Mapping[str, str]) -> Draft:
    from retainstream.services.events import drafts

    target = drafts.require_target(form["target"])
    blank = replace(draft, target=target, mapping={}, edited=False, answered=False, source=None, found={}, columns=[])
    with read_unit() as session:
        return drafts.check(session, box_settings(), blank)


def _checked(draft: Draft, form: MultiDict[str, str]) -> Draft:
    """Return the draft as the form wants it, looked at again where anything changed."""
    from retainstream.services.events import drafts
    from retainstream.web.data_mapping_form import edited

    settings, chosen = box_settings(), MultiDict(form)
    label = chosen.get("label")
    if label is not None and label.isdigit():
        chosen[f"c{label}.role"] = "label"
    wanted = edited(draft.target, draft.mapping, draft.columns, chosen)
    answered = draft.answered or label is not None or any(column["role"] == "label" for column in wanted["columns"])
    fresh = _with_options(replace(draft, answered=answered), form)
    answer = form.get("answer")
    side = ("confirm" if answer == "confirm" else "flip") if answer in ("confirm", "flip") else None
    changed = wanted != draft.mapping or label is not None
    if not changed and side is None and fresh == replace(draft, on_error=fresh.on_error):
        if fresh != draft:
            drafts.keep(settings, fresh)
        return fresh
    mapping = wanted if changed or draft.edited else None
    if draft.target != drafts.CUSTOMERS:
        mapping = wanted
    with read_unit() as session:
        return drafts.check(session, settings, fresh, mapping, label=side)  # type: ignore[arg-type]


def _with_options(draft: Draft, form: Mapping[str, str]) -> Draft:
    """Take the choices about the whole load; a field that the form does not have stays."""
    source = form.get("source", draft.source or "").strip()
    unknown, on_error = form.get("unknown", draft.unknown), form.get("on_error", draft.on_error)
    return replace(
        draft,
        source=source or None,
        unknown=unknown if unknown in ("create", "skip") else draft.unknown,
        on_error=on_error if on_error in ("skip", "reject") else draft.on_error,
    )


def _as_typed(draft: Draft, form: MultiDict[str, str]) -> Draft:
    """Return the draft with what was typed, so that a refusal loses nothing; what was found is of the mapping before."""
    from retainstream.web.data_mapping_form import edited

    if "target" in form:
        return draft
    with contextlib.suppress(KeyError, ValueError):
        return _with_options(replace(draft, mapping=edited(draft.target, draft.mapping, draft.columns, form)), form)
    return draft


def _draft_page(
    draft: Draft, status: int = 200, problems: Mapping[str, Sequence[str]] | None = None, message: str = ""
) -> BaseResponse:
    from retainstream.web.data_import_view import draft_view

    view = draft_view(draft, problems, message)
    with read_unit() as session:
        return frame.page(session, "data/draft.html", here="data", status=status, view=view)


def _upload_page(status: int = 200, problem: str = "") -> BaseResponse:
    chosen = str((request.form if status != 413 else request.args).get("target", request.args.get("target", GUESS)))
    targets = ((GUESS, "Find out from the file"), *data_words.TARGETS.items())
    view: Any = UploadView(targets, chosen, box_settings().import_max_mb, problem)
    with read_unit() as session:
        return frame.page(session, "data/upload.html", here="data", status=status, view=view)
