"""Feeds, their heartbeat, and findings."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, PageQuerySchema, TrueOrFalse

SEVERITIES = ("error", "warning", "info")
STATES = ("open", "muted", "closed")


class FeedSchema(Schema):
    """A source of data and whether it is alive."""

    name = ma.fields.String(required=True)
    rows = ma.fields.Integer(required=True)
    first_occurred_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    last_occurred_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    last_received_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    heartbeat_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    live = ma.fields.Boolean(
        required=True, metadata={"description": "Whether it ever sent by itself; a loaded file is no sign of life"}
    )
    expected_seconds = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "How long it may pause, as a person said"}
    )
    allowed_pause_seconds = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "How long it may pause; null while that is not known"}
    )
    muted = ma.fields.Boolean(required=True)
    silent = ma.fields.Boolean(required=True)
    silent_since = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class FeedListSchema(Schema):
    """All feeds."""

    items = ma.fields.List(ma.fields.Nested(FeedSchema), required=True)


class FeedChangeSchema(Schema):
    """What a person may say about a feed."""

    expected_seconds = ma.fields.Integer(
        strict=True, allow_none=True, validate=ma.validate.Range(min=60, max=365 * 86_400)
    )
    muted = TrueOrFalse()


class FindingSchema(Schema):
    """Something that is wrong with the data."""

    id = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    subject = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    severity = ma.fields.String(required=True, validate=ma.validate.OneOf(SEVERITIES))
    message = ma.fields.String(required=True)
    detail = ma.fields.Dict(keys=ma.fields.String(), required=True)
    opened_at = ma.fields.String(required=True, metadata=MOMENT)
    seen_at = ma.fields.String(required=True, metadata=MOMENT)
    muted_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    closed_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class FindingListSchema(ListSchema):
    """Findings: those that hold gravest first, others newest first."""

    items = ma.fields.List(ma.fields.Nested(FindingSchema), required=True)


class FindingQuerySchema(PageQuerySchema):
    """Which findings; `open` are those that hold and are not muted."""

    state = ma.fields.String(load_default="open", validate=ma.validate.OneOf((*STATES, "all")))
    severity = ma.fields.String(load_default=None, validate=ma.validate.OneOf(SEVERITIES))


class FindingChangeSchema(Schema):
    """Whether a person knows of a finding, so that it needs nobody."""

    muted = TrueOrFalse(required=True)
