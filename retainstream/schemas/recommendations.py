"""Shapes of recommendations, and of the figures of the whole base that stand behind them."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import MoneySchema
from retainstream.schemas.dashboard import AmountsSchema, BandSchema, DistributionSchema, DriversSchema, MetricsSchema
from retainstream.schemas.paging import MOMENT

SHARE = ma.validate.Range(min=0, max=1)


class NextActionSchema(Schema):
    """A play with the reason that it fits, and what followed where it was tried. Never a causal figure."""

    play = ma.fields.Dict(keys=ma.fields.String(), required=True, metadata={"description": "id, name, steps"})
    reason = ma.fields.Dict(
        keys=ma.fields.String(), required=True, metadata={"description": "feature, title, sentence"}
    )
    tried = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        metadata={"description": "As of a play: open, done, dropped, outcomes, judged, left, left_share, causal"},
    )
    caution = ma.fields.String(required=True)


class ConditionSchema(Schema):
    """One condition of an offer; `met` is null where it cannot be told."""

    key = ma.fields.String(required=True)
    met = ma.fields.Boolean(required=True, allow_none=True)
    words = ma.fields.String(required=True)


class OfferSchema(Schema):
    """Whether an offer is in order: when all conditions are met."""

    in_order = ma.fields.Boolean(required=True)
    conditions = ma.fields.List(ma.fields.Nested(ConditionSchema), required=True)
    at_most = ma.fields.Nested(
        MoneySchema,
        required=True,
        allow_none=True,
        metadata={"description": "What it may cost without losing money on average"},
    )
    monthly_revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)


class PairSchema(Schema):
    """How many of those who bought one product bought another, too."""

    bought = ma.fields.String(required=True)
    product = ma.fields.String(required=True)
    both = ma.fields.Integer(required=True)
    n_bought = ma.fields.Integer(required=True)
    n_product = ma.fields.Integer(required=True)
    n = ma.fields.Integer(required=True, metadata={"description": "Customers who bought anything"})
    support = ma.fields.Float(required=True, validate=SHARE)
    confidence = ma.fields.Float(required=True, validate=SHARE)
    interval = ma.fields.List(ma.fields.Float(), required=True, metadata={"description": "Wilson's, of the confidence"})
    lift = ma.fields.Float(required=True)


class CustomerCrossSellSchema(Schema):
    """What those who bought the same bought besides; `note` says why there is nothing."""

    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    items = ma.fields.List(ma.fields.Nested(PairSchema), required=True)
    note = ma.fields.String(required=True)


class RecommendationsSchema(Schema):
    """What could be done next for a customer, each with its evidence."""

    user_id = ma.fields.String(required=True)
    next_action = ma.fields.Nested(NextActionSchema, required=True, allow_none=True)
    no_action_because = ma.fields.String(
        required=True,
        metadata={
            "description": "Such as that the customer belongs to the hold-out, or rests after an act; empty with an action"
        },
    )
    offer = ma.fields.Nested(OfferSchema, required=True, allow_none=True)
    cross_sell = ma.fields.Nested(CustomerCrossSellSchema, required=True)


class CrossSellQuerySchema(Schema):
    """How many pairs."""

    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(min=1, max=500))


class CrossSellSchema(CustomerCrossSellSchema):
    """Products that are surely bought together, the highest lift first."""

    buyers = ma.fields.Integer(required=True)
    min_customers = ma.fields.Integer(required=True)


class ChurnRiskSchema(Schema):
    """Where the risk of the whole base lies."""

    active_customers = ma.fields.Integer(required=True)
    scored_customers = ma.fields.Integer(required=True)
    predicted_churners = ma.fields.Integer(required=True, allow_none=True)
    expected_churners = ma.fields.Float(required=True, allow_none=True)
    expected_churners_interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    average_churn_probability = ma.fields.Float(required=True, allow_none=True)
    monthly_revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    revenue_at_risk = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    other_currencies = ma.fields.List(ma.fields.Nested(AmountsSchema), required=True)
    wording = ma.fields.String(required=True)
    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    stale = ma.fields.Boolean(required=True)
    measure = ma.fields.String(required=True)
    bands = ma.fields.List(ma.fields.Nested(BandSchema), required=True)


class OverviewSchema(Schema):
    """What the home page shows of the whole base, in one answer."""

    metrics = ma.fields.Nested(MetricsSchema, required=True)
    distribution = ma.fields.Nested(DistributionSchema, required=True)
    drivers = ma.fields.Nested(DriversSchema, required=True)
    trends = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String()), required=True, metadata={"description": "As GET /dashboard/trends"}
    )
