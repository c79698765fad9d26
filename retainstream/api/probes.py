"""Probes at the root: /live (the process answers), /ready (the database is there and migrated), /health (findings), /metrics (Prometheus)."""

from __future__ import annotations

from flask import Blueprint, Response

from retainstream.api.base import json_response, public
from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.observability import metrics as metric_table
from retainstream.services import box

blueprint = Blueprint("probes", __name__)


@blueprint.get("/live")
@public
def live() -> Response:
    """Answer as long as the process does."""
    return json_response({"status": "ok"})


@blueprint.get("/ready")
@public
def ready() -> Response:
    """Answer 200 once requests can be served, 503 before."""
    with read_unit() as session:
        migrated = box.is_migrated(session)
    return json_response({"status": "ok" if migrated else "not_migrated"}, 200 if migrated else 503)


@blueprint.get("/health")
@public
def health() -> Response:
    """Answer how the box is; 503 when the database does not answer."""
    with read_unit() as session:
        found = box.health(session, box_settings())
    return json_response(found.to_dict())


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Answer the figures in Prometheus' text format."""
    settings = box_settings()

    def read() -> list[metric_table.Family]:
        with read_unit() as session:
            return list(box.figures(session, settings))

    return Response(metric_table.exposition(read), mimetype="text/plain; version=0.0.4")
