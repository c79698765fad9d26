"""Shapes of the overview's figures."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import RISK_WORDS, CustomerSchema, MoneySchema
from retainstream.schemas.paging import MOMENT


class ModelGlanceSchema(Schema):
    """The champion at a glance."""

    version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True, metadata={"description": "snapshot: not forward-looking"})
    auc = ma.fields.Float(required=True, allow_none=True)
    auc_interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    calibrated = ma.fields.Boolean(required=True)
    trained_at = ma.fields.String(required=True, metadata=MOMENT)


class AmountsSchema(Schema):
    """Monthly revenue and the part at risk in one currency."""

    monthly_revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    revenue_at_risk = ma.fields.Nested(MoneySchema, required=True, allow_none=True)


class MetricsSchema(AmountsSchema):
    """The headline figures."""

    total_customers = ma.fields.Integer(required=True)
    active_customers = ma.fields.Integer(required=True)
    churned_customers = ma.fields.Integer(required=True)
    labelled_customers = ma.fields.Integer(required=True)
    churn_rate = ma.fields.Float(required=True, allow_none=True)
    scored_customers = ma.fields.Integer(required=True)
    predicted_churners = ma.fields.Integer(required=True, allow_none=True)
    expected_churners = ma.fields.Float(required=True, allow_none=True)
    expected_churners_interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    average_churn_probability = ma.fields.Float(required=True, allow_none=True)
    other_currencies = ma.fields.List(ma.fields.Nested(AmountsSchema), required=True)
    model = ma.fields.Nested(ModelGlanceSchema, required=True, allow_none=True)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    data_as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    horizon_days = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null for a snapshot model"}
    )
    wording = ma.fields.String(required=True)
    stale = ma.fields.Boolean(required=True)


class BinSchema(Schema):
    """One bar: customers whose measure is in [low, high)."""

    low = ma.fields.Float(required=True)
    high = ma.fields.Float(required=True)
    count = ma.fields.Integer(required=True)


class BandSchema(Schema):
    """One risk band and where it begins."""

    band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))
    count = ma.fields.Integer(required=True)
    begins = ma.fields.Float(required=True, data_key="from", attribute="from")


class DistributionSchema(Schema):
    """How the scores of active customers spread."""

    n = ma.fields.Integer(required=True)
    measure = ma.fields.String(required=True, validate=ma.validate.OneOf(("churn_probability", "risk_percentile")))
    bins = ma.fields.List(ma.fields.Nested(BinSchema), required=True)
    bands = ma.fields.List(ma.fields.Nested(BandSchema), required=True)


class DriverSchema(Schema):
    """One feature's part in the champion's scores."""

    feature = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    shap_value = ma.fields.Float(required=True)
    share = ma.fields.Float(required=True)
    rank = ma.fields.Integer(required=True)


class DriversSchema(Schema):
    """What the champion looks at, strongest first."""

    model_version = ma.fields.Integer(required=True, allow_none=True)
    items = ma.fields.List(ma.fields.Nested(DriverSchema), required=True)


class NothingSchema(Schema):
    """The body of a request for new predictions: nothing, so that features sent here by mistake are not passed over."""

    @ma.pre_load
    def refuse(self, data: object, **_: object) -> object:
        """Name the route that takes features."""
        if data:
            raise ma.ValidationError(
                "Nothing: this scores all customers; POST features to /api/v1/predictions/predict."
            )
        return data


class TrendMomentSchema(Schema):
    """One scoring of everybody, by a model that knew of no later day."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    model_version = ma.fields.Integer(required=True)
    scored = ma.fields.Integer(required=True)
    predicted_churners = ma.fields.Integer(required=True, allow_none=True)
    expected_churners = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Null where probabilities are withheld"}
    )
    expected_share = ma.fields.Float(required=True, allow_none=True)
    revenue_at_risk_minor = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "A month's, in minor units of the box's currency"}
    )
    left_share = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Null until the window has closed"}
    )
    auc = ma.fields.Float(required=True, allow_none=True, metadata={"description": "As realised; null until then"})


class TrendsSchema(Schema):
    """The last scorings, oldest first."""

    items = ma.fields.List(ma.fields.Nested(TrendMomentSchema), required=True)


class GroupSchema(Schema):
    """One group with its first members, those who need somebody most first."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    total = ma.fields.Integer(required=True)
    customers = ma.fields.List(ma.fields.Nested(CustomerSchema), required=True)


class GroupsSchema(Schema):
    """All groups; `compared_with` is the day that a rise is told from."""

    compared_with = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    items = ma.fields.List(ma.fields.Nested(GroupSchema), required=True)
