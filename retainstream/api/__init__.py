"""The JWT REST API under /api/v1: each route parses, authorises, calls one service and presents. `register` lists every blueprint."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from flask import Flask

from retainstream.api.base import ApiBlueprint, SpecAlias
from retainstream.api.specification import EnvelopeApi
from retainstream.extensions import csrf

_ROUTES = (
    "auth",
    "sessions",
    "users",
    "invitations",
    "audit",
    "preferences",
    "jobs",
    "predictions",
    "performance",
    "analyses",
    "survival",
    "rfm",
    "lifetime",
    "revenue",
    "search",
    "recommendations",
    "health_scores",
    "segments",
    "model",
    "imports",
    "event_files",
    "dashboard",
    "events",
    "subscriptions",
    "orders",
    "churn_definitions",
    "features",
    "exposures",
    "feeds",
    "notes",
    "plays",
    "tasks",
    "customer_views",
    "reports",
    "customer_insight",
    "customer_tags",
    "customers",
)
"""Modules with routes, in the order of the tags in the API's document; one with several blueprints makes them in that order."""


def register(app: Flask) -> None:
    """Attach the API, its specification and the /api alias to the app."""
    from retainstream.api import limits, probes

    app.config.update(
        API_TITLE="RetainStream API",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )
    limits.register(app)
    api = EnvelopeApi(app)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    api.spec.components.security_scheme("apiKey", {"type": "apiKey", "in": "header", "name": "X-API-Key"})
    for name in _ROUTES:
        for blueprint in _blueprints(import_module(f"{__name__}.{name}")):
            csrf.exempt(blueprint)  # the API refuses cookies, so nobody's browser can be made to call it
            api.register_blueprint(blueprint)
    app.register_blueprint(probes.blueprint)
    app.wsgi_app = SpecAlias(app.wsgi_app)  # type: ignore[method-assign]


def _blueprints(module: ModuleType) -> Iterator[ApiBlueprint]:
    """Yield a module's blueprints in the order in which it makes them."""
    return (value for value in vars(module).values() if isinstance(value, ApiBlueprint))
