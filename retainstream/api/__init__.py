"""The JWT REST API under /api/v1: each route parses, authorises, calls one service and presents. `register` lists every blueprint."""

from __future__ import annotations

from flask import Flask

from retainstream.api.base import EnvelopeApi, SpecAlias


def register(app: Flask) -> None:
    """Attach the API, its specification and the /api alias to the app."""
    from retainstream.api import jobs, probes

    app.config.update(
        API_TITLE="RetainStream API",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = EnvelopeApi(app)
    for blueprint in (jobs.blueprint,):
        api.register_blueprint(blueprint)
    app.register_blueprint(probes.blueprint)
    app.wsgi_app = SpecAlias(app.wsgi_app)  # type: ignore[method-assign]
