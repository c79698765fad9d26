"""Shapes of the search over everything that has a name."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import PageQuerySchema, text_field

KINDS = ("customer", "page", "act", "segment", "view", "task", "play", "report")


class SearchQuerySchema(Schema):
    """What is looked for."""

    q = text_field(100, load_default="", metadata={"description": "Nothing answers with the pages and acts"})


class CustomerSearchSchema(PageQuerySchema):
    """Whom to look for, and which part of the list."""

    q = text_field(
        100,
        1,
        required=True,
        metadata={"description": "Part of the identifier; with personal details of name or e-mail"},
    )


class HitSchema(Schema):
    """One thing found, and the page that it leads to."""

    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(KINDS))
    title = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)
    address = ma.fields.String(required=True, metadata={"description": "Of a page in the browser, not of the API"})
    posts = ma.fields.Boolean(
        required=True, metadata={"description": "Whether it is done by sending `fields` there, as a form"}
    )
    by_name = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(), required=True, data_key="fields")
    facts = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(allow_none=True),
        required=True,
        metadata={"description": "Of a customer: user_id, risk_band, plan. Of an open task: user_id, due_at."},
    )


class HitGroupSchema(Schema):
    """What was found of one kind, the best first."""

    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(KINDS))
    title = ma.fields.String(required=True)
    items = ma.fields.List(ma.fields.Nested(HitSchema), required=True)
    more = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Address of the page that lists all of them"}
    )


class FoundSchema(Schema):
    """What fits, in groups: first the group whose best hit fits best."""

    q = ma.fields.String(required=True)
    groups = ma.fields.List(ma.fields.Nested(HitGroupSchema), required=True)
