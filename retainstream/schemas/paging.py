"""What all lists share, the answer around their items and their paging; and the strict fields that inputs are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from retainstream.errors import InvalidInput
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.base import Schema

LARGEST_ID = 2**63 - 1
MOMENT = {"format": "date-time"}
"""Metadata of a field that holds an instant, as ISO 8601."""


def plain_text(value: str) -> None:
    """Refuse control characters and halves of surrogate pairs, which neither a database nor a log line can hold."""
    if any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ma.ValidationError("Text without control characters.")


def text_field(longest: int, shortest: int = 0, **options: object) -> ma.fields.String:
    """Return a field for one line of text."""
    return ma.fields.String(validate=[ma.validate.Length(min=shortest, max=longest), plain_text], **options)  # type: ignore[arg-type]


def secret_field(longest: int = 200, shortest: int = 1, **options: object) -> ma.fields.String:
    """Return a field for a password or token that is only ever loaded; any characters, since a person chose them."""
    return ma.fields.String(load_only=True, validate=ma.validate.Length(min=shortest, max=longest), **options)  # type: ignore[arg-type]


def id_field(*, strict: bool = True, **options: object) -> ma.fields.Integer:
    """Return a field for a row's id; not strict for a parameter of an address, where a number is written as text."""
    return ma.fields.Integer(strict=strict, validate=ma.validate.Range(min=1, max=LARGEST_ID), **options)  # type: ignore[arg-type]


class TrueOrFalse(ma.fields.Boolean):
    """A boolean of JSON; unlike its parent it does not take 0, "yes" or "off"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return bool(super()._deserialize(value, attr, data, **kwargs))


class ListSchema(Schema):
    """The answer of a list without its items: subclasses add `items`."""

    next_cursor = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Send as `cursor` for the next page; null at the end"}
    )
    total = ma.fields.Integer(required=True, metadata={"description": "Length of the whole list"})


class PageQuerySchema(Schema):
    """Paging of a list: a cursor (stable under inserts) or a page number."""

    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(min=1, max=500))
    cursor = ma.fields.String(load_default=None, validate=ma.validate.Length(max=500))
    page = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=1_000_000))
    page_size = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=500))


def page_request(query: Mapping[str, Any]) -> PageRequest:
    """Return which part of a list a loaded `PageQuerySchema` asks for; raises InvalidInput for a cursor and a page at once."""
    size: int = query["page_size"] or query["limit"]
    page: int | None = query["page"]
    if page is not None and query["cursor"] is not None:
        raise InvalidInput(
            "Page a list either by cursor or by page.", fields={"page": ["no page together with a cursor"]}
        )
    return PageRequest(size, query["cursor"], 0 if page is None else (page - 1) * size)
