"""Shapes of saved views of the list of customers."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, id_field, text_field


class ViewInputSchema(Schema):
    """A view to keep."""

    name = text_field(60, 1, required=True)
    parameters = ma.fields.String(
        required=True,
        validate=ma.validate.Length(max=2000),
        metadata={"description": "Parameters of GET /customers, such as band=high&sort=-revenue"},
    )
    shared = TrueOrFalse(load_default=False, metadata={"description": "Needs customers:write"})


class ViewSchema(Schema):
    """A list of customers under a name."""

    id = id_field(required=True)
    name = ma.fields.String(required=True)
    parameters = ma.fields.String(required=True)
    shared = ma.fields.Boolean(required=True)
    owner = ma.fields.String(required=True)
    mine = ma.fields.Boolean(required=True)
    may_delete = ma.fields.Boolean(required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)


class ViewListSchema(ListSchema):
    """A page of views."""

    items = ma.fields.List(ma.fields.Nested(ViewSchema), required=True)


class ViewDeletedSchema(Schema):
    """What was deleted."""

    deleted = ma.fields.Boolean(required=True)
    name = ma.fields.String(required=True)
