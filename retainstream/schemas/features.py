"""Shapes of the feature dictionary, of declaring a feature, and of one customer's features."""

from __future__ import annotations

from typing import Final

import marshmallow as ma

from retainstream.ml.features import KINDS
from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.paging import MOMENT, TrueOrFalse, plain_text, text_field

ORIGINS: Final = ("built_in", "declared", "profile")
_SOURCES: Final = ("events", "subscriptions", "profile")


class RecipeSchema(Schema):
    """How a feature is made."""

    source = ma.fields.String(required=True, validate=ma.validate.OneOf(_SOURCES))
    aggregate = ma.fields.String(required=True)
    event = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Kind of event; for a profile the attribute; null: all activity"},
    )
    window_days = ma.fields.Integer(required=True, allow_none=True)
    property = ma.fields.String(required=True, allow_none=True)


class FeatureSchema(Schema):
    """One feature of the dictionary."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(KINDS))
    unit = ma.fields.String(required=True, allow_none=True)
    source = ma.fields.String(required=True, validate=ma.validate.OneOf(_SOURCES))
    origin = ma.fields.String(required=True, validate=ma.validate.OneOf(ORIGINS))
    version = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Of a declared feature; null for others"}
    )
    recipe = ma.fields.Nested(RecipeSchema, required=True)
    wording_up = ma.fields.String(required=True, allow_none=True)
    wording_down = ma.fields.String(required=True, allow_none=True)
    actionable = ma.fields.Boolean(required=True)
    sensitive = ma.fields.Boolean(required=True)


class FeatureDictionarySchema(Schema):
    """Everything that this box can make for a model."""

    items = ma.fields.List(ma.fields.Nested(FeatureSchema), required=True)
    total = ma.fields.Integer(required=True)
    hash = ma.fields.String(
        required=True, metadata={"description": "SHA-256 of the whole set, as it stands on a model made of it"}
    )


class DeclareSchema(Schema):
    """A feature of events that a person declares."""

    name = text_field(64, 1, required=True, metadata={"description": "Small letters, digits and _"})
    title = text_field(120, 1, required=True)
    event = text_field(
        64, 1, load_default=None, allow_none=True, metadata={"description": "Kind of event; null: all activity"}
    )
    aggregate = text_field(
        40,
        1,
        required=True,
        metadata={
            "description": "count, sum, mean, max, active_days, change, distinct, days_since_first or days_since_last"
        },
    )
    window_days = ma.fields.Integer(strict=True, load_default=None, allow_none=True)
    property = text_field(
        64, 1, load_default=None, allow_none=True, metadata={"description": "Whose different values `distinct` counts"}
    )
    unit = text_field(40, 1, load_default=None, allow_none=True)
    wording_up = text_field(200, 1, load_default=None, allow_none=True)
    wording_down = text_field(200, 1, load_default=None, allow_none=True)
    actionable = TrueOrFalse(load_default=False)
    sensitive = TrueOrFalse(load_default=False)


class WithdrawnSchema(Schema):
    """What was withdrawn."""

    withdrawn = ma.fields.String(required=True)


class AsOfSchema(Schema):
    """At which time to look."""

    as_of = MomentField(
        load_default=None, metadata={"description": "Not in the future; by default the end of the data"}
    )


class FeatureValueSchema(Schema):
    """One feature with one customer's value."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, allow_none=True)
    value = ma.fields.Raw(required=True, allow_none=True, metadata={"type": ["number", "string", "boolean", "null"]})


class CustomerFeaturesSchema(Schema):
    """One customer's features as of a time."""

    user_id = ma.fields.String(required=True, validate=plain_text)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    items = ma.fields.List(ma.fields.Nested(FeatureValueSchema), required=True)
