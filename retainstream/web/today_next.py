"""The next of today's list in one step, from wherever somebody is: the first that nobody has becomes theirs and opens. Other acts are `today_acts`."""

from __future__ import annotations

from flask import Blueprint, flash
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import unit_of_work
from retainstream.errors import InvalidInput
from retainstream.security.permissions import Permission
from retainstream.services.desk import assigning
from retainstream.web import today_undo, today_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_today_next", __name__)


@blueprint.post("/today/next")
@requires_page(Permission.TASKS_WRITE)
def take() -> BaseResponse:
    """Take the best of those whom nobody has, and open the entry."""
    person = signed_in_actor()
    try:
        with unit_of_work() as session:
            found = assigning.assign_many(session, person, box_settings(), person.user_id or 0, top=1)
            taken = [(one.user_id, one.task_id, one.result) for one in found if one.task_id is not None]
            for user_id, task, result in taken:
                words = f"{user_id} is yours now."
                today_undo.keep(session, words, user_id, (("drop" if result == "taken" else "owner_id", task, None),))
                flash(words, "good")
    except InvalidInput as wrong:
        flash(wrong.message, "bad")
        return go(today_view.address("team"))
    if not taken:
        flash(found[0].message if found else "Nobody is left to take today.", "bad" if found else "good")
        return go(today_view.address("team"))
    return go(today_view.address("mine", open_=taken[0][0]))
