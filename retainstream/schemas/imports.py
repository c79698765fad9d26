"""Shapes of imports: the upload's form, the preview, the batch."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask_smorest.fields import Upload

from retainstream.schemas.base import Schema
from retainstream.schemas.jobs import JobAnswerSchema
from retainstream.schemas.paging import MOMENT, ListSchema

STATES = ("queued", "applying", "applied", "failed", "cancelled", "undoing", "undone")


class WordField(ma.fields.Boolean):
    """A yes or no in a form, where everything is text; an empty field is as good as none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            return self.load_default if isinstance(self.load_default, bool) else None
        return super()._deserialize(value, attr, data, **kwargs)


class ImportFormSchema(Schema):
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
    label = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf(("confirm", "flip")),
        metadata={
            "description": "Answer to 409 confirmation_needed: the label is right as proposed, or the other way round"
        },
    )
    known_at_time = WordField(
        load_default=None,
        allow_none=True,
        metadata={"description": "Take the values as known at the dates in the file; by default as the mapping says"},
    )


def table_file() -> Upload:
    """Return the field of a table that is sent."""
    says = "CSV of any dialect, JSON lines or xlsx; CSV and JSON lines also as gz or zip"
    return Upload(required=True, metadata={"description": says})


class ImportUploadSchema(ImportFormSchema):
    """The multipart body: the file and what goes with it. A specification can name only one body, so that both are in one."""

    file = table_file()


class UndoQuerySchema(Schema):
    """Whether an undo may take away what later imports rest on."""

    confirm = WordField(
        load_default=False,
        metadata={
            "description": "Answer to 409 confirmation_needed: undo, although later imports lose the customers that they found on record"
        },
    )


class RowErrorSchema(Schema):
    """What is wrong with one row. The value is null for a caller who may not see personal details."""

    line = ma.fields.Integer(required=True)
    column = ma.fields.String(required=True, allow_none=True)
    value = ma.fields.String(required=True, allow_none=True)
    expected = ma.fields.String(required=True)
    code = ma.fields.String(required=True)


class ImportWarningSchema(Schema):
    """One thing to know before loading."""

    class Meta:
        unknown = ma.INCLUDE

    code = ma.fields.String(required=True)
    severity = ma.fields.String()
    column = ma.fields.String(allow_none=True)
    message = ma.fields.String()
    detail = ma.fields.Dict()
    needs_confirmation = ma.fields.Boolean()


class TableColumnSchema(Schema):
    """The meaning of one column; what is not said is as usual."""

    name = ma.fields.String(required=True, metadata={"description": "The header"})
    role = ma.fields.String(required=True)
    attribute = ma.fields.String(required=True, metadata={"description": "Under which name the value is kept"})
    title = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, metadata={"description": "How the text is read"})
    feature = ma.fields.Boolean(required=True, metadata={"description": "Whether a model may learn from it"})
    field = ma.fields.String(metadata={"description": "Which personal detail it is"})
    format = ma.fields.String(metadata={"description": "Of a date, or drop_point_zero of an identifier"})
    decimal = ma.fields.String()
    reason = ma.fields.String(metadata={"description": "Why the column is ignored"})
    churned_values = ma.fields.List(ma.fields.String(), metadata={"description": "Of the label: who left"})
    kept_values = ma.fields.List(ma.fields.String(), metadata={"description": "Of the label: who stayed"})
    unit = ma.fields.String()


class TableMappingSchema(Schema):
    """What the columns of a table mean; may be edited and sent back as `mapping`."""

    version = ma.fields.Integer(required=True)
    columns = ma.fields.List(ma.fields.Nested(TableColumnSchema), required=True)
    identifier_made = ma.fields.Boolean(required=True)
    label_confirmed = ma.fields.Boolean(required=True)
    currency = ma.fields.String(required=True, allow_none=True)
    known_at_time = ma.fields.Boolean(required=True)
    blanks = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Texts that mean: missing"})


class PreviewSchema(Schema):
    """What an import would do."""

    filename = ma.fields.String(required=True)
    format = ma.fields.String(required=True)
    encoding = ma.fields.String(required=True, allow_none=True)
    delimiter = ma.fields.String(required=True, allow_none=True)
    complete = ma.fields.Boolean(
        required=True, metadata={"description": "False when only the head of a large file was read"}
    )
    mapping = ma.fields.Nested(TableMappingSchema, required=True)
    counts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    base_rate = ma.fields.Float(required=True, allow_none=True)
    warnings = ma.fields.List(ma.fields.Nested(ImportWarningSchema), required=True)
    errors = ma.fields.List(ma.fields.Nested(RowErrorSchema), required=True)
    sample = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(allow_none=True)), required=True
    )
    confirmation_needed = ma.fields.List(ma.fields.String(), required=True)


class ImportAcceptedSchema(JobAnswerSchema):
    """The queued job, and the import that it applies."""

    import_id = ma.fields.Integer(required=True)


class ImportSchema(Schema):
    """One load, as the list shows it."""

    id = ma.fields.Integer(required=True)
    target = ma.fields.String(required=True, metadata={"description": "customers, events, subscriptions or orders"})
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    source = ma.fields.String(required=True, metadata={"description": "api, browser or command"})
    feed = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The feed that the rows came from; null for customers, who have none, and once the job is no longer on record"
        },
    )
    filename = ma.fields.String(required=True)
    file_sha256 = ma.fields.String(required=True)
    size_bytes = ma.fields.Integer(required=True)
    on_error = ma.fields.String(required=True)
    known_at_time = ma.fields.Boolean(required=True)
    counts = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Integer(),
        required=True,
        metadata={"description": "Rows by fate; empty until there are any. Every fate is named, also when it is 0"},
    )
    error = ma.fields.String(required=True, allow_none=True)
    job_id = ma.fields.Integer(required=True, allow_none=True)
    created_by = ma.fields.Integer(required=True, allow_none=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    applied_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    undone_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class ImportRecordSchema(ImportSchema):
    """One load with its mapping, warnings and first row errors."""

    mapping = ma.fields.Dict(required=True)
    warnings = ma.fields.List(ma.fields.Nested(ImportWarningSchema), required=True)
    errors = ma.fields.List(ma.fields.Nested(RowErrorSchema), required=True)
    kept_customers = ma.fields.List(
        ma.fields.String(),
        required=True,
        metadata={"description": "Touched since and therefore kept by the undo; at most 1,000"},
    )


class ImportListSchema(ListSchema):
    """A page of imports, newest first."""

    items = ma.fields.List(ma.fields.Nested(ImportSchema), required=True)
