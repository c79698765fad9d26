"""Shapes of jobs, in and out."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema

JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")


class JobErrorSchema(Schema):
    """Why a job failed; some failures add detail of their own."""

    class Meta:
        unknown = ma.INCLUDE

    code = ma.fields.String(required=True, metadata={"description": "Stable word for programs"})
    message = ma.fields.String(required=True, metadata={"description": "One sentence for people"})


class JobSchema(Schema):
    """One run of long work."""

    id = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True, metadata={"description": "train, score, import or undo"})
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(JOB_STATES))
    phase = ma.fields.String(required=True, metadata={"description": "What it is doing, for people"})
    progress = ma.fields.Float(required=True, validate=ma.validate.Range(min=0, max=1))
    result = ma.fields.Dict(keys=ma.fields.String(), allow_none=True, required=True)
    error = ma.fields.Nested(JobErrorSchema, allow_none=True, required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    started_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    finished_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    cancel_requested = ma.fields.Boolean(required=True)
    attempts = ma.fields.Integer(required=True)
    requested_by = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Id of the user who asked"}
    )


class JobAnswerSchema(Schema):
    """A job in the envelope of 202."""

    job = ma.fields.Nested(JobSchema, required=True)


class JobListSchema(ListSchema):
    """One page of jobs, newest first."""

    items = ma.fields.List(ma.fields.Nested(JobSchema), required=True)


class JobQuerySchema(Schema):
    """Filters of the list."""

    kind = ma.fields.String(load_default=None, validate=ma.validate.Length(min=1, max=20))
    state = ma.fields.String(load_default=None, validate=ma.validate.OneOf(JOB_STATES))
