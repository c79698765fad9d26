"""What every shape is built on: a schema that tells a caller which fields it has, and the field of a point in time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma

from retainstream.lib import clock

_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")
"""Where the + of a zone stood before a query string, in which + means a space, was read."""


class Schema(ma.Schema):
    """A marshmallow schema whose complaints name what would have been right."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names = ", ".join(str(field.data_key or name) for name, field in self.load_fields.items())
        self.error_messages["unknown"] = f"There is no such field; the fields are: {names}."
        self.error_messages["type"] = f"This is an object with fields of: {names}."


class MomentField(ma.fields.String):
    """A day, which means its beginning in UTC, or an instant; without a zone it is in UTC. Read as integer microseconds UTC."""

    EXPECTED = "a date such as 2026-03-31 (from 00:00 UTC), or a time such as 2026-03-31T12:00:00Z"
    default_error_messages = {"invalid": EXPECTED, "invalid_utf8": EXPECTED}  # noqa: RUF012 - the parent declares it so

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> None:
        described = dict(metadata or {})
        described["description"] = "; ".join([*filter(None, [described.get("description")]), self.EXPECTED])
        super().__init__(metadata={"example": "2026-03-31", **described}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        written = _LOST_PLUS.sub(r"\1+\2", super()._deserialize(value, attr, data, **kwargs).strip())
        try:
            moment = datetime.fromisoformat(written)
            return clock.to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None
