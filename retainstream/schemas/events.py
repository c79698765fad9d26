"""Shapes of events, statements about subscriptions and orders: the batches that come in, what became of them, and their lists.

Items are described here for the specification and checked one by one in `services.events.items`, so that a bad one does not stop the others.
"""

from __future__ import annotations

from typing import Any, Final

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.paging import LARGEST_ID, MOMENT, PageQuerySchema, TrueOrFalse, text_field

MOST_ITEMS: Final = 10_000
STATUSES: Final = ("accepted", "duplicate", "rejected")
END_REASONS: Final = ("voluntary", "payment_failed", "trial_ended", "other")

_TIME: dict[str, Any] = {
    "description": "ISO 8601 with a time zone, or seconds or milliseconds since 1970; from 1980 on, at most 400 days ahead",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}],
}
_MAYBE_TIME: dict[str, Any] = {**_TIME, "anyOf": [*_TIME["anyOf"], {"type": "null"}]}
_RECEIVED: dict[str, Any] = {
    **_MAYBE_TIME,
    "description": "When it became known; only with known_at_time, never in the future, and the time of the event when it is left out",
}
_USER: dict[str, Any] = {"type": ["string", "integer"], "maxLength": 200, "description": "The owner's own identifier"}
_CURRENCY: dict[str, Any] = {
    "type": ["string", "null"],
    "pattern": "^[A-Z]{3}$",
    "description": "ISO 4217; by default the box's own",
}


def _text(longest: int, description: str) -> dict[str, Any]:
    return {"type": ["string", "integer", "null"], "maxLength": longest, "description": description}


_KEY = _text(
    200,
    "The sender's own name of it, unique within the source: the same key again is a duplicate, and the first one stays. "
    "Without it the content is the key, and equal items of one request count as often as they come",
)

EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["user_id", "kind", "occurred_at"],
    "additionalProperties": False,
    "properties": {
        "user_id": _USER,
        "kind": {"type": "string", "maxLength": 64, "description": "Such as login, watch, payment_failed"},
        "occurred_at": _TIME,
        "value": {"type": ["number", "null"]},
        "properties": {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": "Flat, at most 50 names and 4,096 bytes",
        },
        "key": _KEY,
        "received_at": _RECEIVED,
    },
}
ORDER: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["user_id", "occurred_at", "amount"],
    "additionalProperties": False,
    "properties": {
        "user_id": _USER,
        "occurred_at": _TIME,
        "amount": {
            "type": "number",
            "description": "Of the whole line, in the main unit of the currency; below 0 it is a refund",
        },
        "currency": _CURRENCY,
        "order": _text(200, "Number of the order"),
        "product": _text(200, "What was bought"),
        "quantity": {"type": ["number", "null"]},
        "key": _KEY,
        "received_at": _RECEIVED,
    },
}
SUBSCRIPTION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["user_id", "started_at"],
    "additionalProperties": False,
    "properties": {
        "user_id": _USER,
        "key": _text(
            200,
            "The sender's own name of the subscription, unique within the source; without it a subscription is named by its customer and its start",
        ),
        "plan": _text(200, "`trial` for a trial"),
        "revenue_minor": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Monthly, in minor units of the currency",
        },
        "currency": _CURRENCY,
        "started_at": _TIME,
        "ended_at": {**_MAYBE_TIME, "description": "Null while it goes on; may lie ahead when it was announced"},
        "end_reason": {"enum": [*END_REASONS, None], "description": "`other` when there is an end without a reason"},
        "received_at": {
            **_RECEIVED,
            "description": "When the statement became known, from which a changed plan or price holds; only with known_at_time. Without it "
            "known_at_time makes two statements of an ended subscription: one known at its start, one known at its end",
        },
    },
}


class BatchOptionsSchema(Schema):
    """What all items of a batch share, when they come in an object."""

    class Meta:
        unknown = ma.RAISE

    def __init__(self, beside: str, **options: Any) -> None:
        super().__init__(**options)
        self.error_messages["unknown"] = f"{self.error_messages['unknown']} The items stand under {beside!r}."

    source = text_field(80, 1, load_default="api")
    unknown_customers = ma.fields.String(load_default="create", validate=ma.validate.OneOf(("create", "skip")))
    known_at_time = TrueOrFalse(load_default=False)
    report = ma.fields.String(load_default="all", validate=ma.validate.OneOf(("all", "problems")))


def batch_body(name: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a body: a list of items, or an object with the list under `name` and options beside it."""
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_ITEMS, "items": item}
    wrapped = {
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {
            name: listed,
            "source": {"type": "string", "minLength": 1, "maxLength": 80, "default": "api"},
            "unknown_customers": {"enum": ["create", "skip"], "default": "create"},
            "known_at_time": {
                "type": "boolean",
                "default": False,
                "description": "History that was known when it happened: only for what really was",
            },
            "report": {
                "enum": ["all", "problems"],
                "default": "all",
                "description": "problems: answer only the items that were not accepted",
            },
        },
    }
    return {
        "required": True,
        "description": "Items are taken one by one; `Content-Encoding: gzip` is understood.",
        "content": {"application/json": {"schema": {"anyOf": [listed, wrapped]}}},
    }


def _count(description: str) -> ma.fields.Integer:
    return ma.fields.Integer(required=True, metadata={"description": description})


class IntakeCountsSchema(Schema):
    """What became of the items."""

    accepted = _count("Taken in")
    duplicate = _count("On record already, under the same key or saying nothing new; the first one stays")
    rejected = _count("Not taken in; the sum of the counts by code")
    late = _count("Accepted, though received more than a day after it happened: no score of the days between knows it")
    out_of_order = _count("Accepted, though older than what its source had sent before")
    future = _count("Accepted, though dated more than five minutes ahead: used once its time has come")
    new_customers = _count("Customers who were not on record and were made")
    new_kinds = _count("Kinds of events that came for the first time")
    statements = _count("Statements about subscriptions that were written")
    invalid = _count("Rejected: a field is not as expected")
    out_of_range = _count("Rejected: a time before 1980, more than 400 days ahead, or received in the future")
    no_customer = _count("Rejected: no user_id")
    unknown_customer = _count("Rejected: not on record, and unknown_customers is skip")
    erased = _count("Rejected: the person was erased")
    other_customer = _count("Rejected: the key belongs to a subscription of another customer")
    too_many_kinds = _count("Rejected: it would be the 1,001st kind of event")


class IntakeItemSchema(Schema):
    """What became of one item; code and message say why it was rejected."""

    index = ma.fields.Integer(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(STATUSES))
    code = ma.fields.String()
    message = ma.fields.String()


class IntakeSchema(Schema):
    """What became of a batch, item by item in the order in which they came."""

    counts = ma.fields.Nested(IntakeCountsSchema, required=True)
    items = ma.fields.List(ma.fields.Nested(IntakeItemSchema), required=True)


class _NewestFirstSchema(Schema):
    """A list by arrival, newest first: subclasses add `items`."""

    next_cursor = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Send as `cursor` for the next page; null at the end. A page of a search among many rows may hold fewer items than `limit`"
        },
    )
    total = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Length of the whole list; null where counting would take long"},
    )


class EventQuerySchema(PageQuerySchema):
    """Filters of the list of events."""

    user_id = text_field(200, 1, load_default=None)
    kind = text_field(64, 1, load_default=None)
    source = text_field(80, 1, load_default=None)
    since = MomentField(data_key="from", load_default=None, metadata={"description": "Occurred at or after"})
    until = MomentField(data_key="to", load_default=None, metadata={"description": "Occurred before"})


class EventSchema(Schema):
    """One event on record."""

    id = ma.fields.Integer(required=True, validate=ma.validate.Range(min=1, max=LARGEST_ID))
    user_id = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    source = ma.fields.String(required=True)
    occurred_at = ma.fields.String(required=True, metadata=MOMENT)
    received_at = ma.fields.String(required=True, metadata=MOMENT)
    value = ma.fields.Float(required=True, allow_none=True)
    properties = ma.fields.Dict(keys=ma.fields.String(), required=True)
    import_id = ma.fields.Integer(required=True, allow_none=True)


class EventListSchema(_NewestFirstSchema):
    """A page of events, those that arrived last first."""

    items = ma.fields.List(ma.fields.Nested(EventSchema), required=True)


class SubscriptionQuerySchema(PageQuerySchema):
    """Filters of the list of statements."""

    user_id = text_field(200, 1, load_default=None)
    source = text_field(80, 1, load_default=None)
    plan = text_field(200, 1, load_default=None)


class RevenueSchema(Schema):
    """An amount."""

    amount_minor = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)


class SubscriptionSchema(Schema):
    """One statement about a subscription; those with the same `subscription` are about the same one."""

    id = ma.fields.Integer(required=True, validate=ma.validate.Range(min=1, max=LARGEST_ID))
    subscription = ma.fields.String(required=True)
    user_id = ma.fields.String(required=True)
    source = ma.fields.String(required=True)
    plan = ma.fields.String(required=True, allow_none=True)
    revenue = ma.fields.Nested(RevenueSchema, required=True, allow_none=True)
    started_at = ma.fields.String(required=True, metadata=MOMENT)
    ended_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    end_reason = ma.fields.String(required=True, allow_none=True)
    received_at = ma.fields.String(required=True, metadata=MOMENT)
    current = ma.fields.Boolean(required=True, metadata={"description": "Whether it is the newest of its subscription"})
    import_id = ma.fields.Integer(required=True, allow_none=True)


class SubscriptionListSchema(_NewestFirstSchema):
    """A page of statements, those that arrived last first."""

    items = ma.fields.List(ma.fields.Nested(SubscriptionSchema), required=True)
