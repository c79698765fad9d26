"""The only composer: builds the web app, and the minimal app in which a job's child runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Rule

from retainstream import models
from retainstream.config import ROOT, Settings, load_settings
from retainstream.db import db, engine_options, prepare_engine
from retainstream.errors import Busy, InvalidInput, RetainStreamError
from retainstream.extensions import csrf, login_manager, migrate


class LateRule(Rule):
    """A rule that compiles its builder of addresses when it first builds one.

    Compiling those of every route takes most of what is left of the app's start, and a process builds the addresses of few.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        """Return a stand-in; the first call puts the compiled builder in its place."""

        def build(rule: Rule, /, **values: object) -> tuple[str, str]:
            made = super(LateRule, self)._compile_builder(append_unknown).__get__(rule, None)
            setattr(rule, "_build_unknown" if append_unknown else "_build", made)
            return cast(tuple[str, str], made(**values))

        return build


class RowIdConverter(IntegerConverter):
    """`<int:...>` of an address: a row's id, of as many digits as fit into 64 bits. With more the address names nothing, and is not found."""

    regex = r"\d{1,18}"


def create_minimal_app(settings: Settings) -> Flask:
    """Return an app with the database and nothing else: for commands, jobs and tests of services."""
    app = Flask("retainstream", instance_path=str(settings.instance_path), root_path=str(ROOT / "retainstream"))
    app.config["RETAINSTREAM"] = settings
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.resolved_database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    _ = models
    return app


def create_app(settings: Settings | None = None) -> Flask:
    """Return the web app.

    Parameters
    ----------
    settings : Settings, optional
        Read from the environment when absent; a wrong variable raises SettingsError, which names it.
    """
    from retainstream import api, cli, web
    from retainstream.jobs import background
    from retainstream.observability import logs, metrics, requests
    from retainstream.web import error_pages, security_headers

    settings = settings or load_settings(os.environ)
    app = create_minimal_app(settings)
    app.url_rule_class = LateRule
    app.url_map.converters["int"] = RowIdConverter
    app.url_map.merge_slashes = False  # the redirect that it answers would be built from the caller's Host header
    app.config.update(
        SECRET_KEY=settings.resolved_secret_key(),
        SESSION_COOKIE_NAME="retainstream",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        MAX_CONTENT_LENGTH=(settings.import_max_mb + 1) * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    logs.configure(settings)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    login_manager.init_app(app)
    requests.register(app)
    metrics.register(app)
    api.register(app)
    web.register(app)
    cli.register(app)
    security_headers.register(app)
    _register_errors(app, error_pages.error_page)
    background.register(app)
    return app


def _register_errors(app: Flask, error_page: Callable[[Exception], Response]) -> None:
    """One handler for both faces: JSON for the API and the probes, a page for people."""
    from retainstream.api.base import error_response, is_api_path

    def present(error: Exception) -> Response:
        if is_api_path(request.path):
            return error_response(error)
        return error_page(error)

    def half_a_character(_error: UnicodeEncodeError) -> Response:
        """A text with half of a surrogate pair gets through JSON, but no database can store it."""
        return present(
            InvalidInput("A text holds half of a surrogate pair, which is no character; send valid Unicode.")
        )

    def unexpected(error: Exception) -> Response:
        app.logger.error("unhandled error", exc_info=error)
        return present(InternalServerError("Something went wrong here. The log has the details under the request id."))

    def database(error: OperationalError) -> Response:
        if "locked" in str(error):
            return present(Busy("The database is busy with a long write; try again in a moment.", retry_after=2))
        return unexpected(error)

    app.register_error_handler(RetainStreamError, present)
    app.register_error_handler(HTTPException, present)
    app.register_error_handler(OperationalError, database)
    app.register_error_handler(UnicodeEncodeError, half_a_character)
    app.register_error_handler(Exception, unexpected)
