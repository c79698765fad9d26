"""What administrators choose while the box runs: bands, the economics of reaching customers, the hold-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, current_app, flash, request
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.security.permissions import Permission
from retainstream.services import preferences
from retainstream.services.preferences import Preferences
from retainstream.web import frame
from retainstream.web import settings_preferences_view as shapes
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for

blueprint = Blueprint("web_settings_preferences", __name__)
_BANDS = {"risk_bands", "percentile_bands"}


@blueprint.get("/settings/preferences")
@requires_page(Permission.SETTINGS_WRITE)
def show() -> BaseResponse:
    """Show the form."""
    return _page()


def _page(problems: Mapping[str, Sequence[str]] | None = None, status: int = 200) -> BaseResponse:
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    with read_unit() as session:
        given = shapes.written(preferences.read(session), settings.currency)
        given |= {name: value[:30] for name, value in request.form.items() if name in given}
        return frame.page(
            session,
            "settings/preferences.html",
            here="settings",
            status=status,
            tabs_items=tabs_for(person),
            given=given,
            defaults=shapes.written(Preferences(), settings.currency),
            changed=preferences.changed(session),
            currency=settings.currency,
            time_zone=settings.time_zone,
            problems=problems or {},
        )


@blueprint.post("/settings/preferences")
@requires_page(Permission.SETTINGS_WRITE)
def save() -> BaseResponse:
    """Keep what was changed; with complaints nothing is kept and nothing that was typed is lost."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    answers = shapes.read(request.form, settings.currency)
    if answers.problems:
        return _page(answers.problems, status=422)
    try:
        with unit_of_work() as session:
            changes = shapes.differing(answers.changes, preferences.read(session))
            if changes:
                preferences.write(session, signed_in_actor(), changes)
    except InvalidInput as refusal:
        return _page(shapes.placed(refusal.fields, settings.currency), status=422)
    flash(_told(set(changes)), "good")
    return go("/settings/preferences")


def _told(changed: set[str]) -> str:
    if not changed:
        return "Nothing was different, so nothing was changed."
    later = " Bands count from the next scoring on." if changed & _BANDS else ""
    return f"Your preferences are saved.{later}"


@blueprint.post("/settings/preferences/reset")
@requires_page(Permission.SETTINGS_WRITE)
def reset() -> BaseResponse:
    """Set the named preferences back to the product's defaults."""
    with unit_of_work() as session:
        preferences.reset(session, signed_in_actor(), request.form.getlist("back"))
    flash("Set back to the default.", "good")
    return go("/settings/preferences")
