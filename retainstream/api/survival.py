"""Cohort grids, survival curves and churn by tenure; each figure with the address of whom it counts."""

from __future__ import annotations

from flask import Response

from retainstream.api.base import ApiBlueprint, ErrorSchema, requires, with_etag
from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.schemas.survival import (
    CohortsQuerySchema,
    CohortsSchema,
    SurvivalQuerySchema,
    SurvivalSchema,
    TenureSchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.cohorts import grids
from retainstream.services.cohorts import present as present_cohorts
from retainstream.services.survival import curves, present

cohorts_blueprint = ApiBlueprint("cohorts", "/cohorts", "Retention by month or week of coming")
blueprint = ApiBlueprint("survival", "/survival", "How long customers stay, and who leaves when")
NOT_YET = "Nothing to make it from, or not made yet; the message says which."


@cohorts_blueprint.route("")
@requires(Permission.CUSTOMERS_READ)
@cohorts_blueprint.arguments(CohortsQuerySchema, location="query")
@cohorts_blueprint.response(200, CohortsSchema)
@cohorts_blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def grid(asked: dict[str, str]) -> Response:
    """Of those who came in one month or week: how many were still customers, or did something, in each later one."""
    with read_unit() as session:
        return with_etag(present_cohorts.cohorts(grids.read(session, box_settings(), asked["grid"], asked["unit"])))


@blueprint.route("")
@requires(Permission.CUSTOMERS_READ)
@blueprint.arguments(SurvivalQuerySchema, location="query")
@blueprint.response(200, SurvivalSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def by_group(asked: dict[str, str]) -> Response:
    """Kaplan-Meier curves by the plan, an attribute or a segment, with intervals, numbers at risk and log-rank tests."""
    with read_unit() as session:
        return with_etag(present.survival(curves.read(session, box_settings(), asked["by"])))


@blueprint.route("/tenure")
@requires(Permission.CUSTOMERS_READ)
@blueprint.response(200, TenureSchema)
@blueprint.alt_response(409, schema=ErrorSchema, description=NOT_YET)
def by_tenure() -> Response:
    """Departures for each customer-month by stretch of tenure."""
    with read_unit() as session:
        return with_etag(present.tenure(curves.read(session, box_settings()), curves.tenure(session, box_settings())))
