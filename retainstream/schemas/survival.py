"""Shapes of cohort grids and of survival."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT

_CELL = {"description": "Whom it counts: pass it to GET /customers as `cell`, with status=all"}
_P = {"description": "Null where there is nothing to compare"}


class CohortsQuerySchema(Schema):
    """Which grid."""

    grid = ma.fields.String(
        load_default="contract",
        validate=ma.validate.OneOf(("contract", "activity")),
        metadata={"description": "contract: still a customer at the end of the period; activity: did something in it"},
    )
    unit = ma.fields.String(load_default="month", validate=ma.validate.OneOf(("month", "week")))


class CohortCellSchema(Schema):
    """Those of one cohort so many periods after coming."""

    age = ma.fields.Integer(required=True, metadata={"description": "0: the period of coming"})
    retained = ma.fields.Integer(required=True)
    gone = ma.fields.Integer(required=True)
    share = ma.fields.Float(required=True)
    low = ma.fields.Float(required=True, metadata={"description": "Of the 95% interval, Wilson's"})
    high = ma.fields.Float(required=True)
    complete = ma.fields.Boolean(required=True, metadata={"description": "The figure will not change any more"})
    retained_cell = ma.fields.String(required=True, metadata=_CELL)
    gone_cell = ma.fields.String(required=True, metadata=_CELL)


class CohortSchema(Schema):
    """Those who came in one period."""

    period = ma.fields.String(required=True, metadata={"description": "2024-03, or of a week its Monday: 2024-03-04"})
    n = ma.fields.Integer(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)
    cells = ma.fields.List(ma.fields.Nested(CohortCellSchema), required=True)


class CohortAverageSchema(Schema):
    """All cohorts whose cell of this age is complete."""

    age = ma.fields.Integer(required=True)
    n = ma.fields.Integer(required=True)
    retained = ma.fields.Integer(required=True)
    share = ma.fields.Float(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class CohortsSchema(Schema):
    """A retention grid."""

    grid = ma.fields.String(required=True)
    unit = ma.fields.String(required=True)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    complete_through = ma.fields.String(required=True, metadata={"description": "The last complete period"})
    certain_after_days = ma.fields.Integer(
        required=True, metadata={"description": "Days after a period until it is certain who left in it"}
    )
    recorded_from = ma.fields.String(required=True, metadata=MOMENT)
    n = ma.fields.Integer(required=True)
    n_before_the_record = ma.fields.Integer(
        required=True, metadata={"description": "Who came before the record begins, and is in no cohort"}
    )
    cohorts = ma.fields.List(ma.fields.Nested(CohortSchema), required=True)
    averages = ma.fields.List(ma.fields.Nested(CohortAverageSchema), required=True)


class SurvivalQuerySchema(Schema):
    """What to tell customers apart by."""

    by = ma.fields.String(
        load_default="",
        validate=ma.validate.Length(max=140),
        metadata={"description": "Nothing, plan, first_score, attribute.<name> or segment.<number>"},
    )


class CurvePointSchema(Schema):
    """The curve just after some months; thinned where it has many steps."""

    months = ma.fields.Float(required=True)
    share = ma.fields.Float(required=True)
    low = ma.fields.Float(required=True, allow_none=True)
    high = ma.fields.Float(required=True, allow_none=True)


class CurveStepSchema(CurvePointSchema):
    """What happened between two marks; `share` is read at the later one, and null where too few are at risk."""

    class Meta:
        """What the step has in the place of a point's months."""

        exclude = ("months",)

    share = ma.fields.Float(required=True, allow_none=True)
    after_months = ma.fields.Float(required=True)
    until_months = ma.fields.Float(required=True)
    left = ma.fields.Integer(required=True)
    left_by = ma.fields.Integer(required=True, metadata={"description": "From the very start"})
    at_risk = ma.fields.Integer(required=True, metadata={"description": "Just before the later mark"})
    left_cell = ma.fields.String(required=True, metadata=_CELL)
    at_risk_cell = ma.fields.String(required=True, metadata=_CELL)


class SurvivalGroupSchema(Schema):
    """One Kaplan-Meier curve with log(-log) intervals at 95%."""

    label = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    n_left = ma.fields.Integer(required=True)
    median = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Months; null when not reached"})
    median_low = ma.fields.Float(required=True, allow_none=True)
    median_high = ma.fields.Float(required=True, allow_none=True)
    enough = ma.fields.Boolean(required=True, metadata={"description": "Whether enough left to read something into it"})
    cell = ma.fields.String(required=True, metadata=_CELL)
    points = ma.fields.List(ma.fields.Nested(CurvePointSchema), required=True)
    steps = ma.fields.List(ma.fields.Nested(CurveStepSchema), required=True)


class LogRankSchema(Schema):
    """A log-rank test of some groups."""

    groups = ma.fields.List(ma.fields.String(), required=True)
    chi2 = ma.fields.Float(required=True, allow_none=True, metadata=_P)
    df = ma.fields.Integer(required=True)
    p = ma.fields.Float(required=True, allow_none=True, metadata=_P)
    p_holm = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Allows for several tests"})
    enough = ma.fields.Boolean(required=True)


class SurvivalSchema(Schema):
    """How long customers stay, by group."""

    by = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, metadata={"description": "snapshot: a table without dates"})
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    recorded_from = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    n = ma.fields.Integer(required=True)
    n_left = ma.fields.Integer(required=True)
    n_entered_late = ma.fields.Integer(
        required=True, metadata={"description": "Had come before they were first seen, and count from then on"}
    )
    n_left_otherwise = ma.fields.Integer(
        required=True, metadata={"description": "In a way that the rule does not count"}
    )
    n_unknown_start = ma.fields.Integer(required=True, metadata={"description": "Left out"})
    n_without_value = ma.fields.Integer(required=True, metadata={"description": "In no group"})
    n_value_known_late = ma.fields.Integer(
        required=True, metadata={"description": "Value on record only from more than a week after they came"}
    )
    groups = ma.fields.List(ma.fields.Nested(SurvivalGroupSchema), required=True)
    log_rank = ma.fields.Nested(LogRankSchema, required=True, allow_none=True)
    pairs = ma.fields.List(ma.fields.Nested(LogRankSchema), required=True)


class TenureItemSchema(Schema):
    """Departures in one stretch of tenure."""

    after_months = ma.fields.Float(required=True)
    until_months = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Null: no end"})
    left = ma.fields.Integer(required=True)
    customer_months = ma.fields.Float(required=True)
    rate = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Departures for each month"})
    low = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Of the exact Poisson interval, 95%"}
    )
    high = ma.fields.Float(required=True, allow_none=True)
    enough = ma.fields.Boolean(required=True)
    cell = ma.fields.String(required=True, metadata=_CELL)


class TenureSchema(Schema):
    """When in their life customers leave."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    kind = ma.fields.String(required=True)
    n = ma.fields.Integer(required=True)
    items = ma.fields.List(ma.fields.Nested(TenureItemSchema), required=True)
