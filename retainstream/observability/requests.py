"""Request ids: taken from X-Request-ID when it is harmless, made otherwise, answered back, and put on every log line of the request."""

from __future__ import annotations

import re

import structlog
from flask import Flask, Response, g, request

from retainstream.lib.identifiers import new_id

_HARMLESS = re.compile(r"[A-Za-z0-9._\-]{8,64}")


def register(app: Flask) -> None:
    """Attach the hooks that give each request its id."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _HARMLESS.fullmatch(given) else new_id()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def answer(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.get("request_id", "")
        return response
