"""Pages for people: each view validates, calls one service and renders. `register` lists every blueprint; JSON routes live in `retainstream.api`."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Flask

from retainstream.config import Settings
from retainstream.extensions import csrf


def register(app: Flask) -> None:
    """Attach the pages, the browser's session, the form protection and what templates may use."""
    from retainstream.web import browser_session, template_tools

    settings: Settings = app.config["RETAINSTREAM"]
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(days=settings.session_days)
    # Checked by the hook below instead of the extension's own, which would run before the request has its id.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    browser_session.register(app)
    template_tools.register(app)
    for blueprint in _blueprints(app.debug):
        app.register_blueprint(blueprint)

    @app.before_request
    def protect_forms() -> None:
        csrf.protect(apply_exemptions=True)


def _blueprints(developing: bool) -> list[Blueprint]:
    """Return the blueprint of every page; that of the living style page only while developing."""
    from retainstream.web import (
        account,
        analyses,
        api_docs,
        appearance,
        cohorts,
        current_jobs,
        customer,
        customer_acts,
        customer_timeline,
        customers,
        data,
        data_definitions,
        data_features,
        data_feeds,
        data_findings,
        data_import,
        health_schemes,
        health_scores,
        home,
        home_files,
        jobs,
        keys,
        lifetime,
        model,
        model_acts,
        model_replay,
        reports,
        revenue,
        revenue_months,
        rfm,
        search,
        segments,
        segments_builder,
        set_up,
        settings_audit,
        settings_people,
        settings_preferences,
        settings_tokens,
        sign_in,
        survival,
        today,
        today_acts,
        today_plays,
        today_tasks,
    )
    from retainstream.web import settings as settings_account

    modules = [
        sign_in,
        set_up,
        account,
        appearance,
        api_docs,
        home,
        home_files,
        current_jobs,
        today,
        today_acts,
        today_tasks,
        today_plays,
        customers,
        customer,
        customer_acts,
        customer_timeline,
        analyses,
        cohorts,
        rfm,
        survival,
        revenue,
        revenue_months,
        health_scores,
        health_schemes,
        lifetime,
        model,
        model_acts,
        model_replay,
        data,
        data_import,
        data_feeds,
        data_findings,
        data_definitions,
        data_features,
        segments,
        segments_builder,
        reports,
        jobs,
        keys,
        search,
        settings_account,
        settings_tokens,
        settings_people,
        settings_preferences,
        settings_audit,
    ]
    if developing:
        from retainstream.web import style

        modules.append(style)
    return [module.blueprint for module in modules]
