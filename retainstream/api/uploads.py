"""What the routes that take a file read beside it: the fields of the form, and a mapping. No route lives here."""

from __future__ import annotations

import json
from typing import Any

import marshmallow as ma
from flask import request

from retainstream.errors import InvalidInput


def form_fields(schema: ma.Schema) -> dict[str, Any]:
    """Return the fields beside the file; raises InvalidInput with what is wrong by field."""
    try:
        return dict(schema.load(request.form.to_dict()))
    except ma.ValidationError as wrong:
        fields = {name: [str(item) for item in found] for name, found in wrong.normalized_messages().items()}  # type: ignore[no-untyped-call]
        raise InvalidInput("Some fields are not as expected.", fields=fields) from wrong


def mapping_of(text: str | None) -> object | None:
    """Return a mapping that was sent as JSON, None where none was; raises InvalidInput for what is no JSON."""
    if text is None or not text.strip():
        return None
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as bad:
        raise InvalidInput("The mapping is not JSON.", fields={"mapping": ["JSON as a preview answers it"]}) from bad
    return found
