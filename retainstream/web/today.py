"""Today: whom to reach, in order, with one entry open beside the list; and the list as CSV. What is done there is `today_acts`."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotFound
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.customers import export
from retainstream.services.desk import people, plays, queue
from retainstream.services.desk.queue import Entry
from retainstream.services.segments import saved
from retainstream.web import csv_files, frame, today_form, today_page, today_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.today_form import NOTHING_REFUSED, Refused
from retainstream.web.today_words import KINDS, OUTCOMES

blueprint = Blueprint("web_today", __name__)
_MOST = 10_000
_COLUMNS = (
    "state", "user_id", "plan", "monthly_revenue", "currency", "churn_probability", "risk_percentile", "risk_band", "expected_net_gain",
    "owner", "due_at", "play", "reasons",
)  # fmt: skip
_PERSONAL = ("name", "email", "phone")


@blueprint.get("/today")
@requires_page(Permission.TASKS_READ)
def show() -> BaseResponse:
    """Show the part of the list that the address asks for, with the entry that it opens."""
    sent = today_form.place({**request.args, "user_id": request.args.get("open", "")})
    return answer(sent.whose, sent.cursor, sent.user_id)


def answer(whose: str, cursor: str, opened: str, *, refused: Refused = NOTHING_REFUSED, status: int = 200) -> Response:
    """Answer with the page, or for HTMX with its content and what was said."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    with read_unit() as session:
        view = today_page.read(session, person, settings, whose, cursor, opened)
        content = {"view": view, "refused": refused, "kinds": KINDS, "outcomes": OUTCOMES}
        if not frame.wants_fragment():
            return frame.page(session, "today/today.html", here="today", status=status, **content)
    response = current_app.make_response((render_template("today/_fragment.html", **content), status))
    here = view.opened.view.user_id if view.opened else ""
    response.headers["HX-Replace-Url"] = today_view.address(whose, open_=here, cursor=cursor)
    return response


@blueprint.get("/today/entry")
@requires_page(Permission.TASKS_READ)
def entry() -> BaseResponse:
    """Show one entry alone, for a list that stays where it is; asked for as a page, lead to the page."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    sent = today_form.place({**request.args, "user_id": request.args.get("open", "")})
    here = today_view.address(sent.whose, open_=sent.user_id, cursor=sent.cursor)
    if not frame.wants_fragment():
        return go(here)
    with read_unit() as session:
        found = queue.entry_of(session, person, settings, sent.user_id)
        if found is None:
            raise NotFound("This customer is not in today’s list any more; reload the page.")
        content = {
            "opened": today_page.opened(session, person, settings, found, sent.then),
            "whose": sent.whose,
            "cursor": sent.cursor,
            "people": people.assignable(session),
            "plays": plays.listed(session, person),
            "me": person.user_id or 0,
            "may": today_page.may_of(person),
        }
    html = render_template(
        "today/_entry.html", refused=NOTHING_REFUSED, kinds=KINDS, outcomes=OUTCOMES, asked=True, **content
    )
    response = current_app.make_response(html)
    response.headers["HX-Replace-Url"] = here
    return response


@blueprint.get("/today.csv")
@requires_page(Permission.TASKS_WRITE)
def export_csv() -> BaseResponse:
    """Send a part of today's list as CSV: to everybody their own, the rest to those who may export. That it was sent is written into the audit."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    part = today_form.whose_of(request.args.get("whose", "team"))
    if part not in ("mine", person.user_id):
        person.require(Permission.CUSTOMERS_EXPORT)
    with read_unit() as session:
        segment = today_form.segment_of(request.args.get("whose", ""))
        within = () if segment is None else (saved.read(session, segment).cell,)
        found = queue.read(session, person, settings, part, PageRequest(_MOST), cells=within)
    with unit_of_work() as session:
        export.record(session, person, found.total)
    personal = _PERSONAL if person.may(Permission.CUSTOMERS_PERSONAL) else ()
    lines = [[*_COLUMNS, *personal], *(_line(one, person) for one in found.entries)]
    return csv_files.download(f"today-{clock.now():%Y-%m-%d}.csv", lines)


def _line(entry: Entry, person: Actor) -> list[object]:
    money = entry.revenue
    gain = entry.net_gain_minor
    told: list[object] = [
        entry.state,
        entry.user_id,
        entry.plan,
        None if money is None else to_major(int(money["amount_minor"]), str(money["currency"])),
        None if money is None else money["currency"],
        entry.probability,
        entry.percentile,
        entry.band,
        None if gain is None else to_major(gain, entry.currency),
        entry.owner.name if entry.owner else None,
        clock.iso(entry.due_at),
        entry.play.name if entry.play else None,
        " ".join(str(reason["sentence"]) for reason in entry.reasons),
    ]
    return [*told, entry.name, entry.email, entry.phone] if person.may(Permission.CUSTOMERS_PERSONAL) else told
