"""Routes of segments: rules tried out, kept under a name, with their members and who came and went."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    path_id,
    requires,
    with_etag,
)
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.paging import page_request
from retainstream.schemas.segments import (
    FieldListSchema,
    SegmentAnswerSchema,
    SegmentAskedSchema,
    SegmentChangeSchema,
    SegmentDeletedSchema,
    SegmentHistorySchema,
    SegmentInputSchema,
    SegmentListSchema,
    SegmentMembersQuerySchema,
    SegmentMembersSchema,
    SegmentSchema,
    SegmentsSummarySchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.customers import lists
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.segments import fields, membership, rules, saved, standing

blueprint = ApiBlueprint("segments", "/segments", "Segments: rules under a name, and whom they mean")
customer_blueprint = ApiBlueprint("customer_segment", "/customers/segment", "Customers whom a rule picks")
_NO_SEGMENT = "There is no such segment."
_UNCHANGED = "Nothing changed since the ETag that was sent."
_NOT_NOW = "The rule asks for something that is not on record."


@customer_blueprint.route("", methods=["POST"])
@requires(Permission.CUSTOMERS_READ)
@customer_blueprint.arguments(SegmentAskedSchema)
@customer_blueprint.response(200, SegmentAnswerSchema)
@customer_blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_NOW)
def whom(sent: dict[str, Any]) -> Response:
    """Try out a rule: how many customers it picks, their figures, and a page of them."""
    settings = box_settings()
    with read_unit() as session:
        node = rules.parse(sent["rule"], fields.catalogue(session), time_zone=settings.time_zone)
        found = standing.tried(session, node)
        answer: dict[str, object] = {"items": [], "next_cursor": None, "total": found.look.n}
        if sent["limit"]:
            wanted = CustomerFilter(status="all", extra=(standing.condition(found.ids),))
            ids, cursor = lists.page_of_ids(session, wanted, sent["sort"], PageRequest(sent["limit"], sent["cursor"]))
            answer |= {"items": lists.present(session, actor(), ids, analysed=True), "next_cursor": cursor}
        return json_response(answer | {"summary": standing.presented(found.look, settings.currency)})


@blueprint.route("", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, SegmentListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_segments() -> Response:
    """List the segments by name, with whom each means now."""
    with read_unit() as session:
        return with_etag({"items": [one.to_dict(box_settings().currency) for one in standing.every(session)]})


@blueprint.route("/summary", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, SegmentsSummarySchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def summary() -> Response:
    """The segments, and how many customers stand in at least one."""
    with read_unit() as session:
        items = [one.to_dict(box_settings().currency) for one in standing.every(session)]
        return with_etag({"items": items, **standing.together(session)})


@blueprint.route("/fields", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, FieldListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def list_fields() -> Response:
    """Everything that a rule can ask for: operators, units, kinds of event, and what customers have in it with counts."""
    with read_unit() as session:
        found = fields.catalogue(session)
        levels = standing.levels(session, list(found.values()))
    return with_etag(
        {
            "items": [
                {
                    "key": field.key,
                    "title": field.title,
                    "group": field.group,
                    "type": field.type,
                    "unit": field.unit,
                    "operators": list(field.operators),
                    "missing": field.missing or None,
                    "kinds": list(field.kinds),
                    "windowed": field.windowed,
                    "choices": [{"value": value, "count": n} for value, n in levels.get(field.key, [])],
                }
                for field in found.values()
            ]
        }
    )


@blueprint.route("", methods=["POST"])
@requires(Permission.SEGMENTS_WRITE)
@blueprint.arguments(SegmentInputSchema)
@blueprint.response(201, SegmentSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description="A segment has this name, or there are as many as may be.")
def create(sent: dict[str, Any]) -> Response:
    """Keep a rule under a name. A first look at who is in it follows by itself."""
    settings = box_settings()
    with unit_of_work() as session:
        found = saved.create(session, actor(), sent, time_zone=settings.time_zone)
        body = standing.one(session, found.id).to_dict(settings.currency)
    return json_response(body, 201, {"Location": f"{API_PREFIX}/segments/{found.id}"})


@blueprint.route("/<string:segment_id>", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, SegmentSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SEGMENT)
def read(segment_id: str) -> Response:
    """Return one segment as it stands."""
    with read_unit() as session:
        found = standing.one(session, path_id(segment_id, "segment"))
    return with_etag(found.to_dict(box_settings().currency))


@blueprint.route("/<string:segment_id>", methods=["PATCH"])
@requires(Permission.SEGMENTS_WRITE)
@blueprint.arguments(SegmentChangeSchema)
@blueprint.response(200, SegmentSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SEGMENT)
@blueprint.alt_response(409, schema=ErrorSchema, description="Another segment has this name.")
def change(sent: dict[str, Any], segment_id: str) -> Response:
    """Change name, description or rule. After another rule, whoever it leaves out goes out at the next look."""
    settings, one = box_settings(), path_id(segment_id, "segment")
    with unit_of_work() as session:
        saved.change(session, actor(), one, sent, time_zone=settings.time_zone)
        body = standing.one(session, one).to_dict(settings.currency)
    return json_response(body)


@blueprint.route("/<string:segment_id>", methods=["DELETE"])
@requires(Permission.SEGMENTS_WRITE)
@blueprint.response(200, SegmentDeletedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SEGMENT)
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="A health scheme, a report or a saved view builds on it; `detail.used_by` names them.",
)
def delete(segment_id: str) -> Response:
    """Delete a segment that nothing builds on, with the record of who was in it; the customers stay."""
    with unit_of_work() as session:
        name = saved.delete(session, actor(), path_id(segment_id, "segment"))
    return json_response({"deleted": True, "name": name})


@blueprint.route("/<string:segment_id>/members", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(SegmentMembersQuerySchema, location="query")
@blueprint.response(200, SegmentMembersSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SEGMENT)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_NOW)
def members(query: dict[str, Any], segment_id: str) -> Response:
    """List who is in a segment now, or who was in it at a time, as far as the looks found."""
    one = path_id(segment_id, "segment")
    with read_unit() as session:
        segment = saved.read(session, one)
        if query["at"] is None:
            ids = standing.tried(session, segment.node).ids
        else:
            ids = membership.moved(session, one, "present", query["at"])
        wanted = CustomerFilter(status="all", extra=(standing.condition(ids),))
        return with_etag(lists.page(session, actor(), wanted, query["sort"], page_request(query)).to_dict())


@blueprint.route("/<string:segment_id>/history", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, SegmentHistorySchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SEGMENT)
def history(segment_id: str) -> Response:
    """List the looks at a segment, oldest first: its size, and how many came and went."""
    one = path_id(segment_id, "segment")
    with read_unit() as session:
        saved.read(session, one)
        sizes = membership.history(session, one)
    items = [
        {
            "as_of": clock.iso(size.as_of),
            "revision": size.revision,
            "customers": size.n,
            "entered": size.entered,
            "left": size.left,
        }
        for size in sizes
    ]
    return with_etag({"items": items})
