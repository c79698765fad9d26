"""Shapes of reports, their schedules and their files."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, id_field, text_field

_FORMATS = ("html", "pdf", "csv", "xlsx")


def _whole(low: int, high: int, said: str) -> ma.fields.Integer:
    return ma.fields.Integer(strict=True, validate=ma.validate.Range(min=low, max=high), metadata={"description": said})


class ScheduleSchema(Schema):
    """When a report is made, by the clocks of the box's time zone. An hour that a change of clocks skips counts at the moment of the jump."""

    every = ma.fields.String(required=True, validate=ma.validate.OneOf(("day", "week", "month")))
    hour = _whole(0, 23, "Hour of the day")
    weekday = _whole(0, 6, "For a week: 0 is Monday")
    day = _whole(1, 31, "For a month; one that is shorter has it on its last day")


class ReportInputSchema(Schema):
    """A report to keep."""

    name = text_field(80, 1, required=True)
    subject = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=1, max=40),
        metadata={"description": "customers, home, model, revenue, lifetime, cohorts, survival, rfm or health"},
    )
    parameters = ma.fields.String(
        load_default="",
        validate=ma.validate.Length(max=2000),
        metadata={
            "description": "As the page's address has them. For customers: parameters of GET /customers, such as band=high&sort=-revenue. For cohorts: unit"
            " (month or week) and grid (contract or activity). For survival: by, as GET /survival takes it. For revenue: month, the last one shown"
        },
    )
    format = ma.fields.String(required=True, validate=ma.validate.OneOf(_FORMATS))
    schedule = ma.fields.Nested(
        ScheduleSchema, load_default=None, allow_none=True, metadata={"description": "null: made by hand only"}
    )


class ReportChangeSchema(Schema):
    """What to change of a report; what is left out stays."""

    name = text_field(80, 1)
    parameters = ma.fields.String(validate=ma.validate.Length(max=2000))
    format = ma.fields.String(validate=ma.validate.OneOf(_FORMATS))
    schedule = ma.fields.Nested(ScheduleSchema, allow_none=True)
    paused = TrueOrFalse()


class ReportFileSchema(Schema):
    """One making of a report."""

    id = id_field(required=True)
    made_at = ma.fields.String(required=True, metadata=MOMENT)
    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(("made", "failed", "removed")))
    format = ma.fields.String(required=True)
    holds = ma.fields.String(
        required=True, metadata={"description": "figures, customers, or personal: customers with personal details"}
    )
    n_bytes = ma.fields.Integer(required=True)
    n_rows = ma.fields.Integer(required=True, allow_none=True)
    error = ma.fields.String(required=True, allow_none=True, metadata={"description": "Why it failed or was removed"})
    may_read = ma.fields.Boolean()


class ReportSchema(Schema):
    """A report."""

    id = id_field(required=True)
    name = ma.fields.String(required=True)
    subject = ma.fields.String(required=True)
    parameters = ma.fields.String(required=True)
    format = ma.fields.String(required=True)
    schedule = ma.fields.Nested(ScheduleSchema, required=True, allow_none=True)
    schedule_words = ma.fields.String(required=True)
    paused = ma.fields.Boolean(required=True)
    next_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    owner = ma.fields.String(required=True, metadata={"description": "Whose rights count when it is made"})
    may_change = ma.fields.Boolean(required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    files = ma.fields.Integer(required=True)
    last_file = ma.fields.Nested(ReportFileSchema, required=True, allow_none=True)
    job_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "The job that makes it just now"}
    )


class ReportListSchema(Schema):
    """All reports that the caller may read, by name."""

    items = ma.fields.List(ma.fields.Nested(ReportSchema), required=True)


class ReportFileListSchema(ListSchema):
    """A page of a report's files, newest first."""

    items = ma.fields.List(ma.fields.Nested(ReportFileSchema), required=True)


class ReportDeletedSchema(Schema):
    """What was deleted."""

    deleted = ma.fields.Boolean(required=True)
    name = ma.fields.String(required=True)
