"""What the routes of many items share: their decorator, and the reading of bodies. No route lives here.

A body is plain or gzip, a list or an object around it, with an end to how much it may hold, packed and unpacked.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable
from typing import Any, Final, cast

from flask import Response, current_app, request
from webargs.core import is_json

from retainstream.api.base import ApiBlueprint, ErrorSchema, View, actor, json_response
from retainstream.api.idempotency import idempotent
from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.errors import BadRequest, InvalidInput, TooLarge, UnsupportedMedia
from retainstream.lib import clock
from retainstream.schemas.events import MOST_ITEMS, BatchOptionsSchema, IntakeSchema, batch_body
from retainstream.security.actor import Actor
from retainstream.services.events.items import Read, Reading

LARGEST_BODY: Final = 32 * 1024 * 1024
_GZIP = 31
_MOST_MEMBERS = 100
"""Parts that gzip data may be joined of: what is left is copied for each, so that very many tiny ones would cost the square of their number."""

_REFUSALS = {
    400: "The body is not JSON, or not the gzip that its Content-Encoding says.",
    413: f"More than {LARGEST_BODY // 1024**2} MB, packed or unpacked.",
    415: "The body is not declared as JSON, or its Content-Encoding is not gzip.",
    422: f"Neither 1 to {MOST_ITEMS:,} items nor an object with them, or an option is not as expected.",
}

Take = Callable[..., dict[str, object]]


def batches(blueprint: ApiBlueprint, name: str, item: dict[str, Any], description: str) -> Callable[[View], View]:
    """Decorate a route that takes batches; stands inside `@requires`.

    Its body is measured before a byte of it is read, its calls may be repeated under an Idempotency-Key, and the specification describes both.

    Parameters
    ----------
    name : str
        What the list is called in an object.
    item : dict
        The OpenAPI description of one item.
    description : str
        Of the answer.
    """

    def decorate(view: View) -> View:
        described = view
        for status, text in _REFUSALS.items():
            described = blueprint.alt_response(status, schema=ErrorSchema, description=text)(described)
        described = blueprint.response(200, IntakeSchema, description=description)(described)
        once = idempotent(blueprint.doc(requestBody=batch_body(name, item))(described))

        @functools.wraps(once)
        def measured(*args: Any, **kwargs: Any) -> Any:
            request.max_content_length = LARGEST_BODY  # also of a body that does not say its length
            if (request.content_length or 0) > LARGEST_BODY:
                raise _too_large()
            return once(*args, **kwargs)

        return cast(View, measured)

    return decorate


def take_in(name: str, read: Callable[[Reading, list[object]], Read[Any]], take: Take) -> Response:
    """Read the request's items outside of any unit, take them in within one, and answer what became of each.

    Parameters
    ----------
    name : str
        What the list is called in an object.
    read, take : callable
        A method of `items.Reading`, and a function of `services.events.accept`.
    """
    items, options = _items(name)
    settings: Settings = current_app.config["RETAINSTREAM"]
    caller: Actor = actor()
    now = clock.now_us()
    found = read(Reading(now, options["known_at_time"], settings.currency), items)
    key = settings.resolved_secret_key().encode()

    live = not options["known_at_time"]
    chosen = {
        "source": options["source"],
        "unknown": options["unknown_customers"],
        "now": now,
        "key": key,
        "live": live,
    }
    with unit_of_work() as session:
        answer = take(session, caller, found, **chosen)
    if options["report"] == "problems":
        answer["items"] = [
            item for item in cast("list[dict[str, object]]", answer["items"]) if item["status"] != "accepted"
        ]
    return json_response(answer)


def _items(name: str) -> tuple[list[object], dict[str, Any]]:
    if not is_json(request.mimetype):
        sent = request.mimetype or "no content type"
        raise UnsupportedMedia(f"The body came as {sent}; send JSON with the header Content-Type: application/json.")
    body = _parsed(_unpacked())
    options: dict[str, object] = {}
    if isinstance(body, dict):
        options = {key: value for key, value in body.items() if key != name}
        body = body.get(name)
    problem = BatchOptionsSchema(name).validate(options)
    if problem:
        fields = {str(field)[:80]: [str(line) for line in lines] for field, lines in problem.items()}
        raise InvalidInput("Some fields are not as expected.", fields=fields)
    if not isinstance(body, list) or not 1 <= len(body) <= MOST_ITEMS:
        raise InvalidInput(
            f"Send a list of 1 to {MOST_ITEMS:,} items, or an object with the list under {name!r}.",
            fields={name: [f"a list of 1 to {MOST_ITEMS:,} items"]},
        )
    loaded: dict[str, Any] = BatchOptionsSchema(name).load(options)
    return body, loaded


def _unpacked() -> bytes:
    """Return the body, unpacked as far as it is not too large."""
    raw = request.get_data(cache=True)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if len(raw) > LARGEST_BODY:  # packed or not
        raise _too_large()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMedia("The only Content-Encoding that is understood is gzip.")
    parts: list[bytes] = []
    left = LARGEST_BODY
    try:
        while raw:
            if len(parts) == _MOST_MEMBERS:
                raise BadRequest(f"The body is joined of more than {_MOST_MEMBERS} gzip parts; pack it as one.")
            unpacker = zlib.decompressobj(wbits=_GZIP)
            parts.append(unpacker.decompress(raw, left + 1))
            left -= len(parts[-1])
            if left < 0:
                raise _too_large()
            if not unpacker.eof:
                raise BadRequest("The body ends before its gzip data does.")
            raw = unpacker.unused_data
    except zlib.error as bad:
        raise BadRequest("The body is not gzip, though its Content-Encoding says so.") from bad
    return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge(
        f"A batch may have {LARGEST_BODY // 1024**2} MB, unpacked; send smaller ones, or load a file with POST /api/v1/events/import."
    )


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as bad:
        raise BadRequest(
            "The body is not JSON of an ordinary shape: damaged, nested too deeply, a number too long, or one that is none."
        ) from bad


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
