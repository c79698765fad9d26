"""Shapes of tags: those of one customer, and one put on many or taken away."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import TagField
from retainstream.schemas.paging import text_field

MOST_IDS = 10_000


class TagsSchema(Schema):
    """A customer's tags, in their order."""

    user_id = ma.fields.String(required=True)
    tags = ma.fields.List(ma.fields.String(), required=True)


class TagsAddedSchema(Schema):
    """Tags to put beside those that are there."""

    tags = ma.fields.List(TagField(), required=True, validate=ma.validate.Length(1, 50))


class TagQuerySchema(Schema):
    """The tag to take away."""

    tag = TagField(required=True)


class TagManySchema(Schema):
    """One tag, and whom it is put on or taken from: those named, or all of a list."""

    tag = TagField(required=True)
    remove = ma.fields.Boolean(load_default=False, metadata={"description": "Take it away instead"})
    user_ids = ma.fields.List(text_field(200, 1), validate=ma.validate.Length(1, MOST_IDS))
    query = text_field(
        2_000,
        metadata={
            "description": "Filters of GET /customers, such as band=high&segment=3; empty: everybody who has not left"
        },
    )

    @ma.validates_schema
    def check_either(self, data: dict[str, Any], **_: object) -> None:
        """Refuse both and none."""
        if ("user_ids" in data) == ("query" in data):
            raise ma.ValidationError("Give either user_ids or query.", "user_ids")


class TaggedSchema(Schema):
    """How many customers were changed: those who had the tag already, or had it not, are left out."""

    changed = ma.fields.Integer(required=True)
