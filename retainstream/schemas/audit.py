"""Shapes of the audit trail."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.paging import LARGEST_ID, MOMENT, ListSchema, text_field


class AuditFilterSchema(Schema):
    """Filters of the trail."""

    action = text_field(60, load_default=None, metadata={"description": "Such as `user.change`"})
    user_id = ma.fields.Integer(
        load_default=None, validate=ma.validate.Range(min=1, max=LARGEST_ID), metadata={"description": "Who did it"}
    )
    target_kind = text_field(40, load_default=None)
    target_id = text_field(40, load_default=None, metadata={"description": "Together with `target_kind`"})
    since = MomentField(data_key="from", load_default=None, metadata={"description": "Done at or after"})
    until = MomentField(data_key="to", load_default=None, metadata={"description": "Done before"})


class AuditActorSchema(Schema):
    """Who acted; a machine has no user."""

    kind = ma.fields.String(required=True)
    user_id = ma.fields.Integer(required=True, allow_none=True)
    email = ma.fields.String(required=True, allow_none=True)
    api_token_id = ma.fields.Integer(required=True, allow_none=True)


class AuditTargetSchema(Schema):
    """What was acted on."""

    kind = ma.fields.String(required=True)
    id = ma.fields.String(required=True, allow_none=True)


class AuditEntrySchema(Schema):
    """One write or log-in."""

    id = ma.fields.Integer(required=True)
    at = ma.fields.String(required=True, metadata=MOMENT)
    actor = ma.fields.Nested(AuditActorSchema, required=True)
    action = ma.fields.String(required=True)
    target = ma.fields.Nested(AuditTargetSchema, required=True, allow_none=True)
    outcome = ma.fields.String(required=True)
    fields_ = ma.fields.List(ma.fields.String(), required=True, data_key="fields", attribute="fields")
    request_id = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)


class AuditListSchema(ListSchema):
    """A page of the trail, newest first."""

    items = ma.fields.List(ma.fields.Nested(AuditEntrySchema), required=True)
