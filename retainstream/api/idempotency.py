"""The `@idempotent` decorator of routes: a call that is repeated with the same Idempotency-Key gets the first answer. Rules and rows are in the service."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar, cast

import marshmallow as ma
from flask import Response, current_app, request

from retainstream.api.base import actor
from retainstream.db import unit_of_work
from retainstream.errors import InvalidInput
from retainstream.schemas.base import Schema
from retainstream.services import idempotency

View = TypeVar("View", bound=Callable[..., Any])
HEADER = "Idempotency-Key"
LONGEST_KEY = 200
_PIECE = 1 << 20


class IdempotencyHeaderSchema(Schema):
    """The header in the specification."""

    key = ma.fields.String(
        data_key=HEADER,
        validate=[ma.validate.Length(min=1, max=LONGEST_KEY), ma.validate.Regexp(r"^[!-~]+$")],
        metadata={
            "description": "Repeating a call with the same key within a day answers what the first one did, with `Idempotent-Replay: true`"
        },
    )


def idempotent(view: View | None = None, *, secret: bool = False) -> Any:
    """Decorate a route that writes; stands inside `@requires` and outside of the arguments and the response.

    Only an answer below 400 is kept. A failed call has done nothing and frees its key, so that it may be tried again.

    Parameters
    ----------
    secret : bool
        The answer holds a secret: it is not kept, and a repeated call gets 409.
    """
    if view is None:
        return functools.partial(idempotent, secret=secret)

    @functools.wraps(view)
    def once(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        return _answer_once(key, secret, lambda: current_app.make_response(view(*args, **kwargs)))

    document = deepcopy(getattr(view, "_apidoc", {}))
    header = {"in": "header", "required": False, "schema": IdempotencyHeaderSchema}
    document.setdefault("arguments", {}).setdefault("parameters", []).append(header)
    once._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001 - where flask-smorest keeps it
    return cast(View, once)


def _answer_once(key: str, secret: bool, work: Callable[[], Response]) -> Response:
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= char <= "~" for char in key):
        raise InvalidInput(
            f"The {HEADER} is not as expected.", fields={HEADER: [f"1 to {LONGEST_KEY} visible ASCII characters"]}
        )
    request_hash = _request_hash()
    rule = request.url_rule.rule if request.url_rule else request.path
    with unit_of_work() as session:
        begun = idempotency.begin(
            session, actor(), route=f"{request.method} {rule}", key=key, request_hash=request_hash
        )
    if isinstance(begun, idempotency.Answer):
        return _replay(begun)
    try:
        response = work()
    except BaseException:
        with unit_of_work() as session:
            idempotency.free(session, begun)
        raise
    with unit_of_work() as session:
        if response.status_code >= 400:
            idempotency.free(session, begun)
        else:
            body = None if secret else response.get_data(as_text=True)
            idempotency.keep(
                session, begun, status=response.status_code, body=body, location=response.headers.get("Location")
            )
    return response


def _replay(answer: idempotency.Answer) -> Response:
    response = current_app.response_class(answer.body, status=answer.status, mimetype="application/json")
    response.headers["Idempotent-Replay"] = "true"
    if answer.location is not None:
        response.headers["Location"] = answer.location
    return response


def _request_hash() -> str:
    """Return a hash of what was sent. A form is hashed by its parts, because a client that repeats it draws a new boundary between them."""
    digest = hashlib.sha256()

    def add(*texts: str) -> None:
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "big") + raw)

    add(request.method, request.path, request.query_string.decode("latin-1"), request.mimetype)
    if request.mimetype not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        digest.update(request.get_data(cache=True))
        return digest.hexdigest()
    for name, value in sorted(request.form.items(multi=True)):
        add("field", name, value)
    for name, upload in sorted(request.files.items(multi=True), key=lambda item: item[0]):
        add("file", name, upload.filename or "")
        inner = hashlib.sha256()
        while piece := upload.stream.read(_PIECE):
            inner.update(piece)
        upload.stream.seek(0)
        digest.update(inner.digest())
    return digest.hexdigest()
