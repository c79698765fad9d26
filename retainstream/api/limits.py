"""Rate limits of the API: so many calls for an address without a log-in, many more for a signed-in person; the headers that tell; the log-in gate.

Counts are shared by all workers through `limits.db` in the instance folder. Only /api/ is limited: probes, pages and static files are not.
"""

from __future__ import annotations

import math
import time

from flask import Flask, Response, request
from flask_limiter import ApplicationLimit, Limiter

from retainstream.api.authentication import signed_in
from retainstream.config import Settings
from retainstream.db import sqlite_module
from retainstream.security.lockout import LoginGate
from retainstream.security.rate_storage import SCHEME, SqliteRateStorage

GATE = "login_gate"
"""Name in `app.extensions` of the gate that every log-in passes, the browser's too."""

_MESSAGE = "Too many requests; the Retry-After header says how many seconds to wait."


def _address() -> str:
    return f"address:{request.remote_addr}"


def _person() -> str:
    caller = signed_in(request)
    return f"user:{caller.user_id}" if caller else ""


def _is_signed_in() -> bool:
    return signed_in(request) is not None


def _is_anonymous() -> bool:
    return signed_in(request) is None


def register(app: Flask) -> None:
    """Attach the limits and their headers to the app, and put the log-in gate where both faces find it."""
    settings: Settings = app.config["RETAINSTREAM"]
    limiter = Limiter(
        _address,
        application_limits=[
            ApplicationLimit(
                settings.limit_anonymous,
                key_function=_address,
                scope="anonymous",
                exempt_when=_is_signed_in,
                error_message=_MESSAGE,
            ),
            ApplicationLimit(
                settings.limit_signed_in,
                key_function=_person,
                scope="signed-in",
                exempt_when=_is_anonymous,
                error_message=_MESSAGE,
            ),
        ],
        storage_uri=f"{SCHEME}://{settings.instance_path / 'limits.db'}",
        storage_options={"driver": sqlite_module()},  # type: ignore[dict-item]
        strategy="fixed-window",
        headers_enabled=False,
        swallow_errors=True,
    )
    limiter.request_filter(lambda: not request.path.startswith("/api/"))
    limiter.init_app(app)
    storage = limiter.storage
    assert isinstance(storage, SqliteRateStorage)
    app.extensions[GATE] = LoginGate(storage, settings.limit_login, settings.resolved_secret_key())

    @app.after_request
    def tell(response: Response) -> Response:
        """Add what is left. The count is the one that the hit answered, so that telling it costs no second look."""
        current = limiter.current_limit
        hit = storage.latest
        if current is None or hit is None:
            return response
        seconds = max(0, math.ceil(hit.ends - time.time()))
        headers = response.headers
        headers["RateLimit-Limit"] = str(current.limit.amount)
        headers["RateLimit-Remaining"] = str(max(0, current.limit.amount - hit.number))
        headers["RateLimit-Reset"] = str(seconds)
        if response.status_code == 429 and "Retry-After" not in headers:
            headers["Retry-After"] = str(max(1, seconds))
        return response
