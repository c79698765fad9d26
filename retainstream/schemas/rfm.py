"""Shapes of the map of recency, frequency and money, and of moves between its groups."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import MoneySchema
from retainstream.schemas.paging import MOMENT

_CELL = {"description": "Whom it counts: pass it to GET /customers as `cell`, with status=all"}
_DAY = "2024-03 for the end of that month, or now"


class RfmGroupSchema(Schema):
    """A named group."""

    name = ma.fields.String(required=True)
    meaning = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    money = ma.fields.Nested(
        MoneySchema,
        required=True,
        allow_none=True,
        metadata={"description": "Paid so far, or by the month; of all in it"},
    )
    churn_probability = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Mean of those who have one; null without any"}
    )
    scored = ma.fields.Integer(required=True, metadata={"description": "Customers in it who have a probability"})
    cell = ma.fields.String(required=True, metadata=_CELL)


class RfmCellSchema(Schema):
    """Customers with one score of recency and one of frequency, 5 being the latest and the most often."""

    r = ma.fields.Integer(required=True)
    f = ma.fields.Integer(required=True)
    n = ma.fields.Integer(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class RfmDaySchema(Schema):
    """A day that moves can be counted from or to."""

    name = ma.fields.String(required=True, metadata={"description": _DAY})
    as_of = ma.fields.String(required=True, metadata=MOMENT)


class RfmSchema(Schema):
    """The map and the groups as of now."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    made_at = ma.fields.String(required=True, metadata=MOMENT)
    meaning = ma.fields.String(
        required=True,
        metadata={
            "description": "purchases: the last one, how many, what was paid. activity: the last event, active days in 90, revenue a month"
        },
    )
    customers = ma.fields.Integer(required=True)
    groups = ma.fields.List(ma.fields.Nested(RfmGroupSchema), required=True)
    map = ma.fields.List(ma.fields.Nested(RfmCellSchema), required=True)
    days = ma.fields.List(ma.fields.Nested(RfmDaySchema), required=True)


class MigrationQuerySchema(Schema):
    """Between which days; the two newest by default."""

    before = ma.fields.String(
        data_key="from", load_default=None, validate=ma.validate.Length(max=40), metadata={"description": _DAY}
    )
    after = ma.fields.String(
        data_key="to", load_default=None, validate=ma.validate.Length(max=40), metadata={"description": _DAY}
    )


class RfmMoveSchema(Schema):
    """Customers who were in one group and are in another; `entered` was not there before, `left` is not any more."""

    before = ma.fields.String(required=True)
    after = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class RfmSideSchema(Schema):
    """All customers of a group on one of the days."""

    name = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class MigrationSchema(Schema):
    """Who moved between two days. All moves sum to `population`, and so do both sides."""

    from_ = ma.fields.Nested(RfmDaySchema, required=True, data_key="from")
    to = ma.fields.Nested(RfmDaySchema, required=True)
    population = ma.fields.Integer(required=True, metadata={"description": "Customers of either day"})
    entered = ma.fields.Integer(required=True)
    left = ma.fields.Integer(required=True)
    moves = ma.fields.List(ma.fields.Nested(RfmMoveSchema), required=True)
    before = ma.fields.List(ma.fields.Nested(RfmSideSchema), required=True)
    after = ma.fields.List(ma.fields.Nested(RfmSideSchema), required=True)
