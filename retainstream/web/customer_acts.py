"""What can be done about one customer: tags, acts, edits and their undo, export, and erasing for good. The page itself is `customer`."""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma
from flask import Blueprint, Response, current_app, flash, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import empty_log, read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.schemas.customers import CustomerChangeSchema
from retainstream.security.permissions import Permission
from retainstream.services import as_of, exposures, predictions
from retainstream.services.customers import erasure, erasure_ledger, portrait, record
from retainstream.services.reports import files as report_files
from retainstream.web import customer_edit, customer_undo, frame
from retainstream.web.browser_session import go
from retainstream.web.customer_edit import EditForm
from retainstream.web.customer_timeline_view import ACTS
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_customer_acts", __name__)
SOURCE = "dashboard"
MOST_TAGS = 50


def _home(user_id: str) -> str:
    return url_for("web_customer.show", user_id=user_id)


@blueprint.post("/customer/tags/<path:user_id>")
@requires_page(Permission.CUSTOMERS_WRITE)
def tags(user_id: str) -> BaseResponse:
    """Add or remove a tag."""
    added, removed = request.form.get("add", "").strip(), request.form.get("remove", "")
    with unit_of_work() as session:
        customer, _ = record.require(session, user_id)
        wanted = [tag for tag in customer.tags if tag != removed] + ([added] if added else [])
        try:
            body = CustomerChangeSchema().load({"tags": wanted})
        except ma.ValidationError:
            flash(f"A tag has 1 to 60 characters and no comma, and a customer at most {MOST_TAGS} tags.", "bad")
            return go(_home(user_id))
        if set(wanted) != set(customer.tags):
            record.change(session, signed_in_actor(), user_id, record.Change.of(body))
    return go(_home(user_id))


@blueprint.post("/customer/act/<path:user_id>")
@requires_page(Permission.CUSTOMERS_WRITE)
def act(user_id: str) -> BaseResponse:
    """Note that something was done to the customer; the permanent hold-out is respected unless it happened all the same."""
    kind, override = request.form.get("kind", ""), request.form.get("override") == "yes"
    if kind not in ACTS:
        raise InvalidInput("There is no such act.", fields={"kind": ["one of " + ", ".join(ACTS)]})
    try:
        at = _day(request.form.get("day", ""))
        with unit_of_work() as session:
            exposures.record(session, signed_in_actor(), user_id, kind=kind, source=SOURCE, at=at, override=override)
    except Conflict:
        flash(
            "Nothing was noted: this customer belongs to the permanent hold-out, which no act may reach. If it happened all the same, say so in the form.",
            "bad",
        )
    except InvalidInput as wrong:
        flash(wrong.message, "bad")
    else:
        flash(f"{ACTS[kind]} noted.", "good")
    return go(_home(user_id))


def _day(text: str) -> int | None:
    """Return the instant that a chosen day stands for: now for today or none, else its noon in the box's time zone."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    zone = ZoneInfo(settings.time_zone)
    if not text:
        return None
    try:
        chosen = datetime.fromisoformat(text).date()
    except ValueError:
        raise InvalidInput("The day is not a date such as 2026-03-31.", fields={"day": ["a date"]}) from None
    if chosen == clock.now().astimezone(zone).date():
        return None
    return clock.to_us(datetime.combine(chosen, time(12), zone))


@blueprint.post("/customer/score/<path:user_id>")
@requires_page(Permission.PREDICTIONS_WRITE)
def score(user_id: str) -> BaseResponse:
    """Queue the scoring of this customer."""
    try:
        with unit_of_work() as session:
            predictions.generate(session, signed_in_actor(), [user_id])
    except (Conflict, InvalidInput, NotReady) as refusal:
        flash(refusal.message, "bad")
    else:
        flash("Scoring is queued; reload the page when it is done.", "good")
    return go(_home(user_id))


@blueprint.get("/customer/edit/<path:user_id>")
@requires_page(Permission.CUSTOMERS_WRITE)
def edit(user_id: str) -> BaseResponse:
    """Show the form."""
    with read_unit() as session:
        found = record.read(session, signed_in_actor(), user_id)
        return _edit_page(session, user_id, customer_edit.form(found, _currency()))


@blueprint.post("/customer/edit/<path:user_id>")
@requires_page(Permission.CUSTOMERS_WRITE)
def save(user_id: str) -> BaseResponse:
    """Write what was changed, and offer to take it back; with a problem the form comes back as it was typed."""
    person, typed = signed_in_actor(), {key: request.form[key] for key in request.form}
    with read_unit() as session:
        found = record.read(session, person, user_id)
    try:
        body, old = customer_edit.changes(found, _currency(), typed)
        if not body:
            flash("Nothing was changed.", "good")
            return go(_home(user_id))
        with unit_of_work() as session:
            wanted = record.Change.of(body)
            written = record.change(session, person, user_id, wanted, unchanged_since=typed.get("updated_at", ""))
    except (InvalidInput, Conflict) as wrong:
        problems = {_field(name): list(texts) for name, texts in wrong.fields.items()}
        form = customer_edit.form(found, _currency(), typed, problems, wrong.message)
        with read_unit() as session:
            return _edit_page(session, user_id, form, wrong.status)
    count = len(wanted.names())
    message = f"{count} field{'' if count == 1 else 's'} changed."
    if not customer_undo.offer(user_id, str(written["updated_at"]), old, message):
        flash(message, "good")
    return go(_home(user_id))


def _field(name: str) -> str:
    """Return the form's name of a field that a service named."""
    if name.startswith("attributes."):
        return customer_edit.ATTRIBUTE + name.removeprefix("attributes.")
    return "amount" if name == "revenue" else name


def _currency() -> str:
    settings: Settings = current_app.config["RETAINSTREAM"]
    return settings.currency


def _edit_page(session: Session, user_id: str, form: EditForm, status: int = 200) -> BaseResponse:
    return frame.page(
        session,
        "customer/edit.html",
        here="customers",
        status=status,
        form=form,
        user_id=user_id,
    )


@blueprint.post("/customer/undo/<path:user_id>")
@requires_page(Permission.CUSTOMERS_WRITE)
def undo(user_id: str) -> BaseResponse:
    """Put old values back through the door of an edit, unless something else was changed since."""
    try:
        body: dict[str, Any] = CustomerChangeSchema().loads(request.form.get("values", ""))
    except (ma.ValidationError, ValueError):
        raise InvalidInput("These are no values that an edit could take back.") from None
    try:
        with unit_of_work() as session:
            record.change(
                session,
                signed_in_actor(),
                user_id,
                record.Change.of(body),
                unchanged_since=request.form.get("updated_at", ""),
            )
    except Conflict as changed:
        flash(changed.message, "bad")
    else:
        flash("Taken back: everything is as it was.", "good")
    return go(_home(user_id))


@blueprint.get("/customer/export/<path:user_id>")
@requires_page(Permission.CUSTOMERS_EXPORT)
def export(user_id: str) -> BaseResponse:
    """Send everything on record about one person as JSON; that it was sent is written into the audit."""
    with unit_of_work() as session:
        found = portrait.export(session, signed_in_actor(), user_id)
    text = json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False)
    headers = {"Content-Disposition": 'attachment; filename="customer.json"', "Cache-Control": "no-store"}
    return Response(text, mimetype="application/json", headers=headers)


@blueprint.get("/customer/erase/<path:user_id>")
@requires_page(Permission.CUSTOMERS_ERASE)
def confirm_erasure(user_id: str) -> BaseResponse:
    """Say what erasing would remove and what would stay."""
    return _erasure_page(user_id)


def _erasure_page(user_id: str, problem: str = "", status: int = 200) -> BaseResponse:
    with read_unit() as session:
        extent = portrait.extent(session, user_id)
        return frame.page(
            session,
            "customer/erase.html",
            here="customers",
            status=status,
            user_id=user_id,
            extent=extent,
            problem=problem,
        )


@blueprint.post("/customer/erase/<path:user_id>")
@requires_page(Permission.CUSTOMERS_ERASE)
def erase(user_id: str) -> BaseResponse:
    """Erase one person for good, once it was confirmed."""
    if request.form.get("confirm") != "yes":
        return _erasure_page(user_id, "Tick the box to confirm; nothing was erased.", 422)
    settings: Settings = current_app.config["RETAINSTREAM"]
    with unit_of_work() as session:
        erasure.erase(session, signed_in_actor(), user_id, key=settings.resolved_secret_key().encode())
    erasure_ledger.remember(settings, user_id)
    as_of.forget_columns(settings)
    with unit_of_work() as session:
        report_files.sweep(session, settings)
    empty_log()
    flash("1 customer was erased for good. The counts stay.", "good")
    return go("/customers")
