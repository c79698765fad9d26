"""Reading and changing the preferences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, current_app
from sqlalchemy.orm import Session

from retainstream.api.base import ApiBlueprint, actor, json_response, requires, with_etag
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.schemas.preferences import PreferenceChangeSchema, PreferencesSchema
from retainstream.security.permissions import Permission
from retainstream.services import preferences

blueprint = ApiBlueprint("preferences", "/preferences", "Bands, costs and shares that people choose")


@blueprint.route("", methods=["GET"])
@requires(Permission.SETTINGS_WRITE)
@blueprint.response(200, PreferencesSchema)
@blueprint.alt_response(304, description="Nothing changed since the ETag that was sent.")
def read() -> Response:
    """Return the preferences in force."""
    with read_unit() as session:
        return with_etag(_presented(session))


@blueprint.route("", methods=["PATCH"])
@requires(Permission.SETTINGS_WRITE)
@blueprint.arguments(PreferenceChangeSchema)
@blueprint.response(200, PreferencesSchema)
def change(data: dict[str, Any]) -> Response:
    """Change what is given and set back what is null. Bands count from the next scoring on, costs from the next training on."""
    wanted = {name: value for name, value in data.items() if value is not None}
    with unit_of_work() as session:
        if wanted:
            preferences.write(session, actor(), wanted)
        if back := [name for name in data if name not in wanted]:
            preferences.reset(session, actor(), back)
        answer = _presented(session)
    return json_response(answer)


def _presented(session: Session) -> dict[str, object]:
    settings: Settings = current_app.config["RETAINSTREAM"]
    found = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(preferences.read(session)).items()
    }
    changed = sorted(preferences.changed(session))
    return {**found, "changed": changed, "currency": settings.currency, "time_zone": settings.time_zone}
