"""The search: over everything that has a name, and over customers alone."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import ApiBlueprint, actor, requires, with_etag
from retainstream.db import read_unit
from retainstream.schemas.customers import CustomerListSchema
from retainstream.schemas.paging import page_request
from retainstream.schemas.search import CustomerSearchSchema, FoundSchema, SearchQuerySchema
from retainstream.security.permissions import Permission
from retainstream.services.customers import lists
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.search import finding

blueprint = ApiBlueprint(
    "search", "/search", "Find customers, pages, segments, saved views, plays, open tasks and acts"
)
_UNCHANGED = "Nothing changed since the ETag that was sent."


@blueprint.route("", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.arguments(SearchQuerySchema, location="query")
@blueprint.response(200, FoundSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def search(query: dict[str, Any]) -> Response:
    """What fits a text, of every kind that the caller may open."""
    with read_unit() as session:
        groups = finding.find(session, actor(), query["q"])
    return with_etag({"q": query["q"], "groups": [group.to_dict() for group in groups]})


@blueprint.route("/customers", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(CustomerSearchSchema, location="query")
@blueprint.response(200, CustomerListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def customers(query: dict[str, Any]) -> Response:
    """Customers who match, those who left too, the riskiest first; as GET /customers?q= with status=all."""
    caller = actor()
    wanted = CustomerFilter(status="all", q=query["q"], personal=caller.may(Permission.CUSTOMERS_PERSONAL))
    with read_unit() as session:
        return with_etag(lists.page(session, caller, wanted, lists.DEFAULT_ORDER, page_request(query)).to_dict())
