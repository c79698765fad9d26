"""Headers of every answer: content policy, caching of pages, and which other origins may call the API. Rules of who may do what are elsewhere."""

from __future__ import annotations

from flask import Flask, Response, request

from retainstream.config import Settings

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FIXED = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT = "max-age=31536000"
PREFLIGHT_SECONDS = "600"
_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, X-Request-ID"
_SHOWN_HEADERS = "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID, Content-Disposition"
_METHODS = "GET, POST, PUT, PATCH, DELETE"


def register(app: Flask) -> None:
    """Attach the headers to the app."""
    settings: Settings = app.config["RETAINSTREAM"]
    origins = frozenset(settings.cors_origins)
    defaults = {**FIXED, "Cache-Control": "no-store"}
    if settings.secure_cookies:
        defaults["Strict-Transport-Security"] = STRICT_TRANSPORT
    fixed = [(name, name.lower(), value) for name, value in defaults.items()]

    def allowed_origin() -> str | None:
        origin = request.headers.get("Origin", "")
        return origin if request.path.startswith("/api/") and origin in origins else None

    def answer_preflight() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204) if asks and allowed_origin() else None

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        present = {name.lower() for name in headers.keys()}  # noqa: SIM118 - iterating it gives pairs
        for name, lowered, value in fixed:
            if lowered not in present:
                headers.add(name, value)
        if origins and request.path.startswith("/api/"):
            _share(response, allowed_origin())
        return response

    if origins:
        # First of all hooks: a browser's preflight carries no token, so it must not count as a caller's request.
        app.before_request_funcs.setdefault(None, []).insert(0, answer_preflight)


def _share(response: Response, origin: str | None) -> None:
    """Let a listed origin read the answer. Credentials are never allowed: the API takes tokens, not cookies."""
    response.vary.add("Origin")
    if origin is None:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _SHOWN_HEADERS
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
