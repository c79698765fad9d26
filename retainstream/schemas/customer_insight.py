"""Shapes of what is known about one customer beside the record: timeline, export, peers and what-if."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import (
    RISK_WORDS,
    CustomerRecordSchema,
    HealthInShortSchema,
    LifetimeInShortSchema,
    ReasonSchema,
    WordsField,
)
from retainstream.schemas.events import EventSchema, SubscriptionSchema
from retainstream.schemas.exposures import ExposureSchema
from retainstream.schemas.paging import MOMENT
from retainstream.schemas.predictions import FeaturesField

SOURCES = ("event", "subscription", "version", "score", "exposure", "task", "note")
SHARE = ma.validate.Range(min=0, max=1)


class TimelineQuerySchema(Schema):
    """Which part of the past."""

    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(min=1, max=200))
    cursor = ma.fields.String(load_default=None, validate=ma.validate.Length(max=500))
    source = WordsField(
        load_default=(),
        metadata={"type": "string", "description": f"Only these: {', '.join(SOURCES)}; separated by commas"},
    )


class TimelineEntrySchema(Schema):
    """One thing that happened. What its `facts` are depends on the `source`."""

    at = ma.fields.String(required=True, metadata=MOMENT)
    source = ma.fields.String(required=True, validate=ma.validate.OneOf(SOURCES))
    facts = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        metadata={
            "description": "Of an event: kind, feed, value, properties, late_us (microseconds from happening to arrival). Of a subscription: plan,"
            " revenue, started_at, ended_at, end_reason, feed. Of a version of the attributes: origin, file, first, plan. Of a score: run_id, role,"
            " model_version, churn_probability, risk_band, margin, hindsight, and move (from_run_id, from_as_of, from_risk_band, probability, margin: the"
            " differences to the score before under the same definition; null for a first one; what moved it is in the history). Of an exposure: kind, origin, arm."
            " Of a task: task_id, state, kind, outcome, reason, owner, play, taken_at. Of a note: text, author, task_id, pinned."
        },
    )


class TimelineSchema(Schema):
    """A page of the past, newest first; it is not counted."""

    items = ma.fields.List(ma.fields.Nested(TimelineEntrySchema), required=True)
    next_cursor = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Send as `cursor` for the next page; null at the end"}
    )


class PortraitTaskSchema(Schema):
    """A task about the person, without who worked on it."""

    id = ma.fields.Integer(required=True)
    state = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    source = ma.fields.String(required=True)
    steps = ma.fields.List(ma.fields.String(), required=True)
    due_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    churn_probability = ma.fields.Float(required=True, allow_none=True)
    outcome = ma.fields.String(required=True, allow_none=True)
    outcome_reason = ma.fields.String(required=True, allow_none=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    ended_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class PortraitNoteSchema(Schema):
    """A note about the person, without who wrote it."""

    id = ma.fields.Integer(required=True)
    task_id = ma.fields.Integer(required=True, allow_none=True)
    at = ma.fields.String(required=True, metadata=MOMENT)
    text = ma.fields.String(required=True)


class PortraitSchema(Schema):
    """Everything on record about one person."""

    exported_at = ma.fields.String(required=True, metadata=MOMENT)
    customer = ma.fields.Nested(CustomerRecordSchema, required=True)
    events = ma.fields.List(ma.fields.Nested(EventSchema), required=True)
    subscriptions = ma.fields.List(ma.fields.Nested(SubscriptionSchema), required=True)
    exposures = ma.fields.List(ma.fields.Nested(ExposureSchema), required=True)
    tasks = ma.fields.List(ma.fields.Nested(PortraitTaskSchema), required=True)
    notes = ma.fields.List(ma.fields.Nested(PortraitNoteSchema), required=True)
    lifetime_value = ma.fields.Nested(LifetimeInShortSchema, required=True, allow_none=True)
    rfm_group = ma.fields.String(required=True, allow_none=True)
    health = ma.fields.Nested(HealthInShortSchema, required=True, allow_none=True)


class StandingSchema(Schema):
    """Where a value stands among the customers that the model learnt from."""

    feature = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    value = ma.fields.Raw(required=True, allow_none=True)
    below = ma.fields.Float(
        required=True,
        allow_none=True,
        validate=SHARE,
        metadata={"description": "Share with a lower value; null for a category and a missing value"},
    )
    same = ma.fields.Float(required=True, validate=SHARE, metadata={"description": "Share with about the same value"})


class PeersSchema(Schema):
    """Where a customer's values stand; features that nothing is known of are left out."""

    model_version = ma.fields.Integer(required=True)
    items = ma.fields.List(ma.fields.Nested(StandingSchema), required=True)


class WhatIfSchema(Schema):
    """Other values for some features; null takes a value away."""

    changes = FeaturesField(required=True)


class OutcomeSchema(Schema):
    """A score that was made on the spot."""

    churn_probability = ma.fields.Float(required=True, allow_none=True, validate=SHARE)
    risk_percentile = ma.fields.Float(required=True, validate=SHARE)
    risk_band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))
    margin = ma.fields.Float(required=True)
    reasons = ma.fields.List(ma.fields.Nested(ReasonSchema), required=True)


class WhatIfAnswerSchema(Schema):
    """The score as it is and with the changes; `before` is the one in force."""

    user_id = ma.fields.String(required=True)
    model_version = ma.fields.Integer(required=True)
    changes = ma.fields.Dict(keys=ma.fields.String(), required=True)
    before = ma.fields.Nested(OutcomeSchema, required=True)
    after = ma.fields.Nested(OutcomeSchema, required=True)
