"""The data pages about imports: what is on record, what was loaded when, one import with its fate, its bad rows, and its undo.

Loading a file is `data_import`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import ConfirmationNeeded, Conflict
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import dashboard, jobs
from retainstream.services.imports import batches
from retainstream.web import csv_files, data_one_view, data_tabs, data_view, frame, next_step
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.next_step import NextStep

blueprint = Blueprint("web_data", __name__)
data_tabs.register(blueprint)
SHOWN_IMPORTS = 20


@blueprint.get("/data")
@requires_page(Permission.IMPORTS_READ)
def show() -> BaseResponse:
    """Show what is on record and the imports behind it."""
    from retainstream.services.events import holdings

    person, cursor = signed_in_actor(), request.args.get("cursor") or None
    with read_unit() as session:
        page = batches.list_batches(session, PageRequest(limit=SHOWN_IMPORTS, cursor=cursor))
        view = data_view.overview(
            dashboard.metrics(session, box_settings()),
            holdings.read(session),
            page.items,
            total=page.total,
            following=f"/data?cursor={page.next_cursor}" if page.next_cursor else "",
            first="/data" if cursor else "",
            linked=_opens_customers(person),
            may_import=person.may(Permission.IMPORTS_WRITE),
        )
        return frame.page(session, "data/data.html", here="data", view=view)


@blueprint.get("/data/kinds.csv")
@requires_page(Permission.IMPORTS_READ)
def kinds_file() -> BaseResponse:
    """Return all kinds of events with their counts."""
    from retainstream.services.events import holdings

    with read_unit() as session:
        rows = [(kind.name, kind.events, kind.customers) for kind in holdings.read(session).kinds]
    return csv_files.download("events-by-kind.csv", [("kind", "events", "customers"), *rows])


@blueprint.get("/data/imports/<int:number>")
@requires_page(Permission.IMPORTS_READ)
def one(number: int) -> BaseResponse:
    """Show one import: its progress while it runs, then its fate."""
    person = signed_in_actor()
    with read_unit() as session:
        item = batches.present(session, person, number)
        job = batches.latest_job(session, number)
        view = data_one_view.import_view(
            item,
            None if job is None else jobs.present(job),
            next_step=next_step.for_person(_wanted(session, item), person),
            linked=_opens_customers(person),
            undo=person.may(Permission.IMPORTS_WRITE),
            download=person.may(Permission.CUSTOMERS_PERSONAL),
            cancel=person.may(Permission.JOBS_CANCEL),
            imports=person.may(Permission.IMPORTS_WRITE),
        )
        return frame.page(session, "data/import.html", here="data", view=view)


@blueprint.get("/data/imports/<int:number>/bad-rows.csv")
@requires_page(Permission.CUSTOMERS_PERSONAL)
def bad_rows(number: int) -> BaseResponse:
    """Return the rows that were not taken, as a file to mend and load again."""
    from retainstream.services.imports.offered import bad_rows_text

    signed_in_actor().require(Permission.IMPORTS_READ)
    with read_unit() as session:
        text = bad_rows_text(session, number)
    response = Response(text.encode("utf-8", "replace"), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{number}-bad-rows.csv"'
    return response


@blueprint.get("/data/imports/<int:number>/undo")
@requires_page(Permission.IMPORTS_WRITE)
def ask_undo(number: int) -> BaseResponse:
    """Show what an undo would take away."""
    return _undo_page(number)


@blueprint.post("/data/imports/<int:number>/undo")
@requires_page(Permission.IMPORTS_WRITE)
def undo(number: int) -> BaseResponse:
    """Queue the undo of an import."""
    try:
        with unit_of_work() as session:
            batches.queue_undo(session, signed_in_actor(), number, confirm=request.form.get("confirm") == "yes")
    except ConfirmationNeeded:
        return _undo_page(number, 409)
    except Conflict as refusal:
        flash(refusal.message, "bad")
    return go(f"/data/imports/{number}")


@blueprint.post("/data/imports/<int:number>/cancel")
@requires_page(Permission.JOBS_CANCEL)
def cancel(number: int) -> BaseResponse:
    """Stop the job that works on an import."""
    try:
        with unit_of_work() as session:
            job = batches.latest_job(session, batches.get(session, number).id)
            if job is not None:
                jobs.cancel(session, signed_in_actor(), job.id)
    except Conflict as refusal:
        flash(refusal.message, "bad")
    return go(f"/data/imports/{number}")


def _undo_page(number: int, status: int = 200) -> BaseResponse:
    with read_unit() as session:
        batch = batches.get(session, number)
        item = batches.present(session, signed_in_actor(), number)
        if batch.state != "applied":
            raise Conflict(f"Import {number} is {batch.state}; only one that is on record can be taken back.")
        warning = ""
        try:
            batches.require_last_word(session, batch)
        except ConfirmationNeeded as needed:
            # What follows the last full stop but one speaks to scripts.
            warning = needed.message.rsplit(" Undo ", 1)[0]
        view = data_one_view.undo_view(item, warning)
        return frame.page(session, "data/undo.html", here="data", status=status, view=view)


def _wanted(session: Session, item: dict[str, Any]) -> NextStep | None:
    if item["state"] != "applied":
        return None
    labelled = any(column["role"] == "label" for column in item["mapping"].get("columns", []))
    return next_step.after_import(next_step.read(session, box_settings()), item["target"], labelled=labelled)


def _opens_customers(person: Actor) -> bool:
    return person.may(Permission.CUSTOMERS_READ)
