"""What all API modules share: the blueprint class, the guard of a route, the error envelope, answers and ETags. No route lives here."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import marshmallow as ma
from flask import Request, Response, current_app, g, request
from flask_smorest import Blueprint
from webargs.core import is_json
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge, UnsupportedMediaType

from retainstream.errors import HTTP_CODES, BadRequest, InvalidInput, RetainStreamError
from retainstream.lib.identifiers import row_id
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

View = TypeVar("View", bound=Callable[..., Any])
API_PREFIX = "/api/v1"


class ErrorBodySchema(ma.Schema):
    """The inside of the envelope."""

    code = ma.fields.String(required=True, metadata={"description": "Stable word for programs"})
    message = ma.fields.String(required=True, metadata={"description": "One sentence for people"})
    by_field = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.List(ma.fields.String()), required=True, data_key="fields"
    )
    request_id = ma.fields.String(required=True)
    detail = ma.fields.Dict(keys=ma.fields.String())


class ErrorSchema(ma.Schema):
    """The envelope of every error."""

    error = ma.fields.Nested(ErrorBodySchema, required=True)


def envelope(
    status: int,
    code: str,
    message: str,
    *,
    fields: dict[str, list[str]] | None = None,
    detail: dict[str, object] | None = None,
) -> Response:
    """Return the JSON answer of an error."""
    body: dict[str, object] = {
        "code": code,
        "message": message,
        "fields": fields or {},
        "request_id": g.get("request_id", ""),
    }
    if detail:
        body["detail"] = detail
    response = current_app.response_class(json.dumps({"error": body}, default=str), mimetype="application/json")
    response.status_code = status
    return response


_LOCATIONS = frozenset({"json", "query", "form", "files", "path", "headers", "query_and_headers", "json_or_form"})


def _flatten(messages: object, path: str = "", *, outermost: bool = True) -> dict[str, list[str]]:
    """Return marshmallow's nested messages as path -> sentences; only outermost does a name such as `query` say where a field came from."""
    if isinstance(messages, dict):
        flat: dict[str, list[str]] = {}
        for key, inner in messages.items():
            step = str(key)
            if outermost and step in _LOCATIONS:
                flat.update(_flatten(inner, outermost=False))
            else:
                flat.update(_flatten(inner, f"{path}.{step}" if path else step, outermost=False))
        return flat
    if isinstance(messages, list):
        return {path or "body": [str(message) for message in messages]}
    return {path or "body": [str(messages)]}


def error_response(error: Exception) -> Response:
    """Return the envelope of a domain error or of one that the framework raised."""
    if isinstance(error, RetainStreamError):
        response = envelope(error.status, error.code, error.message, fields=error.fields, detail=error.detail)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        if error.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="RetainStream"'
        return response
    http = cast(HTTPException, error)
    status = http.code or 500
    data = getattr(http, "data", None) or {}
    fields = _flatten(data.get("messages") or data.get("errors") or {})
    message = "Some fields are not as expected." if fields else _sentence(http)
    response = envelope(status, HTTP_CODES.get(status, "error"), message, fields=fields)
    for name, value in http.get_headers():
        if name.lower() in ("allow", "retry-after", "www-authenticate"):
            response.headers[name] = value
    return response


def _sentence(error: HTTPException) -> str:
    """Return what to tell a caller; the framework's words for a wrong address or method are those of a browser."""
    if isinstance(error, NotFound) and error.description == NotFound.description:
        return f"There is nothing at {request.path[:200]}; the routes are listed at {API_PREFIX}/docs."
    if isinstance(error, MethodNotAllowed):
        possible = ", ".join(sorted(error.valid_methods or ())) or "others"
        return f"{request.method} is not possible here; possible are: {possible}."
    if isinstance(error, RequestEntityTooLarge):
        largest = (request.max_content_length or 0) // 1024**2
        return f"The request is larger than the limit of {largest:,} MB."
    return str(error.description or error.name)


def is_api_path(path: str) -> bool:
    """Tell whether errors on this path are answered in JSON."""
    return path.startswith("/api/") or path in ("/api", "/health", "/ready", "/live", "/metrics")


class StrictParser(FlaskParser):
    """Refuses unknown query parameters, since a misspelt filter must not answer another list, and whatever JSON Python cannot hold."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - the parent declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Return the body; 415 for one that is not declared as JSON, which must not pass for no body.

        400 for brackets nested too deeply and for numbers of thousands of digits, which no JSONDecodeError tells of.
        """
        if not is_json(req.mimetype) and req.get_data(cache=True):
            sent = req.mimetype or "no content type"
            raise UnsupportedMediaType(
                f"The body came as {sent}; send JSON with the header Content-Type: application/json."
            )
        try:
            return super().load_json(req, schema)
        except (ValueError, RecursionError) as bad:
            raise BadRequest(
                "The body is not JSON of an ordinary shape: nested too deeply, or a number too long."
            ) from bad

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        """Return the parameters; 422 for one that comes several times and can be meant only once, of which the rest would be cut off silently."""
        found = super().load_querystring(req, schema)
        known = {field.data_key or name for name, field in schema.load_fields.items()} - found.multiple_keys
        if repeated := [name for name in known if len(req.args.getlist(name)) > 1]:
            raise InvalidInput(
                "A parameter came several times that can be given only once.",
                fields={name: ["once only"] for name in sorted(repeated)},
            )
        return found


class ApiBlueprint(Blueprint):  # type: ignore[misc]
    """A blueprint under the canonical prefix whose routes must each say who may call them."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, path: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix=f"{API_PREFIX}{path}", description=description)
        self.before_request(_refuse_parameters_of_a_route_without)


def _refuse_parameters_of_a_route_without() -> None:
    """Name the parameters that came to a route which takes none: a filter in vain must not answer the whole base.

    A route that takes some has a schema of them, whose parser names unknown ones. Who may not call the route is told that first.
    """
    if not request.args or request.method == "OPTIONS":
        return
    view = current_app.view_functions[request.endpoint or ""]
    documented = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", ())
    if any(one.get("in") == "query" for one in documented):
        return
    if isinstance(guard := getattr(view, "guard", None), Permission):
        actor().require(guard)
    raise InvalidInput(
        "This route takes no parameters in its address.",
        fields={name[:80]: ["There is no such field; this route takes none in its address."] for name in request.args},
    )


def requires(permission: Permission) -> Callable[[View], View]:
    """Guard a view: the caller must be signed in and hold the permission. The outermost decorator below the route."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            actor().require(permission)
            return view(*args, **kwargs)

        guarded.guard = permission  # type: ignore[attr-defined]
        document = dict(getattr(view, "_apidoc", {}))
        manual = {**document.get("manual_doc", {}), "security": [{"bearer": []}, {"apiKey": []}]}
        manual["description"] = f"Needs `{permission.value}`."
        document["manual_doc"] = manual
        guarded._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001 - where flask-smorest keeps a view's document
        return cast(View, guarded)

    return decorate


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    view.guard = "public"  # type: ignore[attr-defined]
    return view


def actor() -> Actor:
    """Return the caller; raises Unauthenticated when there is none. Resolved once a request."""
    if "actor" not in g:
        from retainstream.api.authentication import authenticate

        g.actor = authenticate(request)
    return cast(Actor, g.actor)


def json_response(payload: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a compact JSON answer without the schema's detour; for hot or streamed routes."""
    response = current_app.response_class(
        json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
        status=status,
        mimetype="application/json",
    )
    response.headers.update(headers or {})
    return response


def with_etag(payload: object) -> Response:
    """Return JSON with a strong ETag; 304 without a body when the caller already has it."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    return ready(body, hashlib.sha256(body).hexdigest()[:32])


def ready(body: bytes, etag: str) -> Response:
    """Return JSON that is already written, with the strong ETag of its bytes; 304 without a body when the caller already has it."""
    response = current_app.response_class(body, mimetype="application/json")
    response.headers["ETag"] = f'"{etag}"'
    response.headers["Cache-Control"] = "private, no-cache"
    if "HTTP_IF_NONE_MATCH" in request.environ:
        response.make_conditional(request)
    return response


def accepted(job: dict[str, object]) -> Response:
    """Return 202 with a job and where to follow it."""
    return json_response({"job": job}, 202, {"Location": f"{API_PREFIX}/jobs/{job['id']}"})


class SpecAlias:
    """WSGI middleware: /api/x answers as /api/v1/x, so that scripts for the first design keep working."""

    def __init__(self, inner: WSGIApplication) -> None:
        self.inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, under its canonical path."""
        path = environ.get("PATH_INFO", "")
        if path.startswith("/api/") and not path.startswith("/api/v1/") and path != "/api/v1":
            environ["PATH_INFO"] = f"{API_PREFIX}/{path[5:]}"
        return self.inner(environ, start_response)


def path_id(value: str, what: str) -> int:
    """Return a path part as a row id; raises InvalidInput naming the thing otherwise."""
    found = row_id(value)
    if found is None:
        raise InvalidInput(
            f"{'An' if what[0] in 'aeiou' else 'A'} {what} is named by a whole number, not {value[:40]!r}.",
            fields={"id": ["a whole number"]},
        )
    return found
