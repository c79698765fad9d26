"""The list of customers: found, filtered, sorted and paged by its address; saved as views, tagged, and taken away as CSV."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    render_template,
    request,
    send_file,
    stream_with_context,
    url_for,
)
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput
from retainstream.lib import clock, workbook
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import dashboard
from retainstream.services.customers import asked as lists_asked
from retainstream.services.customers import cells, counted, export, sheet, tagging, views, window
from retainstream.services.customers.asked import Asked
from retainstream.services.desk import people
from retainstream.services.segments import saved
from retainstream.web import customers_form, customers_view, frame
from retainstream.web.browser_session import go
from retainstream.web.customers_view import PAGE, ListView
from retainstream.web.customers_words import address
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_customers", __name__)
_CUSTOMER, _IMPORT = "web_customer.show", "web_data_import.choose"
_PLACES = ("after", "before", "at")


@dataclass(frozen=True)
class Refused:
    """A form of the page that could not be done: what was typed, and what is wrong with it. `form` is `tags`, `assign` or `view`."""

    form: str = ""
    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    ticked: frozenset[str] = frozenset()


NOTHING_REFUSED = Refused()


@blueprint.get("/customers")
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """Show the list that the address asks for; a form's own words are put into the list's address first."""
    given = {name: request.args.getlist(name) for name in request.args if name not in _PLACES}
    with read_unit() as session:
        currency = currency_of(session)
        typed = customers_form.read(given, currency)
        fragment = frame.wants_fragment()
        if not (typed.settled or typed.problems or fragment):
            return go(address(typed.asked))
        return page(session, typed.asked, currency, typed=typed, status=422 if typed.problems else 200)


def currency_of(session: Session) -> str:
    """Return the currency of most customers, in which amounts are typed and said."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    monthly = dashboard.metrics(session, settings)["monthly_revenue"]
    return str(monthly["currency"]) if isinstance(monthly, dict) else settings.currency


def page(
    session: Session,
    asked: Asked,
    currency: str,
    *,
    typed: customers_form.Typed | None = None,
    refused: Refused = NOTHING_REFUSED,
    status: int = 200,
) -> Response:
    """Return the page of a list, or its part for a fragment; `refused` is a form of it that comes back with complaints."""
    person = signed_in_actor()
    view = _read(session, person, asked, currency, refused.ticked)
    content = {
        "view": view,
        "asked": asked,
        "typed": typed or customers_form.read({name: [value] for name, value in asked.pairs()}, currency),
        "refused": refused,
        "currency": currency,
        "withheld": _withheld(session),
        "may_tag": person.may(Permission.CUSTOMERS_WRITE),
        "team": people.assignable(session) if person.may(Permission.TASKS_WRITE) else (),
        "me": person.user_id,
        "may_export": person.may(Permission.CUSTOMERS_EXPORT),
        "may_import": person.may(Permission.IMPORTS_WRITE),
        "import_address": _import_address(person),
        "may_personal": person.may(Permission.CUSTOMERS_PERSONAL),
        "may_segment": person.may(Permission.SEGMENTS_WRITE),
    }
    if not frame.wants_fragment():
        return frame.page(session, "customers/customers.html", here="customers", status=status, **content)
    response = current_app.make_response((render_template("customers/_fragment.html", **content), status))
    places = {name: request.args.get(name, "") for name in _PLACES}
    # Letters that are typed one after another leave one entry in the browser's history.
    turn = "HX-Replace-Url" if request.headers.get("HX-Trigger") == "q" else "HX-Push-Url"
    response.headers[turn] = address(asked, **places)
    return response


def _read(session: Session, person: Actor, asked: Asked, currency: str, ticked: frozenset[str]) -> ListView:
    wanted = asked.filter(session, personal=person.may(Permission.CUSTOMERS_PERSONAL))
    found = window.read(
        session, wanted, asked.sort, limit=PAGE, after=request.args.get("after"), before=request.args.get("before")
    )
    choices = counted.choices(session)
    every = sheet.available(session, person)
    columns = sheet.chosen(every, asked.columns)
    items = sheet.items(session, person, found.ids, columns)
    kept = views.seen_by(session, person, PageRequest(limit=2 * views.MOST)).items
    return customers_view.list_view(
        asked,
        total=counted.total(session, wanted),
        choices=choices,
        window=found,
        at=_place() if found.preceding else 1,
        columns=columns,
        rows=customers_view.rows(items, columns, lambda user_id: url_for(_CUSTOMER, user_id=user_id), ticked),
        menus=customers_view.menus(
            asked, choices, every, columns, kept, [(one.cell, one.name) for one in saved.listed(session)]
        ),
        currency=currency,
        titles={address: cells.read(session, address).title for address in asked.cells},
    )


def _withheld(session: Session) -> bool:
    return dashboard.distribution(session)["measure"] == "risk_percentile"


def _import_address(person: Actor) -> str:
    """Return where a person can import customers; nothing for somebody who may not."""
    return url_for(_IMPORT) if person.may(Permission.IMPORTS_WRITE) else ""


def _place() -> int:
    """Return the number of the page's first row as the link that led here counted it; it is only said, never counted by."""
    text = request.args.get("at", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 else 1


@blueprint.get("/customers.csv")
@requires_page(Permission.CUSTOMERS_EXPORT)
def export_csv() -> BaseResponse:
    """Send the whole list as CSV: its filter, its order and its columns."""
    person = signed_in_actor()
    asked = lists_asked.read({name: request.args.getlist(name) for name in request.args})
    with read_unit() as session:
        total = counted.total(session, asked.filter(session, personal=person.may(Permission.CUSTOMERS_PERSONAL)))
    with unit_of_work() as session:
        export.record(session, person, total)
    headers = {"Content-Disposition": f'attachment; filename="customers-{clock.now():%Y-%m-%d}.csv"'}
    return Response(stream_with_context(_lines(person, asked)), mimetype="text/csv", headers=headers)


@blueprint.get("/customers.xlsx")
@requires_page(Permission.CUSTOMERS_EXPORT)
def export_xlsx() -> BaseResponse:
    """Send the whole list as an Excel file: its filter, its order and its columns."""
    person = signed_in_actor()
    settings: Settings = current_app.config["RETAINSTREAM"]
    asked = lists_asked.read({name: request.args.getlist(name) for name in request.args})
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - sending the file closes it
    with read_unit() as session:
        wanted = asked.filter(session, personal=person.may(Permission.CUSTOMERS_PERSONAL))
        columns = sheet.chosen(sheet.available(session, person), asked.columns)
        rows = sheet.workbook(session, person, wanted, asked.sort, columns, spool, time_zone=settings.time_zone)
    with unit_of_work() as session:
        export.record(session, person, rows)
    spool.seek(0)
    name = f"customers-{clock.now():%Y-%m-%d}.xlsx"
    return send_file(spool, mimetype=workbook.MIMETYPE, as_attachment=True, download_name=name)


def _lines(person: Actor, asked: Asked) -> Iterator[str]:
    with read_unit() as session:
        wanted = asked.filter(session, personal=person.may(Permission.CUSTOMERS_PERSONAL))
        columns = sheet.chosen(sheet.available(session, person), asked.columns)
        yield from sheet.lines(session, person, wanted, asked.sort, columns)


@blueprint.post("/customers/tags")
@requires_page(Permission.CUSTOMERS_WRITE)
def tag() -> BaseResponse:
    """Put a tag on the customers that were ticked, or on all of the list, or take it away."""
    person, form = signed_in_actor(), request.form
    asked = lists_asked.read_query(form.get("of", "")[: views.LONGEST_QUERY])
    add, word, everybody = form.get("act") != "remove", form.get("tag", ""), form.get("all") == "1"
    try:
        with unit_of_work() as session:
            personal = person.may(Permission.CUSTOMERS_PERSONAL)
            whom = asked.filter(session, personal=personal) if everybody else None
            ids = tagging.picked(session, form.getlist("user_id")) if whom is None else []
            changed = tagging.tag(session, person, whom or ids, word, add=add)
    except InvalidInput as bad:
        refused = Refused("tags", {"tag": word}, bad.fields, frozenset(form.getlist("user_id")))
        with read_unit() as session:
            return page(session, asked, currency_of(session), refused=refused, status=422)
    customers = f"{changed:,} customer{'' if changed == 1 else 's'}"
    word = " ".join(word.split())
    if not changed:
        flash(
            f"Nothing to do: {'all of them have' if add else 'none of them has'} the tag “{word}”{' already' if add else ''}.",
            "good",
        )
    else:
        flash(f"Tagged {customers} “{word}”." if add else f"Took the tag “{word}” from {customers}.", "good")
    return go(address(asked))


@blueprint.post("/customers/views")
@requires_page(Permission.CUSTOMERS_READ)
def save_view() -> BaseResponse:
    """Keep the list under a name."""
    form = request.form
    asked = lists_asked.read_query(form.get("of", "")[: views.LONGEST_QUERY])
    try:
        with unit_of_work() as session:
            kept = views.save(
                session, signed_in_actor(), form.get("name", ""), asked.query(), shared=form.get("shared") == "1"
            )
    except (InvalidInput, Conflict) as bad:
        refused = Refused("view", {"name": form.get("name", "")}, bad.fields or {"name": [bad.message]})
        with read_unit() as session:
            return page(session, asked, currency_of(session), refused=refused, status=bad.status)
    flash(f"Kept as “{kept['name']}”.", "good")
    return go(address(asked))


@blueprint.post("/customers/views/<int:view_id>/delete")
@requires_page(Permission.CUSTOMERS_READ)
def delete_view(view_id: int) -> BaseResponse:
    """Delete a view; the customers in it stay."""
    asked = lists_asked.read_query(request.form.get("of", "")[: views.LONGEST_QUERY])
    try:
        with unit_of_work() as session:
            name = views.delete(session, signed_in_actor(), view_id)
    except Forbidden as refusal:
        flash(refusal.message, "bad")
    else:
        flash(f"Deleted the view “{name}”.", "good")
    return go(address(asked))
