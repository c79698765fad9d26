"""Shapes of churn definitions and of the proposal of one."""

from __future__ import annotations

from typing import Final

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, text_field

_KINDS: Final = ("cancel", "payment_failure", "trial_end", "non_renewal", "inactivity")
_REASONS: Final = ("voluntary", "payment_failed", "trial_ended", "other")


def _days(lowest: int, highest: int, text: str, **options: object) -> ma.fields.Integer:
    limits = ma.validate.Range(min=lowest, max=highest)
    return ma.fields.Integer(strict=True, validate=limits, metadata={"description": text}, **options)  # type: ignore[arg-type]


def _activity() -> ma.fields.List[str]:
    return ma.fields.List(
        text_field(64, 1),
        validate=ma.validate.Length(max=50),
        metadata={"description": "Kinds of event that are activity; all but billing when left out"},
    )


class CreateDefinitionSchema(Schema):
    """A definition that looks forward."""

    name = text_field(100, 1, required=True, metadata={"description": "One that is taken becomes its next version"})
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(_KINDS))
    horizon_days = _days(1, 730, "Length of the window in which leaving counts", required=True)
    lead_days = _days(0, 365, "Days between the day of a score and the window", load_default=0)
    inactive_days = _days(1, 730, "Of inactivity: silent for so many days is gone")
    activity = _activity()
    already_silent = ma.fields.String(
        validate=ma.validate.OneOf(("count", "leave_out")),
        metadata={"description": "Of inactivity: what becomes of customers who never came back; count when left out"},
    )
    reasons = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(_REASONS)),
        validate=ma.validate.Length(max=4),
        metadata={"description": "Of subscriptions: reasons of an end that count; the kind's own when left out"},
    )
    grace_days = _days(0, 365, "Of subscriptions: whoever subscribes again within so many days has not left")
    settle_days = _days(
        0, 90, "How late news of leaving comes; as late as 99 of 100 rows have come so far, when left out"
    )
    activate = TrueOrFalse(load_default=True, metadata={"description": "Put it in force"})


class DefinitionSchema(Schema):
    """One version of one definition."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    forward = ma.fields.Boolean(required=True, metadata={"description": "False for a labelled column: a snapshot"})
    in_force = ma.fields.Boolean(required=True)
    horizon_days = ma.fields.Integer(required=True, allow_none=True)
    lead_days = ma.fields.Integer(required=True, allow_none=True)
    parameters = ma.fields.Dict(keys=ma.fields.String(), required=True)
    maturity_days = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "From a score until its outcome is certain"}
    )
    sentence = ma.fields.String(required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)


class MadeDefinitionSchema(DefinitionSchema):
    """A definition that was made just now."""

    settle_days_measured = ma.fields.Boolean(
        required=True,
        metadata={
            "description": "Whether settle_days was left out, so that parameters.settle_days is how late news has come so far"
        },
    )


class DefinitionListSchema(ListSchema):
    """One page of definitions, newest first."""

    items = ma.fields.List(ma.fields.Nested(DefinitionSchema), required=True)


class ProposeSchema(Schema):
    """What to propose; everything may be left out."""

    kind = ma.fields.String(
        validate=ma.validate.OneOf(_KINDS),
        metadata={"description": "inactivity without subscriptions, else cancel, when left out"},
    )
    horizon_days = _days(1, 730, "Length of the window", load_default=30)
    lead_days = _days(0, 365, "Days between the day of a score and the window", load_default=0)
    activity = _activity()


class GroundsSchema(Schema):
    """What training would have under one definition."""

    churn_per_month = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Mean over the months"})
    months = ma.fields.Integer(required=True, metadata={"description": "Whole months that were counted"})
    rows = ma.fields.Integer(required=True)
    churners = ma.fields.Integer(required=True, metadata={"description": "Rows that left"})
    dates = ma.fields.Integer(required=True, metadata={"description": "Observation dates"})
    training_dates = ma.fields.Integer(required=True, metadata={"description": "Those of them that are learnt from"})
    fits = ma.fields.Boolean(required=True, metadata={"description": "Three parts in time fit"})
    trainable = ma.fields.Boolean(
        required=True, metadata={"description": "They fit, and each has enough that left and that stayed"}
    )
    needed_days = ma.fields.Integer(required=True, metadata={"description": "Days of history that it takes at least"})
    problem = ma.fields.String(required=True, allow_none=True)


class CandidateSchema(GroundsSchema):
    """One number of days of silence."""

    inactive_days = ma.fields.Integer(required=True)
    came_back = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Share of silences that long after which a customer came back"},
    )
    silences = ma.fields.Integer(required=True, metadata={"description": "Silences that reached so many days"})


class WeighSchema(CreateDefinitionSchema):
    """A definition that is weighed and not made, so it needs no name."""

    class Meta:
        exclude = ("name", "activate")


class WeighedSchema(GroundsSchema):
    """What a definition would say, and what training would have under it."""

    sentence = ma.fields.String(required=True)
    maturity_days = ma.fields.Integer(required=True)
    data_end = ma.fields.String(required=True, metadata=MOMENT)
    came_back = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Of inactivity: share of silences that long after which a customer came back"},
    )
    silences = ma.fields.Integer(
        required=True, metadata={"description": "Of inactivity: silences that reached so many days"}
    )
    departures = ma.fields.Integer(required=True, metadata={"description": "Certain ones on record"})


class LeavingReasonSchema(GroundsSchema):
    """One way in which subscriptions end."""

    kind = ma.fields.String(required=True)
    reason = ma.fields.String(required=True)
    ends = ma.fields.Integer(required=True, metadata={"description": "Departures on record"})


class GapBinSchema(Schema):
    """Gaps of a length, both days included."""

    from_days = ma.fields.Integer(required=True)
    to_days = ma.fields.Integer(required=True)
    gaps = ma.fields.Integer(required=True)


class ReturningSchema(Schema):
    """How many come back after a silence of so many days."""

    days = ma.fields.Integer(required=True)
    came_back = ma.fields.Float(required=True)


class GapsSchema(Schema):
    """Days between two days on which a customer did something."""

    gaps = ma.fields.Integer(required=True)
    median_days = ma.fields.Integer(required=True, allow_none=True)
    p95_days = ma.fields.Integer(required=True, allow_none=True)
    followed_days = ma.fields.Integer(
        required=True, metadata={"description": "Longest silence of which enough were seen to say what came after"}
    )
    distribution = ma.fields.List(ma.fields.Nested(GapBinSchema), required=True)
    returning = ma.fields.List(ma.fields.Nested(ReturningSchema), required=True)


class LatenessSchema(Schema):
    """How late news arrives."""

    p99_days = ma.fields.Float(required=True, allow_none=True)
    n = ma.fields.Integer(required=True)
    settle_days = ma.fields.Integer(required=True)


class ProposalSchema(Schema):
    """A proposed definition with the figures behind it; `definition` is a ready body for POST /churn-definitions."""

    kind = ma.fields.String(required=True)
    definition = ma.fields.Nested(CreateDefinitionSchema, required=True)
    trainable = ma.fields.Boolean(required=True)
    sentences = ma.fields.List(ma.fields.String(), required=True)
    data_start = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    data_end = ma.fields.String(required=True, metadata=MOMENT)
    lateness = ma.fields.Nested(LatenessSchema, required=True)
    gaps = ma.fields.Nested(GapsSchema, required=True, allow_none=True)
    candidates = ma.fields.List(ma.fields.Nested(CandidateSchema), required=True)
    reasons = ma.fields.List(ma.fields.Nested(LeavingReasonSchema), required=True)
