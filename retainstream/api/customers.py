"""Customers: lists, one customer with explanation and history, change, erase and export. Imports are in `api.imports`."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from flask import Response, current_app
from sqlalchemy.orm import Session

from retainstream.api.base import ApiBlueprint, ErrorSchema, actor, json_response, requires, with_etag
from retainstream.db import empty_log, read_unit, unit_of_work
from retainstream.lib import clock, workbook
from retainstream.models import Customer
from retainstream.schemas.customers import (
    CustomerChangeSchema,
    CustomerFilterSchema,
    CustomerListSchema,
    CustomerRecordSchema,
    ErasedSchema,
)
from retainstream.schemas.paging import PageQuerySchema, page_request
from retainstream.schemas.performance import HistorySchema
from retainstream.schemas.predictions import ExplanationSchema
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import as_of, explanations, score_moves
from retainstream.services.customers import cells, erasure, erasure_ledger, export, groups, lists, record
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.preferences import BAND_NAMES
from retainstream.services.reports import files as report_files

blueprint = ApiBlueprint("customers", "/customers", "Customers with their scores and reasons")
_NO_CUSTOMER = "There is no such customer."


class CustomerQuerySchema(CustomerFilterSchema, PageQuerySchema):
    """Filters and paging of a list of customers."""


def _filter(query: dict[str, Any], caller: Actor) -> CustomerFilter:
    return CustomerFilter(
        status=query["status"],
        q=query["q"],
        plans=query["plan"],
        bands=tuple(BAND_NAMES.index(word) for word in query["band"]),
        tags=query["tag"],
        min_probability=query["min_probability"],
        max_probability=query["max_probability"],
        min_revenue=query["min_revenue"],
        max_revenue=query["max_revenue"],
        min_tenure=query["min_tenure"],
        max_tenure=query["max_tenure"],
        personal=caller.may(Permission.CUSTOMERS_PERSONAL),
    )


def _list(wanted: CustomerFilter, query: dict[str, Any]) -> Response:
    with read_unit() as session:
        wanted = cells.narrowed(session, groups.narrowed(session, wanted, query["group"]), query["cell"])
        return with_etag(lists.page(session, actor(), wanted, query["sort"], page_request(query)).to_dict())


@blueprint.route("")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(CustomerQuerySchema, location="query")
@blueprint.response(200, CustomerListSchema)
def customers(query: dict[str, Any]) -> Response:
    """Customers by search and filters, those most at risk first unless sorted otherwise."""
    return _list(_filter(query, actor()), query)


@blueprint.route("/high-risk")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(CustomerQuerySchema, location="query")
@blueprint.response(200, CustomerListSchema)
def high_risk(query: dict[str, Any]) -> Response:
    """Customers in the bands high and very high who have not left."""
    return _list(_filter({**query, "status": "active", "band": query["band"] or BAND_NAMES[2:]}, actor()), query)


@blueprint.route("/high-value")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(CustomerQuerySchema, location="query")
@blueprint.response(200, CustomerListSchema)
def high_value(query: dict[str, Any]) -> Response:
    """The customers who pay most: the share of active ones that the preference `high_value_share` names."""
    wanted = _filter({**query, "status": "active"}, actor())
    with read_unit() as session:
        threshold = lists.high_value_threshold(session)
        if threshold is None:
            return with_etag({"items": [], "next_cursor": None, "total": 0})
        priced = CustomerFilter(**{**vars(wanted), "extra": (Customer.revenue_minor >= threshold,)})
        priced = cells.narrowed(session, groups.narrowed(session, priced, query["group"]), query["cell"])
        return with_etag(lists.page(session, actor(), priced, query["sort"], page_request(query)).to_dict())


@blueprint.route("/export.csv")
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.arguments(CustomerFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
def export_csv(query: dict[str, Any]) -> Response:
    """The same customers as the list, all of them, as CSV with every attribute."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the answer's stream closes it
    text = io.TextIOWrapper(spool, encoding="utf-8", newline="")
    _export(query, lambda session, caller, wanted, sort: export.write(session, caller, wanted, sort, text))
    text.detach()
    return _sent(spool, "csv", "text/csv")


@blueprint.route("/export.xlsx")
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.arguments(CustomerFilterSchema, location="query")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type=workbook.MIMETYPE)
def export_xlsx(query: dict[str, Any]) -> Response:
    """The same customers as an Excel file: numbers as numbers, instants as dates of the box's time zone, identifiers as text."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the answer's stream closes it
    zone: str = current_app.config["RETAINSTREAM"].time_zone
    _export(
        query,
        lambda session, caller, wanted, sort: export.workbook(session, caller, wanted, sort, spool, time_zone=zone),
    )
    return _sent(spool, "xlsx", workbook.MIMETYPE)


def _export(query: dict[str, Any], write: Callable[[Session, Actor, CustomerFilter, str], int]) -> None:
    caller = actor()
    with read_unit() as session:
        wanted = groups.narrowed(session, _filter(query, caller), query["group"])
        rows = write(session, caller, cells.narrowed(session, wanted, query["cell"]), query["sort"])
    with unit_of_work() as session:
        export.record(session, caller, rows)


def _sent(spool: IO[bytes], ending: str, mimetype: str) -> Response:
    spool.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="customers-{clock.now():%Y-%m-%d}.{ending}"'}
    return Response(_blocks(spool), mimetype=mimetype, headers=headers)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(65_536):
            yield block


@blueprint.route("/<path:user_id>")
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, CustomerRecordSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def customer(user_id: str) -> Response:
    """One customer with all attributes."""
    with read_unit() as session:
        return with_etag(record.read(session, actor(), user_id))


@blueprint.route("/<path:user_id>/explanation")
@requires(Permission.PREDICTIONS_READ)
@blueprint.response(200, ExplanationSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def explanation(user_id: str) -> Response:
    """Why the score is what it is: exact contributions of every feature, which add up to the margin."""
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        return with_etag(explanations.explanation(session, current_app.config["RETAINSTREAM"], found.id))


@blueprint.route("/<path:user_id>/history")
@requires(Permission.PREDICTIONS_READ)
@blueprint.response(200, HistorySchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def history(user_id: str) -> Response:
    """Every score on record, newest first, with what became of it and why it is another one than before."""
    with read_unit() as session:
        found, _ = record.require(session, user_id)
        return with_etag(score_moves.history(session, current_app.config["RETAINSTREAM"], found.id))


@blueprint.route("/<path:user_id>", methods=["PATCH"])
@requires(Permission.CUSTOMERS_WRITE)
@blueprint.arguments(CustomerChangeSchema)
@blueprint.response(200, CustomerRecordSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
@blueprint.alt_response(409, schema=ErrorSchema, description="Subscriptions tell another plan or revenue.")
def change(body: dict[str, Any], user_id: str) -> Response:
    """Change a customer; the old values stay on record as an earlier version."""
    with unit_of_work() as session:
        return json_response(record.change(session, actor(), user_id, record.Change.of(body)))


@blueprint.route("/<path:user_id>", methods=["DELETE"])
@requires(Permission.CUSTOMERS_ERASE)
@blueprint.response(200, ErasedSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_CUSTOMER)
def erase(user_id: str) -> Response:
    """Erase one person for good; a later import does not bring them back."""
    settings = current_app.config["RETAINSTREAM"]
    with unit_of_work() as session:
        removed = erasure.erase(session, actor(), user_id, key=settings.resolved_secret_key().encode())
    erasure_ledger.remember(settings, user_id)
    as_of.forget_columns(settings)
    with unit_of_work() as session:
        report_files.sweep(session, settings)
    empty_log()
    return json_response({"erased": True, "removed": removed})
