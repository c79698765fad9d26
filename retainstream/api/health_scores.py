"""Routes of health scores, their schemes and back-tests, and of the health of the business. Probes of the server are `probes`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Response, current_app

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
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.lib.spreadsheet import safe_cell
from retainstream.schemas.health import (
    BackTestSchema,
    BusinessHealthSchema,
    CustomerHealthSchema,
    HealthDatesSchema,
    HealthQuerySchema,
    HealthScoresSchema,
    SchemeChangeSchema,
    SchemeDeletedSchema,
    SchemeInputSchema,
    SchemeSchema,
    SchemesSchema,
)
from retainstream.schemas.paging import page_request
from retainstream.security.permissions import Permission
from retainstream.services.health import business, customer, listing, reading, schemes
from retainstream.services.health.listing import Wanted

blueprint = ApiBlueprint(
    "health_scores", "/health-scores", "Health scores of customers, and whether they tell who leaves"
)
schemes_blueprint = ApiBlueprint("health_schemes", "/health-schemes", "What health scores are made of")
business_blueprint = ApiBlueprint("business_health", "/analytics", "The health of the business")
customer_blueprint = ApiBlueprint("customer_health", "/customers", "The health of one customer")
_UNCHANGED = "Nothing changed since the ETag that was sent."
_NOT_YET = "Health scores have not been made yet."
_NO_SCHEME = "There is no such health scheme."
_PART = ("key", "weight", "worst", "best")


def _wanted(query: dict[str, Any]) -> Wanted:
    return Wanted(tuple(query["band"]), query["segment"], query["sort"])


@blueprint.route("", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(HealthQuerySchema, location="query")
@blueprint.response(200, HealthScoresSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def list_scores(query: dict[str, Any]) -> Response:
    """List the health scores in force with their parts, the worst first unless sorted otherwise."""
    with read_unit() as session:
        found, page = listing.page(session, _wanted(query), page_request(query))
        return with_etag(page.to_dict() | listing.dated(found))


@blueprint.route("/export.csv", methods=["GET"])
@requires(Permission.CUSTOMERS_EXPORT)
@blueprint.arguments(HealthQuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def export(query: dict[str, Any]) -> Response:
    """The same list as CSV: a column of points and one of the value for each part; paging does not apply."""
    with read_unit() as session:
        text = "".join(_csv(listing.lines(session, _wanted(query))))
    headers = {"Content-Disposition": f'attachment; filename="health-scores-{clock.now():%Y-%m-%d}.csv"'}
    return Response(text, mimetype="text/csv", headers=headers)


def _csv(rows: Iterator[list[object]]) -> Iterator[str]:
    for row in rows:
        out = io.StringIO()
        csv.writer(out).writerow([safe_cell(cell) for cell in row])
        yield out.getvalue()


@blueprint.route("/history", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, HealthDatesSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def bands_by_date() -> Response:
    """How customers spread over the bands on each date on record, oldest first; one date a day, then the last of each month."""
    with read_unit() as session:
        return with_etag({"items": customer.bands(session)})


@customer_blueprint.route("/<path:user_id>/health", methods=["GET"])
@requires(Permission.CUSTOMERS_READ)
@customer_blueprint.response(200, CustomerHealthSchema)
@customer_blueprint.alt_response(304, description=_UNCHANGED)
@customer_blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer.")
@customer_blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def of_customer(user_id: str) -> Response:
    """The health of one customer: the score in force with its parts, its change, and every score on record."""
    with read_unit() as session:
        return with_etag(customer.read(session, user_id))


@blueprint.route("/backtest", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@blueprint.response(200, BackTestSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def backtest() -> Response:
    """Whether the scores would have told who left, beside the model and silence, and the weights that the past proposes."""
    with read_unit() as session:
        told, found = listing.judged(session)
        as_of = clock.iso(reading.standing(session).as_of)
    items = [
        {"scheme": one.scheme.to_dict(), "past": one.past, "beside_model": one.beside_model, "proposal": one.proposal}
        for one in found
    ]
    lists = {name: told.get(name) or [] for name in ("dates", "model_dates", "notes")}
    return with_etag({"as_of": as_of, "message": told.get("message"), **lists, "items": items})


@schemes_blueprint.route("", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@schemes_blueprint.response(200, SchemesSchema)
@schemes_blueprint.alt_response(304, description=_UNCHANGED)
def list_schemes() -> Response:
    """List the schemes in use: that for everybody else, then those of segments."""
    with read_unit() as session:
        return with_etag({"items": [one.to_dict() for one in schemes.active(session)]})


@schemes_blueprint.route("", methods=["POST"])
@requires(Permission.SEGMENTS_WRITE)
@schemes_blueprint.arguments(SchemeInputSchema)
@schemes_blueprint.response(201, SchemeSchema)
@schemes_blueprint.alt_response(409, schema=ErrorSchema, description="These customers have a scheme already.")
def create(sent: dict[str, Any]) -> Response:
    """Keep a scheme for a segment. The scores are made anew by themselves."""
    with unit_of_work() as session:
        body = schemes.create(session, actor(), _plain(sent)).to_dict()
    return json_response(body, 201, {"Location": f"{API_PREFIX}/health-schemes/{body['id']}"})


def _plain(sent: dict[str, Any]) -> dict[str, Any]:
    if "parts" in sent:
        return {**sent, "parts": [{name: one[name] for name in _PART} for one in sent["parts"]]}
    return sent


@schemes_blueprint.route("/<string:scheme_id>", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@schemes_blueprint.response(200, SchemeSchema)
@schemes_blueprint.alt_response(304, description=_UNCHANGED)
@schemes_blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCHEME)
def read(scheme_id: str) -> Response:
    """Return one scheme, in use or retired."""
    with read_unit() as session:
        return with_etag(schemes.read(session, path_id(scheme_id, "scheme")).to_dict())


@schemes_blueprint.route("/<string:scheme_id>", methods=["PATCH"])
@requires(Permission.SEGMENTS_WRITE)
@schemes_blueprint.arguments(SchemeChangeSchema)
@schemes_blueprint.response(200, SchemeSchema)
@schemes_blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCHEME)
@schemes_blueprint.alt_response(409, schema=ErrorSchema, description="These customers have a scheme already.")
def change(sent: dict[str, Any], scheme_id: str) -> Response:
    """Put an edited scheme in the place of this one, which is retired; the answer has another id."""
    with unit_of_work() as session:
        body = schemes.change(session, actor(), path_id(scheme_id, "scheme"), _plain(sent)).to_dict()
    return json_response(body)


@schemes_blueprint.route("/<string:scheme_id>", methods=["DELETE"])
@requires(Permission.SEGMENTS_WRITE)
@schemes_blueprint.response(200, SchemeDeletedSchema)
@schemes_blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCHEME)
@schemes_blueprint.alt_response(409, schema=ErrorSchema, description="It is the one for everybody else.")
def delete(scheme_id: str) -> Response:
    """Retire the scheme of a segment; its customers come under the one for everybody else."""
    with unit_of_work() as session:
        name = schemes.delete(session, actor(), path_id(scheme_id, "scheme"))
    return json_response({"deleted": True, "name": name})


@schemes_blueprint.route("/<string:scheme_id>/adopt-proposed", methods=["POST"])
@requires(Permission.SEGMENTS_WRITE)
@schemes_blueprint.response(200, SchemeSchema)
@schemes_blueprint.alt_response(404, schema=ErrorSchema, description=_NO_SCHEME)
@schemes_blueprint.alt_response(409, schema=ErrorSchema, description="Nothing is proposed for this scheme.")
def adopt(scheme_id: str) -> Response:
    """Put the weights that the back-test proposes in the place of a scheme's own; the answer has another id."""
    one = path_id(scheme_id, "scheme")
    with unit_of_work() as session:
        body = schemes.reweighed(session, actor(), one, listing.proposed_weights(session, one)).to_dict()
    return json_response(body)


@business_blueprint.route("/business-health", methods=["GET"])
@requires(Permission.DASHBOARD_READ)
@business_blueprint.response(200, BusinessHealthSchema)
@business_blueprint.alt_response(304, description=_UNCHANGED)
@business_blueprint.alt_response(409, schema=ErrorSchema, description=_NOT_YET)
def business_health() -> Response:
    """The health of the business in one figure, with its parts, their formulas and the customers behind them."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    with read_unit() as session:
        found = business.read(session, settings)
    return with_etag(
        {
            "as_of": clock.iso(found.as_of),
            "score": found.health.score,
            "confidence": found.health.confidence,
            "currency": found.currency,
            "parts": [asdict(part) for part in found.health.parts],
            "figures": asdict(found.figures),
            "cells": {name: f"health:business.{name}" for name in found.members},
            "notes": list(found.notes),
        }
    )
