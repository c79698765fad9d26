"""Handing customers out from their list or from a segment: those who are ticked, or all of it, to one person of the team."""

from __future__ import annotations

from flask import Blueprint, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.security.permissions import Permission
from retainstream.services.customers import asked as lists_asked
from retainstream.services.customers import views
from retainstream.services.customers.asked import Asked
from retainstream.services.desk import assigning
from retainstream.web import customers, handing_out, today_form
from retainstream.web.browser_session import go
from retainstream.web.customers import Refused
from retainstream.web.customers_words import address
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_customers_assign", __name__)


@blueprint.post("/customers/assign")
@requires_page(Permission.TASKS_WRITE)
def assign() -> BaseResponse:
    """Give customers to somebody, and come back to the list, or to the segment that the form stands on; what each became is told there."""
    person, settings, form = signed_in_actor(), box_settings(), request.form
    asked = lists_asked.read_query(form.get("of", "")[: views.LONGEST_QUERY])
    try:
        owner = today_form.chosen_id(form.get("owner_id", ""), "owner_id")
        first = form.get("first", "")
        if first and not today_form.is_id(first):
            raise InvalidInput("How many is not a number.", fields={"first": [f"a number from 1 to {assigning.MOST}"]})
        with unit_of_work() as session:
            user_ids = form.getlist("user_id")
            if form.get("all") == "1":
                wanted = asked.filter(session, personal=person.may(Permission.CUSTOMERS_PERSONAL))
                user_ids = assigning.first_of(session, wanted, asked.sort, int(first) if first else None)
            elif not user_ids:
                raise InvalidInput("No customer was ticked.", fields={"user_ids": ["at least one customer"]})
            reassign = form.get("reassign") == "1"
            given = handing_out.give(session, person, settings, owner, user_ids=user_ids, reassign=reassign)
    except InvalidInput as wrong:
        return _refused(asked, wrong)
    for words in given.refused:
        flash(words, "bad")
    flash(given.words, "good")
    return go(_back(asked))


def _refused(asked: Asked, wrong: InvalidInput) -> BaseResponse:
    if request.form.get("from") == "segment":
        flash(wrong.message, "bad")
        return go(_back(asked))
    form = request.form
    refused = Refused(
        "assign",
        {"owner_id": form.get("owner_id", "")},
        {"assign": [wrong.message]},
        frozenset(form.getlist("user_id")),
    )
    with read_unit() as session:
        return customers.page(session, asked, customers.currency_of(session), refused=refused, status=wrong.status)


def _back(asked: Asked) -> str:
    """Return where the form stood: the page of the one segment that the list is of, or the list."""
    segment = today_form.segment_of(asked.cells[0]) if len(asked.cells) == 1 else None
    if request.form.get("from") == "segment" and segment is not None:
        return f"/segments/{segment}"
    return address(asked)
