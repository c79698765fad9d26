"""The route of orders, which become events: `purchase`, or `refund` for an amount below nought. They are listed with the events."""

from __future__ import annotations

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, requires
from retainstream.api.idempotency import idempotent
from retainstream.api.intake import take_in
from retainstream.schemas.events import ORDER, IntakeSchema, batch_body
from retainstream.security.permissions import Permission
from retainstream.services.events import accept
from retainstream.services.events.items import Reading

blueprint = ApiBlueprint("orders", "/orders", "Purchases and refunds of shops")


@blueprint.route("", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@idempotent
@blueprint.doc(requestBody=batch_body("orders", ORDER))
@blueprint.response(200, IntakeSchema, description="What became of each line; bad ones do not stop good ones.")
@blueprint.alt_response(413, schema=ErrorSchema, description="More than 32 MB, unpacked.")
def add_orders() -> Response:
    """Take in 1 to 10,000 lines of orders as events of the kinds purchase and refund."""
    return take_in("orders", Reading.orders, accept.events)
