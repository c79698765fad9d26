"""The route of orders, which become events: `purchase`, or `refund` for an amount below nought. They are listed with the events."""

from __future__ import annotations

from flask import Response

from retainstream.api.base import ApiBlueprint, requires
from retainstream.api.intake import batches, take_in
from retainstream.schemas.events import ORDER
from retainstream.security.permissions import Permission
from retainstream.services.events import accept
from retainstream.services.events.items import Reading

blueprint = ApiBlueprint("orders", "/orders", "Purchases and refunds of shops")


@blueprint.route("", methods=["POST"])
@requires(Permission.EVENTS_WRITE)
@batches(blueprint, "orders", ORDER, "What became of each line; bad ones do not stop good ones.")
def add_orders() -> Response:
    """Take in 1 to 10,000 lines of orders as events of the kinds purchase and refund."""
    return take_in("orders", Reading.orders, accept.events)
