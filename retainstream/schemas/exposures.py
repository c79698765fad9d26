"""Acts on customers."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, text_field

ARM = ma.validate.OneOf(("treated", "held_out"))


class ExposureSchema(Schema):
    """One act on one customer."""

    id = ma.fields.Integer(required=True)
    at = ma.fields.String(required=True, metadata=MOMENT)
    kind = ma.fields.String(required=True)
    source = ma.fields.String(required=True)
    arm = ma.fields.String(required=True, validate=ARM)
    propensity = ma.fields.Float(required=True)
    recorded_at = ma.fields.String(required=True, metadata=MOMENT)
    voided_at = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "When it was taken back: it did not happen, and no figure counts it"},
    )


class ExposureListSchema(ListSchema):
    """A customer's acts, newest first."""

    items = ma.fields.List(ma.fields.Nested(ExposureSchema), required=True)
    held_out = ma.fields.Boolean(
        required=True, metadata={"description": "A member of the permanent hold-out, whom no act may reach"}
    )


class ExposureInputSchema(Schema):
    """What was done."""

    kind = text_field(40, 1, required=True, metadata={"description": "Such as call, email, offer"})
    source = text_field(80, 1, load_default="api")
    at = MomentField(load_default=None, metadata={"description": "When; now by default"})
    arm = ma.fields.String(load_default=None, validate=ARM)
    propensity = ma.fields.Float(
        load_default=None,
        allow_nan=False,
        validate=ma.validate.Range(min=0, min_inclusive=False, max=1),
        metadata={"description": "Probability with which the arm was drawn"},
    )
    override = TrueOrFalse(
        load_default=False,
        metadata={"description": "Write down that a member of the hold-out was treated all the same"},
    )
