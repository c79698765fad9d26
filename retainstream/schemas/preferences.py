"""Shapes of the preferences that people change while the box runs."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema

_MOST_MINOR = 10**12


def _edges(what: str) -> ma.fields.List[float]:
    number = ma.fields.Float(validate=ma.validate.Range(min=0, max=1, min_inclusive=False, max_inclusive=False))
    return ma.fields.List(number, validate=ma.validate.Length(equal=3), allow_none=True, metadata={"description": what})


def _minor(what: str) -> ma.fields.Integer:
    return ma.fields.Integer(
        strict=True,
        allow_none=True,
        validate=ma.validate.Range(min=0, max=_MOST_MINOR),
        metadata={"description": f"{what}, in minor units of `currency`"},
    )


def _share(what: str, *, low_open: bool = True, high: float = 1.0) -> ma.fields.Float:
    within = ma.validate.Range(min=0, max=high, min_inclusive=not low_open)
    return ma.fields.Float(validate=within, allow_none=True, metadata={"description": what})


def _count(what: str, low: int, high: int) -> ma.fields.Integer:
    within = ma.validate.Range(min=low, max=high)
    return ma.fields.Integer(strict=True, allow_none=True, validate=within, metadata={"description": what})


class PreferenceChangeSchema(Schema):
    """What to change; what is left out stays, and `null` sets back to the default."""

    risk_bands = _edges("Probabilities at which medium, high and very high begin; rising")
    percentile_bands = _edges("The same as shares of the ranked customers, while probabilities are withheld")
    acceptance = _share("Share of those reached whom an offer keeps")
    value_minor = _minor("What a customer who stays is worth")
    contact_cost_minor = _minor("What reaching a customer costs")
    incentive_minor = _minor("The part of the cost that only those take who accept")
    high_value_share = _share("Share of active customers that count as high value")
    hold_out_share = _share("Share of customers whom no act may reach", low_open=False, high=0.5)
    daily_capacity = _count("How many customers the team can reach in a day", 1, 10_000)
    due_days = _count("Within how many days a task that was taken is to be done", 0, 90)
    rest_days = _count("For how many days after an act a customer is not proposed again", 0, 365)
    margin = _share("Share of what customers pay that remains as margin")
    annual_discount = _share("By how much a year's delay lowers what money is worth", low_open=False)
    value_months = _count("How many months a lifetime value looks ahead", 1, 60)


class PreferencesSchema(PreferenceChangeSchema):
    """All preferences in force, with what the machine's owner decided for this box."""

    changed = ma.fields.List(
        ma.fields.String(), required=True, metadata={"description": "Names of those that are not the default"}
    )
    currency = ma.fields.String(required=True, metadata={"description": "Of amounts that come without one"})
    time_zone = ma.fields.String(required=True)
