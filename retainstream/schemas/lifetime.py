"""Shapes of lifetime values: of single customers, and of everybody together."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import MoneySchema, PlansField, segments_field
from retainstream.schemas.paging import MOMENT, ListSchema, PageQuerySchema, text_field

_CELL = {"description": "Whom it counts: pass it to GET /customers as `cell`, with status=all"}
_MINOR = "In minor units of `currency` for money, in purchases for purchases"


class LifetimeQuerySchema(PageQuerySchema):
    """Whose values, and which page of them."""

    user_id = text_field(200, load_default="", metadata={"description": "One customer's value"})
    plan = PlansField(
        load_default=(),
        metadata={"type": "string", "description": "Plans: separated by commas, or a parameter each, then as they are"},
    )
    segment = segments_field()
    sort = ma.fields.String(
        load_default="-value",
        validate=ma.validate.OneOf(("-value", "value", "-p_alive", "p_alive")),
        metadata={"description": "A leading minus means largest first"},
    )


class LifetimePredictionSchema(Schema):
    """What one customer is expected to bring, as margin, discounted."""

    user_id = ma.fields.String(required=True)
    plan = ma.fields.String(required=True, allow_none=True, metadata={"description": "On record now"})
    value = ma.fields.Nested(MoneySchema, required=True)
    low = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    high = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    level = ma.fields.Float(required=True, metadata={"description": "Of the interval of this one customer"})
    p_alive = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Still a buyer now, or of a subscriber: still there at the end of the period"},
    )
    expected_purchases = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Purchases in the period, or months paid"}
    )


class LifetimePredictionsSchema(ListSchema):
    """A page of values, the most valuable first."""

    items = ma.fields.List(ma.fields.Nested(LifetimePredictionSchema), required=True)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    months = ma.fields.Integer(required=True, metadata={"description": "Length of the period"})
    contract = ma.fields.String(required=True, metadata={"description": "subscription or purchases"})


class LifetimeTermsSchema(Schema):
    """What people chose: see the preferences."""

    months = ma.fields.Integer(required=True)
    margin = ma.fields.Float(required=True)
    annual_discount = ma.fields.Float(required=True)


class LifetimeTotalSchema(Schema):
    """Of everybody together, with its interval."""

    value = ma.fields.Nested(MoneySchema, required=True)
    low = ma.fields.Nested(MoneySchema, required=True)
    high = ma.fields.Nested(MoneySchema, required=True)


class LifetimePartSchema(Schema):
    """Some of the customers."""

    title = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    value = ma.fields.Nested(MoneySchema, required=True)
    mean = ma.fields.Nested(MoneySchema, required=True)
    least = ma.fields.Nested(MoneySchema, required=True)
    most = ma.fields.Nested(MoneySchema, required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class EstimateSchema(Schema):
    """A figure with its 95% interval."""

    value = ma.fields.Float(required=True)
    low = ma.fields.Float(required=True)
    high = ma.fields.Float(required=True)


class HoldOutPartSchema(Schema):
    """A tenth of the customers by what was expected of them; means."""

    part = ma.fields.Integer(required=True, metadata={"description": "1 for the least expected to 10"})
    n = ma.fields.Integer(required=True)
    predicted = ma.fields.Float(required=True, metadata={"description": _MINOR})
    actual = ma.fields.Float(required=True, metadata={"description": _MINOR})
    low = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Of the 95% interval of `actual`"})
    high = ma.fields.Float(required=True, allow_none=True)


class HoldOutVerdictSchema(Schema):
    """Predicted against what came. The baseline expects everybody to go on as until then."""

    n = ma.fields.Integer(required=True)
    mae = ma.fields.Nested(EstimateSchema, required=True, metadata={"description": "Mean absolute error"})
    baseline_mae = ma.fields.Nested(EstimateSchema, required=True)
    difference = ma.fields.Nested(
        EstimateSchema, required=True, metadata={"description": "Below 0: nearer than the baseline"}
    )
    better = ma.fields.Boolean(required=True, metadata={"description": "Nearer than the baseline beyond chance"})
    rmse = ma.fields.Float(required=True, metadata={"description": "Root of the mean squared error"})
    baseline_rmse = ma.fields.Float(required=True)
    predicted = ma.fields.Float(required=True, metadata={"description": "Sum"})
    baseline = ma.fields.Float(required=True, metadata={"description": "Sum"})
    actual = ma.fields.Float(required=True, metadata={"description": "Sum"})
    ratio = ma.fields.Float(required=True, allow_none=True)
    covered = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Share of customers whose result lies in their interval"},
    )
    parts = ma.fields.List(ma.fields.Nested(HoldOutPartSchema), required=True)


class HoldOutSchema(Schema):
    """A prediction as of a past day against what came until `to`."""

    from_ = ma.fields.String(required=True, data_key="from", metadata=MOMENT)
    to = ma.fields.String(required=True, metadata=MOMENT)
    method = ma.fields.String(required=True)
    money = ma.fields.Nested(HoldOutVerdictSchema, required=True)
    purchases = ma.fields.Nested(HoldOutVerdictSchema, required=True, allow_none=True)
    parameters = ma.fields.Dict(keys=ma.fields.String(), required=True, metadata={"description": "What was fitted"})


class LifetimeSchema(Schema):
    """Lifetime values of everybody, and how good they were when they could be checked."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    made_at = ma.fields.String(required=True, metadata=MOMENT)
    contract = ma.fields.String(required=True, metadata={"description": "subscription or purchases"})
    currency = ma.fields.String(required=True)
    terms = ma.fields.Nested(LifetimeTermsSchema, required=True)
    customers = ma.fields.Integer(required=True, metadata={"description": "Who has a value"})
    unknown_ = ma.fields.Integer(required=True, data_key="unknown", metadata={"description": "Who has none"})
    level = ma.fields.Float(required=True)
    total = ma.fields.Nested(LifetimeTotalSchema, required=True)
    method = ma.fields.String(required=True)
    parameters = ma.fields.Dict(keys=ma.fields.String(), required=True)
    notes = ma.fields.List(ma.fields.String(), required=True)
    tenths = ma.fields.List(ma.fields.Nested(LifetimePartSchema), required=True)
    top_tenth = ma.fields.Nested(LifetimePartSchema, required=True)
    plans = ma.fields.List(ma.fields.Nested(LifetimePartSchema), required=True)
    hold_out = ma.fields.Nested(HoldOutSchema, required=True, allow_none=True)
    no_hold_out_because = ma.fields.String(required=True)
