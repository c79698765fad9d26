"""Routes of recency, frequency and money: the map, and moves between its groups."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, requires, with_etag
from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.schemas.rfm import MigrationQuerySchema, MigrationSchema, RfmSchema
from retainstream.security.permissions import Permission
from retainstream.services.rfm import present, reading

blueprint = ApiBlueprint("rfm", "/rfm", "Customers by recency, frequency and money")
NOT_YET = "Nothing to make it from, or not made yet; the message says which."


@blueprint.route("")
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, RfmSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def groups() -> Response:
    """The ten named groups and the map of fifths, as of now."""
    with read_unit() as session:
        return with_etag(present.standing(reading.standing(session), reading.days(session, box_settings())))


@blueprint.route("/migration")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(MigrationQuerySchema, location="query")
@blueprint.response(200, MigrationSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def moves(asked: dict[str, Any]) -> Response:
    """Who moved from group to group between the ends of two months, or since one."""
    with read_unit() as session:
        return with_etag(present.migration(reading.migration(session, box_settings(), asked["before"], asked["after"])))
