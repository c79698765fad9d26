"""Shapes of plays, and of what followed where they were tried."""

from __future__ import annotations

import marshmallow as ma

from retainstream.models.desk import ACT_KINDS, OUTCOMES
from retainstream.schemas.base import Schema
from retainstream.schemas.paging import MOMENT, TrueOrFalse, text_field


class PlayStepSchema(Schema):
    """A step of a play."""

    text = text_field(300, 1, required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(ACT_KINDS))


class PlayChangeSchema(Schema):
    """What to change of a play; what is left out stays."""

    name = text_field(80, 1)
    description = text_field(500)
    features = ma.fields.List(
        text_field(120, 1),
        validate=ma.validate.Length(max=40),
        metadata={"description": "Names of features as reasons give them, or beginnings of names that end in *"},
    )
    steps = ma.fields.List(ma.fields.Nested(PlayStepSchema), validate=ma.validate.Length(min=1, max=20))
    retired = TrueOrFalse(metadata={"description": "false proposes a retired play again"})


class PlayInputSchema(Schema):
    """A play to add."""

    name = text_field(80, 1, required=True)
    description = text_field(500, load_default="")
    features = ma.fields.List(text_field(120, 1), load_default=list, validate=ma.validate.Length(max=40))
    steps = ma.fields.List(ma.fields.Nested(PlayStepSchema), required=True, validate=ma.validate.Length(min=1, max=20))


class TriedSchema(Schema):
    """What followed where a play was tried: counts, never of what the play caused."""

    open = ma.fields.Integer(required=True)
    done = ma.fields.Integer(required=True)
    dropped = ma.fields.Integer(required=True)
    outcomes = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.OneOf(OUTCOMES)), values=ma.fields.Integer(), required=True
    )
    judged = ma.fields.Integer(
        required=True, metadata={"description": "Ended 30 days ago or longer, and it is known whether they left"}
    )
    left = ma.fields.Integer(required=True, metadata={"description": "Of those, who had left 30 days later"})
    left_share = ma.fields.Float(required=True, allow_none=True)
    too_early = ma.fields.Integer(required=True)
    not_known = ma.fields.Integer(required=True)
    causal = ma.fields.Boolean(
        required=True, metadata={"description": "Always false: whoever got the play was chosen for being at risk"}
    )


class PlaySchema(Schema):
    """A named list of steps."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    features = ma.fields.List(ma.fields.String(), required=True)
    steps = ma.fields.List(ma.fields.Nested(PlayStepSchema), required=True)
    created_at = ma.fields.String(required=True, metadata=MOMENT)
    updated_at = ma.fields.String(required=True, metadata=MOMENT)
    retired_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    tried = ma.fields.Nested(TriedSchema, required=True)


class TemplateSchema(PlayInputSchema):
    """A play to begin with; it is in force once it was adopted."""

    key = ma.fields.String(required=True)


class PlayListSchema(Schema):
    """Plays by name, and the templates that nobody adopted yet."""

    items = ma.fields.List(ma.fields.Nested(PlaySchema), required=True)
    templates = ma.fields.List(ma.fields.Nested(TemplateSchema), required=True)


class PlayQuerySchema(Schema):
    """Which plays."""

    retired = ma.fields.Boolean(load_default=False, metadata={"description": "Retired ones, too"})
