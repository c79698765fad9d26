"""Shapes of segments: rules, their figures, and who came and went."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.customers import SORTS, CustomerSchema, MoneySchema
from retainstream.schemas.paging import MOMENT, ListSchema, PageQuerySchema, text_field

_RULE = {
    "type": "object",
    "description": 'A tree: {"all": [...]}, {"any": [...]}, {"not": ...} around conditions {"field", "op", "value"}; those about events have "kind" and'
    ' mostly "days", too. Fields and operators: GET /segments/fields. A missing value satisfies no comparison, so not of one holds for it.',
    "example": {"all": [{"field": "risk_band", "op": "in", "value": ["high"]}, {"field": "tags", "op": "has_none", "value": ["vip"]}]},
}  # fmt: skip


class RuleField(ma.fields.Field[object]):
    """A rule tree; what is wrong with it is told by its place when it is read."""


class RuleSummarySchema(Schema):
    """Figures of those whom a rule picks. Money and expectations are of the active ones; null where nothing is known of it."""

    customers = ma.fields.Integer(required=True)
    active = ma.fields.Integer(required=True)
    priced = ma.fields.Integer(required=True, metadata={"description": "Active ones behind the revenue"})
    scored = ma.fields.Integer(required=True, metadata={"description": "Active ones behind the probabilities"})
    monthly_revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    revenue_at_risk = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    expected_churners = ma.fields.Float(required=True, allow_none=True)
    mean_probability = ma.fields.Float(required=True, allow_none=True)
    as_of = ma.fields.String(
        required=True, metadata={**MOMENT, "description": "Conditions that look back end there: the end of the data"}
    )


class SegmentAskedSchema(Schema):
    """A rule to try out."""

    rule = RuleField(required=True, metadata=_RULE)
    limit = ma.fields.Integer(
        load_default=50,
        strict=True,
        validate=ma.validate.Range(min=0, max=500),
        metadata={"description": "Members on the page; 0 for the figures alone"},
    )
    cursor = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=500))
    sort = ma.fields.String(load_default="-risk", validate=ma.validate.OneOf(SORTS))


class SegmentAnswerSchema(ListSchema):
    """Whom a rule picks: a page of them, how many there are, and their figures."""

    items = ma.fields.List(ma.fields.Nested(CustomerSchema), required=True)
    summary = ma.fields.Nested(RuleSummarySchema, required=True)


class SegmentInputSchema(Schema):
    """A segment to keep."""

    name = text_field(80, 1, required=True)
    description = text_field(500, load_default="")
    rule = RuleField(required=True, metadata=_RULE)


class SegmentChangeSchema(Schema):
    """What to change of a segment; what is left out stays."""

    name = text_field(80, 1)
    description = text_field(500)
    rule = RuleField(metadata=_RULE)


class SegmentSchema(Schema):
    """A rule under a name, and whom it means now."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    rule = ma.fields.Dict(keys=ma.fields.String(), required=True)
    revision = ma.fields.Integer(required=True, metadata={"description": "Rises when the rule changes"})
    owner = ma.fields.String(required=True, allow_none=True)
    cell = ma.fields.String(required=True, metadata={"description": "Send as `cell` to lists of customers"})
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    updated_at = ma.fields.String(required=True, metadata=MOMENT)
    summary = ma.fields.Nested(RuleSummarySchema, required=True, allow_none=True)
    problem = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Why the rule cannot be told at present"}
    )
    change = ma.fields.Integer(required=True, allow_none=True)
    changed_since = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={**MOMENT, "description": "The look that `change` is told from: of the day before, or the first"},
    )
    looked_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class SegmentListSchema(Schema):
    """All segments by name."""

    items = ma.fields.List(ma.fields.Nested(SegmentSchema), required=True)


class SegmentsSummarySchema(SegmentListSchema):
    """All segments, and how much of the customer base they cover."""

    customers = ma.fields.Integer(required=True)
    in_any = ma.fields.Integer(required=True, metadata={"description": "Customers in at least one segment"})


class SegmentDeletedSchema(Schema):
    """A segment that is gone."""

    deleted = ma.fields.Boolean(required=True)
    name = ma.fields.String(required=True)


class SegmentMembersQuerySchema(PageQuerySchema):
    """Whose members."""

    at = MomentField(
        load_default=None, metadata={"description": "Who was in it then, as the looks found; now without it"}
    )
    sort = ma.fields.String(load_default="-risk", validate=ma.validate.OneOf(SORTS))


class SegmentMembersSchema(ListSchema):
    """One page of members."""

    items = ma.fields.List(ma.fields.Nested(CustomerSchema), required=True)


class LookSchema(Schema):
    """One look at a segment."""

    as_of = ma.fields.String(required=True, metadata=MOMENT)
    revision = ma.fields.Integer(required=True)
    customers = ma.fields.Integer(required=True)
    entered = ma.fields.Integer(required=True)
    left = ma.fields.Integer(required=True)


class SegmentHistorySchema(Schema):
    """The looks at a segment, oldest first."""

    items = ma.fields.List(ma.fields.Nested(LookSchema), required=True)


class LevelSchema(Schema):
    """What customers have in a field, and how many have it."""

    value = ma.fields.String(required=True)
    count = ma.fields.Integer(required=True)


class FieldSchema(Schema):
    """Something that a rule can ask for."""

    key = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    group = ma.fields.String(required=True)
    type = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, allow_none=True)
    operators = ma.fields.List(ma.fields.String(), required=True)
    missing = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Why it cannot be asked for now"}
    )
    kinds = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Kinds of event to name"})
    windowed = ma.fields.Boolean(required=True, metadata={"description": "Whether a condition names `days`"})
    choices = ma.fields.List(ma.fields.Nested(LevelSchema), required=True)


class FieldListSchema(Schema):
    """Everything that a rule can ask for."""

    items = ma.fields.List(ma.fields.Nested(FieldSchema), required=True)
