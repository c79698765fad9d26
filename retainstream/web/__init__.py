"""Pages for people: each view validates, calls one service and renders. `register` lists every blueprint; JSON routes live in `retainstream.api`."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from flask import Flask

from retainstream.config import Settings
from retainstream.extensions import csrf

_PAGES = (
    "sign_in",
    "set_up",
    "account",
    "appearance",
    "api_docs",
    "home",
    "home_files",
    "current_jobs",
    "today",
    "today_acts",
    "today_next",
    "today_tasks",
    "today_plays",
    "customers",
    "customers_assign",
    "customer",
    "customer_acts",
    "customer_timeline",
    "analyses",
    "cohorts",
    "rfm",
    "survival",
    "revenue",
    "revenue_months",
    "health_scores",
    "health_schemes",
    "lifetime",
    "model",
    "model_acts",
    "model_replay",
    "data",
    "data_import",
    "data_feeds",
    "data_findings",
    "data_definitions",
    "data_features",
    "segments",
    "segments_builder",
    "reports",
    "jobs",
    "keys",
    "search",
    "settings",
    "settings_tokens",
    "settings_people",
    "settings_preferences",
    "settings_audit",
)
"""Modules with the blueprint of a page or more each."""
_WHILE_DEVELOPING = ("style",)


def register(app: Flask) -> None:
    """Attach the pages, the browser's session, the form protection and what templates may use."""
    from retainstream.web import browser_session, template_tools

    settings: Settings = app.config["RETAINSTREAM"]
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(days=settings.session_days)
    # Checked by the hook below instead of the extension's own, which would run before the request has its id.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    browser_session.register(app)
    template_tools.register(app)
    for name in (*_PAGES, *(_WHILE_DEVELOPING if app.debug else ())):
        app.register_blueprint(import_module(f"{__name__}.{name}").blueprint)

    @app.before_request
    def protect_forms() -> None:
        csrf.protect(apply_exemptions=True)
