"""Shapes of recurring revenue: the bridge, the trends, what is at risk, and closed months.

Amounts are whole minor units for a month, with their currency; those named `_minor` are in the currency that stands above them.
"""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import RISK_WORDS, MoneySchema
from retainstream.schemas.paging import MOMENT

_MONTH = {"example": "2026-10", "pattern": r"^\d{4}-\d{2}$"}
_SHARE = {
    "description": "Share between 0 and 1, above it where the same customers bring more; null where it cannot be told"
}
_WHY_NOT = {"description": "Why there is no bridge; null where there is one"}


def _count(**options: object) -> ma.fields.Integer:
    return ma.fields.Integer(required=True, **options)  # type: ignore[arg-type]


def _money(description: str) -> ma.fields.Nested:
    return ma.fields.Nested(MoneySchema, required=True, metadata={"description": description})


def _people(description: str) -> ma.fields.Integer:
    return _count(metadata={"description": description})


class FiguresSchema(Schema):
    """The figures of one month; opening and the movements add up to closing, and so do the customers who came and went."""

    opening = _money("Monthly revenue at its beginning")
    opening_customers = _people("Who paid at its beginning")
    new = _money("From those who never paid before")
    new_customers = _people("Who pay for the first time")
    reactivation = _money("From those who paid once, and not at its beginning")
    reactivation_customers = _people("Who came back")
    expansion = _money("More from those who paid at its beginning, as by a higher price")
    expansion_customers = _people("Who pay more")
    contraction = _money("Less from those who still pay; at most 0")
    contraction_customers = _people("Who pay less")
    churn = _money("What those paid who pay nothing any more; at most 0")
    churn_customers = _people("Who stopped paying")
    closing = _money("Monthly revenue at its end")
    closing_customers = _people("Who pay at its end")


class BridgeMonthSchema(FiguresSchema):
    """One month of the bridge."""

    month = ma.fields.String(required=True, metadata=_MONTH)
    complete = ma.fields.Boolean(required=True, metadata={"description": "Whether the month is over in the data"})
    net_retention = ma.fields.Float(required=True, allow_none=True, metadata=_SHARE)
    gross_retention = ma.fields.Float(required=True, allow_none=True, metadata=_SHARE)
    net_retention_12 = ma.fields.Float(required=True, allow_none=True, metadata=_SHARE)
    gross_retention_12 = ma.fields.Float(required=True, allow_none=True, metadata=_SHARE)


class BridgeSchema(Schema):
    """The bridge of monthly recurring revenue, oldest month first."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    time_zone = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    subscriptions_in_other_currencies = _count()
    trailing_months = _count()
    why_not = ma.fields.String(required=True, allow_none=True, metadata=_WHY_NOT)
    items = ma.fields.List(ma.fields.Nested(BridgeMonthSchema), required=True)


class PlanRevenueSchema(Schema):
    """A plan's part of a month's end."""

    plan = ma.fields.String(required=True, allow_none=True)
    revenue_minor = _count()
    customers = _count()


class TrendMonthSchema(Schema):
    """Revenue at one month's end; in the running month at the end of the data."""

    month = ma.fields.String(required=True, metadata=_MONTH)
    complete = ma.fields.Boolean(required=True)
    revenue_minor = _count()
    customers = _count()
    average_minor = _count(allow_none=True)
    revenue_at_risk_minor = _count(allow_none=True, metadata={"description": "By the last scoring of that month"})
    plans = ma.fields.List(ma.fields.Nested(PlanRevenueSchema), required=True)


class SalesMonthSchema(Schema):
    """Purchases less refunds of one month; not recurring."""

    month = ma.fields.String(required=True, metadata=_MONTH)
    complete = ma.fields.Boolean(required=True)
    sales = _money("Purchases less refunds")
    customers = _count()


class _RiskRowSchema(Schema):
    customers = _count()
    customers_with_amount = _count()
    monthly_revenue_minor = _count()
    revenue_at_risk_minor = _count(allow_none=True)


class BandRiskSchema(_RiskRowSchema):
    """Active customers of one risk band."""

    band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))


class PlanRiskSchema(_RiskRowSchema):
    """Active customers on one plan."""

    plan = ma.fields.String(required=True, allow_none=True)


class AtRiskSchema(Schema):
    """Monthly revenue of active customers and what of it is expected to go, as they are today."""

    currency = ma.fields.String(required=True)
    monthly_revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    revenue_at_risk = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    customers = _count()
    bands = ma.fields.List(ma.fields.Nested(BandRiskSchema), required=True)
    plans = ma.fields.List(ma.fields.Nested(PlanRiskSchema), required=True)


class TrendsOfRevenueSchema(Schema):
    """Revenue by month and plan, sales where nothing recurs, and what is at risk now."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    time_zone = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    why_not = ma.fields.String(required=True, allow_none=True, metadata=_WHY_NOT)
    items = ma.fields.List(ma.fields.Nested(TrendMonthSchema), required=True)
    sales = ma.fields.List(ma.fields.Nested(SalesMonthSchema), required=True)
    at_risk = ma.fields.Nested(AtRiskSchema, required=True)


class ClosedMonthSchema(Schema):
    """A closed month: its figures as closed, and as later data correct them."""

    month = ma.fields.String(required=True, metadata=_MONTH)
    currency = ma.fields.String(required=True)
    closed_at = ma.fields.String(required=True, metadata=MOMENT)
    closed_by = ma.fields.String(required=True, allow_none=True)
    as_of = ma.fields.String(
        required=True, metadata={**MOMENT, "description": "End of the data that it was closed with"}
    )
    as_closed = ma.fields.Nested(FiguresSchema, required=True)
    corrected = ma.fields.Nested(FiguresSchema, required=True)
    corrections = _count(metadata={"description": "How many looks found a change"})


class MonthsSchema(Schema):
    """The closed months, newest first, and the one that may be closed next."""

    next_to_close = ma.fields.String(required=True, allow_none=True, metadata=_MONTH)
    items = ma.fields.List(ma.fields.Nested(ClosedMonthSchema), required=True)


class CorrectionSchema(Schema):
    """What later data changed in one figure of a closed month."""

    found_at = ma.fields.String(required=True, metadata=MOMENT)
    figure = ma.fields.String(required=True, metadata={"description": "A field of the month's figures"})
    before = _count()
    after = _count()
    currency = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Of before and after, which are minor units; null where they count customers"},
    )
    reason = ma.fields.String(required=True)


class CorrectionsSchema(Schema):
    """The corrections of one month, oldest first."""

    month = ma.fields.String(required=True, metadata=_MONTH)
    currency = ma.fields.String(required=True)
    items = ma.fields.List(ma.fields.Nested(CorrectionSchema), required=True)
