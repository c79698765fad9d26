"""The JWT REST API under /api/v1: each route parses, authorises, calls one service and presents. `register` lists every blueprint."""

from __future__ import annotations

from flask import Flask

from retainstream.api.base import SpecAlias
from retainstream.api.specification import EnvelopeApi
from retainstream.extensions import csrf


def register(app: Flask) -> None:
    """Attach the API, its specification and the /api alias to the app."""
    from retainstream.api import (
        analyses,
        audit,
        auth,
        churn_definitions,
        customer_insight,
        customer_views,
        customers,
        dashboard,
        event_files,
        events,
        exposures,
        features,
        feeds,
        health_scores,
        imports,
        invitations,
        jobs,
        lifetime,
        limits,
        model,
        notes,
        orders,
        performance,
        plays,
        predictions,
        preferences,
        probes,
        recommendations,
        reports,
        revenue,
        rfm,
        search,
        segments,
        sessions,
        subscriptions,
        survival,
        tasks,
        users,
    )

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
    for blueprint in (
        auth.blueprint,
        sessions.blueprint,
        sessions.password_blueprint,
        users.reset_blueprint,
        users.blueprint,
        invitations.blueprint,
        audit.blueprint,
        preferences.blueprint,
        jobs.blueprint,
        predictions.blueprint,
        performance.blueprint,
        analyses.blueprint,
        survival.cohorts_blueprint,
        survival.blueprint,
        rfm.blueprint,
        lifetime.blueprint,
        lifetime.analytics_blueprint,
        revenue.blueprint,
        revenue.trends_blueprint,
        search.blueprint,
        recommendations.blueprint,
        recommendations.analytics_blueprint,
        health_scores.blueprint,
        health_scores.schemes_blueprint,
        health_scores.business_blueprint,
        segments.blueprint,
        segments.customer_blueprint,
        model.blueprint,
        imports.blueprint,
        event_files.blueprint,
        dashboard.blueprint,
        events.blueprint,
        subscriptions.blueprint,
        orders.blueprint,
        churn_definitions.blueprint,
        features.blueprint,
        features.customer_blueprint,
        exposures.blueprint,
        feeds.blueprint,
        feeds.findings_blueprint,
        notes.blueprint,
        notes.customer_blueprint,
        plays.blueprint,
        tasks.blueprint,
        customer_views.blueprint,
        reports.blueprint,
        customer_insight.blueprint,
        customers.blueprint,
    ):
        csrf.exempt(blueprint)  # the API refuses cookies, so nobody's browser can be made to call it
        api.register_blueprint(blueprint)
    app.register_blueprint(probes.blueprint)
    app.wsgi_app = SpecAlias(app.wsgi_app)  # type: ignore[method-assign]
