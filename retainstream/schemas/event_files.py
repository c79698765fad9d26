"""Shapes of files of events, subscriptions and orders: the upload's form and the preview. Batches are `schemas.imports`."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.imports import ImportWarningSchema, RowErrorSchema, WordField, table_file


class EventFileFormSchema(Schema):
    """What goes with the file. A misspelt field is refused: without its `dry_run` a trial would load for good."""

    class Meta:
        unknown = ma.RAISE

    mapping = ma.fields.String(
        load_default=None,
        validate=ma.validate.Length(max=2_000_000),
        metadata={"description": "JSON as a preview answers it, edited or not; without it the proposal is used"},
    )
    dry_run = WordField(load_default=False, metadata={"description": "Answer the preview and load nothing"})
    on_error = ma.fields.String(
        load_default="reject",
        validate=ma.validate.OneOf(("reject", "skip")),
        metadata={"description": "reject: one bad row and nothing is taken; skip: the good rows are taken"},
    )
    known_at_time = WordField(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Each row was known when it happened (history), or only from now on; by default as the mapping says"
        },
    )
    source = ma.fields.String(
        load_default=None,
        metadata={
            "description": "The feed that the rows come from; keys are unique within it. By default one for each target"
        },
    )
    unknown_customers = ma.fields.String(
        load_default="create",
        validate=ma.validate.OneOf(("create", "skip")),
        metadata={"description": "What becomes of rows whose customer is not on record"},
    )


class KindFormSchema(EventFileFormSchema):
    """The same for events, which may all be of one kind."""

    kind = ma.fields.String(
        load_default=None,
        metadata={"description": "Kind of every event of a file that has no column for it, such as login"},
    )


class EventFileSchema(EventFileFormSchema):
    """The multipart body: the file and what goes with it. A specification can name only one body, so that both are in one."""

    file = table_file()


class KindFileSchema(KindFormSchema):
    """The multipart body of events."""

    file = table_file()


class EventColumnSchema(Schema):
    """The meaning of one column; what is as usual is left out."""

    name = ma.fields.String(required=True, metadata={"description": "The header"})
    role = ma.fields.String(
        required=True,
        metadata={
            "description": "Events: customer, time, received, kind, value, key, property, ignored. Orders: customer, time, received, key, order,"
            " product, quantity, price, amount, currency, property, ignored. Subscriptions: customer, key, plan, price, currency, started, ended,"
            " reason, received, ignored"
        },
    )
    property = ma.fields.String(allow_none=True, metadata={"description": "Under which name a property is kept"})
    kind = ma.fields.String(validate=ma.validate.OneOf(("text", "number", "boolean")))
    format = ma.fields.String(
        allow_none=True,
        metadata={"description": "Of a time: such as iso, dmy, mdy, unix_s; of the customer: as_is or drop_point_zero"},
    )
    decimal = ma.fields.String(validate=ma.validate.OneOf((".", ",")))
    reason = ma.fields.String(allow_none=True, metadata={"description": "Why the column is ignored"})


class EventMappingSchema(Schema):
    """What the columns of a file mean; may be edited and sent back as `mapping`."""

    version = ma.fields.Integer(required=True)
    target = ma.fields.String(required=True, validate=ma.validate.OneOf(("events", "subscriptions", "orders")))
    columns = ma.fields.List(ma.fields.Nested(EventColumnSchema), required=True)
    kind = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Of every event where no column tells it"}
    )
    known_at_time = ma.fields.Boolean(required=True)
    currency = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "ISO 4217, where no column tells it"}
    )
    cancelled_prefix = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Of the numbers of cancelled orders"}
    )
    no_reason = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "What an end without a reason is taken for"}
    )
    reasons = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        required=True,
        metadata={
            "description": "Words for why a subscription ended to voluntary, payment_failed, trial_ended or other"
        },
    )
    blanks = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Texts that mean: missing"})


class EventPreviewSchema(Schema):
    """What a load would do."""

    filename = ma.fields.String(required=True)
    target = ma.fields.String(required=True)
    format = ma.fields.String(required=True)
    encoding = ma.fields.String(required=True, allow_none=True)
    delimiter = ma.fields.String(required=True, allow_none=True)
    complete = ma.fields.Boolean(
        required=True, metadata={"description": "False when only the head of a large file was read"}
    )
    mapping = ma.fields.Nested(EventMappingSchema, required=True)
    counts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    warnings = ma.fields.List(ma.fields.Nested(ImportWarningSchema), required=True)
    errors = ma.fields.List(ma.fields.Nested(RowErrorSchema), required=True)
    sample = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(allow_none=True)), required=True
    )
    as_read = ma.fields.List(
        ma.fields.Dict(), required=True, metadata={"description": "The first rows as they would be kept"}
    )
    confirmation_needed = ma.fields.List(ma.fields.String(), required=True)
