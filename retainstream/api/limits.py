"""Rate limits of the API: so many calls for an address without a log-in, many more for a signed-in person; the headers that tell; the log-in gate.

Counts are shared by all workers through `limits.db` in the instance folder. Only /api/ is limited: probes, pages and static files are not.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, Limiter
from limits import RateLimitItem, parse

from retainstream.api.authentication import signed_in
from retainstream.config import Settings
from retainstream.db import sqlite_module
from retainstream.errors import TooManyRequests
from retainstream.lib.addresses import counted_network
from retainstream.security.lockout import LoginGate
from retainstream.security.rate_storage import SCHEME, Hit, SqliteRateStorage

GATE = "login_gate"
"""Name in `app.extensions` of the gate that every log-in passes, the browser's too."""

_MESSAGE = "Too many requests; the Retry-After header says how many seconds to wait."


class _Counted(NamedTuple):
    """What a request's own hit came to."""

    limit: int
    hit: Hit


def _address() -> str:
    return f"address:{counted_network(request.remote_addr or '')}"


def _is_not_a_stranger() -> bool:
    return not request.path.startswith("/api/") or signed_in(request) is not None


def register(app: Flask) -> None:
    """Attach the limits and their headers to the app, and put the log-in gate where both faces find it."""
    settings: Settings = app.config["RETAINSTREAM"]
    limiter = Limiter(
        _address,
        application_limits=[
            ApplicationLimit(settings.limit_anonymous, key_function=_address, scope="anonymous", error_message=_MESSAGE)
        ],
        storage_uri=f"{SCHEME}://{settings.instance_path / 'limits.db'}",
        storage_options={"driver": sqlite_module()},  # type: ignore[dict-item]
        strategy="fixed-window",
        headers_enabled=False,
        swallow_errors=True,
    )
    limiter.request_filter(_is_not_a_stranger)
    limiter.init_app(app)
    storage = limiter.storage
    assert isinstance(storage, SqliteRateStorage)
    app.extensions[GATE] = LoginGate(storage, settings.limit_login, settings.resolved_secret_key())
    # flask-limiter looks through all its kinds of limits for each request. Signed-in callers, who are nearly all
    # requests, have one limit only; counting it here takes a third of the time.
    _count_people(app, storage, parse(settings.limit_signed_in))

    @app.after_request
    def tell(response: Response) -> Response:
        """Add what is left. The count is the one that the hit answered, so that telling it costs no second look."""
        counted: _Counted | None = g.get("counted")
        if counted is None and limiter.current_limit is not None and storage.latest is not None:
            counted = _Counted(limiter.current_limit.limit.amount, storage.latest)
        if counted is None:
            return response
        seconds = max(0, math.ceil(counted.hit.ends - time.time()))
        headers = response.headers
        headers["RateLimit-Limit"] = str(counted.limit)
        headers["RateLimit-Remaining"] = str(max(0, counted.limit - counted.hit.number))
        headers["RateLimit-Reset"] = str(seconds)
        if response.status_code == 429 and "Retry-After" not in headers:
            headers["Retry-After"] = str(max(1, seconds))
        return response


def _count_people(app: Flask, storage: SqliteRateStorage, limit: RateLimitItem) -> None:
    """Count each signed-in call for its person, from wherever it comes."""
    seconds, most = limit.get_expiry(), limit.amount

    @app.before_request
    def count() -> None:
        if request.endpoint is None or not request.path.startswith("/api/"):
            return
        caller = signed_in(request)
        if caller is None:
            return
        try:
            hit = storage.hit(f"person/{caller.user_id}", seconds)
        except storage.base_exceptions:
            app.logger.exception("a request could not be counted; it is let through")
            return
        g.counted = _Counted(most, hit)
        if hit.number > most:
            raise TooManyRequests(_MESSAGE, retry_after=max(1, math.ceil(hit.ends - time.time())))
