"""Shapes of health scores, their schemes and back-tests, and of the health of the business."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import WordsField
from retainstream.schemas.paging import MOMENT, ListSchema, PageQuerySchema, id_field, text_field

BANDS = ("critical", "weak", "fair", "good")
SORTS = ("score", "-score", "change", "-change")
_POINTS = {"description": "0 to 100; null where it is not known"}


def _moment(**options: object) -> ma.fields.String:
    return ma.fields.String(required=True, allow_none=True, metadata=MOMENT, **options)  # type: ignore[arg-type]


def _figure(**options: object) -> ma.fields.Float:
    return ma.fields.Float(required=True, allow_none=True, **options)  # type: ignore[arg-type]


class StrictNumber(ma.fields.Float):
    """A number of JSON; no text and no boolean."""

    def _deserialize(self, value, attr, data, **kwargs):  # type: ignore[no-untyped-def]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class HealthQuerySchema(PageQuerySchema):
    """Which health scores."""

    band = WordsField(
        load_default=(), metadata={"type": "string", "description": "critical, weak, fair, good; separated by commas"}
    )
    segment = id_field(strict=False, load_default=None)
    sort = ma.fields.String(load_default="score", validate=ma.validate.OneOf(SORTS))

    @ma.validates("band")
    def check_band(self, value: tuple[str, ...], data_key: str) -> None:  # noqa: ARG002 - marshmallow passes it
        """Name the bands that exist."""
        if not set(value) <= set(BANDS):
            raise ma.ValidationError("some of " + ", ".join(BANDS))


class PartPointsSchema(Schema):
    """One part of one customer's score."""

    points = _figure(metadata=_POINTS)
    value = _figure(metadata={"description": "What the points were given for, in the part's unit"})


class HealthScoreSchema(Schema):
    """The health of one customer."""

    user_id = ma.fields.String(required=True)
    score = _figure(metadata=_POINTS)
    band = ma.fields.String(required=True, allow_none=True, validate=ma.validate.OneOf(BANDS))
    confidence = _figure(metadata={"description": "Share of the weight whose parts are known, 0 to 1"})
    change = _figure(
        metadata={"description": "Points since `compared_with`, by the same scheme; null where there is none"}
    )
    scheme_id = ma.fields.Integer(required=True)
    parts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Nested(PartPointsSchema), required=True)


class HealthScoresSchema(ListSchema):
    """A page of health scores."""

    items = ma.fields.List(ma.fields.Nested(HealthScoreSchema), required=True)
    as_of = _moment()
    data_as_of = _moment()
    made_at = _moment()
    compared_with = _moment()


class CustomerPartSchema(PartPointsSchema):
    """One part of a customer's score, as their scheme has it."""

    title = ma.fields.String(required=True)
    unit = ma.fields.String(required=True)
    weight = ma.fields.Integer(required=True, metadata={"description": "0 to 100; all of a scheme add up to 100"})


class PastHealthSchema(Schema):
    """A customer's health at one time; another `scheme_id` means other parts, so that the figures do not compare."""

    as_of = _moment()
    scheme_id = ma.fields.Integer(required=True)
    score = _figure(metadata=_POINTS)
    band = ma.fields.String(required=True, allow_none=True, validate=ma.validate.OneOf(BANDS))
    confidence = _figure()
    parts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Nested(PartPointsSchema), required=True)


class CustomerHealthSchema(HealthScoreSchema):
    """The health of one customer with what it was; the figures are null for one who is not in the scores in force."""

    scheme_id = ma.fields.Integer(required=True, allow_none=True)
    scheme = ma.fields.String(required=True, allow_none=True, metadata={"description": "Its name"})
    parts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Nested(CustomerPartSchema), required=True)
    as_of = _moment()
    data_as_of = _moment()
    made_at = _moment()
    compared_with = _moment()
    history = ma.fields.List(
        ma.fields.Nested(PastHealthSchema),
        required=True,
        metadata={"description": "Every date on record, oldest first, the newest 60"},
    )


class HealthDateSchema(Schema):
    """How customers spread over the bands at one time."""

    as_of = _moment()
    customers = ma.fields.Integer(required=True)
    mean = _figure(metadata=_POINTS)
    bands = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.OneOf(BANDS)), values=ma.fields.Integer(), required=True
    )
    unknown_ = ma.fields.Integer(
        required=True, allow_none=True, data_key="unknown", metadata={"description": "Of whom no part was known"}
    )


class HealthDatesSchema(Schema):
    """The dates on record."""

    items = ma.fields.List(ma.fields.Nested(HealthDateSchema), required=True)


class SchemePartInputSchema(Schema):
    """One part of a scheme."""

    key = text_field(100, 1, required=True)
    weight = ma.fields.Integer(required=True, strict=True, metadata={"description": "0 to 100; all add up to 100"})
    worst = StrictNumber(required=True, metadata={"description": "Value that gives 0 points"})
    best = StrictNumber(required=True, metadata={"description": "Value that gives 100 points"})
    title = ma.fields.String(load_only=True, metadata={"description": "Ignored; so that an answer may be sent back"})
    unit = ma.fields.String(load_only=True, metadata={"description": "Ignored"})


class SchemeInputSchema(Schema):
    """A scheme to keep."""

    name = text_field(80, 1, required=True)
    segment_id = id_field(load_default=None, allow_none=True)
    parts = ma.fields.List(ma.fields.Nested(SchemePartInputSchema), required=True, validate=ma.validate.Length(1, 12))
    bands = ma.fields.List(StrictNumber(), metadata={"description": "Where weak, fair and good begin; 40, 60, 80"})


class SchemeChangeSchema(Schema):
    """What to change of a scheme; what is left out stays."""

    name = text_field(80, 1)
    segment_id = id_field(allow_none=True)
    parts = ma.fields.List(ma.fields.Nested(SchemePartInputSchema), validate=ma.validate.Length(1, 12))
    bands = ma.fields.List(StrictNumber())


class SchemePartSchema(Schema):
    """One part of a scheme."""

    key = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    weight = ma.fields.Integer(required=True)
    worst = ma.fields.Float(required=True)
    best = ma.fields.Float(required=True)
    unit = ma.fields.String(required=True)


class SchemeSchema(Schema):
    """A scheme; a row never changes, so an edit answers with another id."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    segment_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null: everybody whom no other scheme covers"}
    )
    segment = ma.fields.String(required=True, allow_none=True)
    parts = ma.fields.List(ma.fields.Nested(SchemePartSchema), required=True)
    bands = ma.fields.List(ma.fields.Float(), required=True)
    proposed = ma.fields.Boolean(required=True)
    default = ma.fields.Boolean(required=True)
    created_at = _moment()
    retired_at = _moment()


class SchemesSchema(Schema):
    """The schemes in use."""

    items = ma.fields.List(ma.fields.Nested(SchemeSchema), required=True)


class SchemeDeletedSchema(Schema):
    """A scheme that is gone."""

    deleted = ma.fields.Boolean(required=True)
    name = ma.fields.String(required=True)


class JudgedSchema(Schema):
    """What a back-test says of one scheme. Each part has a `message` where there is nothing to say; AUC with 95% intervals."""

    scheme = ma.fields.Nested(SchemeSchema, required=True)
    past = ma.fields.Dict(
        required=True, allow_none=True, metadata={"description": "Health and silence on past observation dates"}
    )
    beside_model = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "The same beside the scores that the model gave at the time"},
    )
    proposal = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "Weights learnt on earlier dates, judged on later ones"},
    )


class BackTestSchema(Schema):
    """The back-test of the scores in force."""

    as_of = _moment()
    message = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Why there is none; null where there is one"}
    )
    dates = ma.fields.List(ma.fields.String(), required=True)
    model_dates = ma.fields.List(ma.fields.String(), required=True)
    notes = ma.fields.List(ma.fields.String(), required=True)
    items = ma.fields.List(ma.fields.Nested(JudgedSchema), required=True)


class BusinessPartSchema(Schema):
    """One part of the health of the business."""

    name = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    weight = ma.fields.Float(required=True)
    points = _figure(metadata=_POINTS)
    contribution = ma.fields.Float(required=True)
    formula = ma.fields.String(required=True)


class BusinessHealthSchema(Schema):
    """The health of the business: a score whose parts and formulas are shown."""

    as_of = _moment()
    score = _figure(metadata=_POINTS)
    confidence = ma.fields.Float(required=True)
    currency = ma.fields.String(required=True)
    parts = ma.fields.List(ma.fields.Nested(BusinessPartSchema), required=True)
    figures = ma.fields.Dict(
        required=True, metadata={"description": "What the parts are made of; amounts in minor units"}
    )
    cells = ma.fields.Dict(
        required=True, metadata={"description": "Addresses of the customers behind the figures, for /customers?cell="}
    )
    notes = ma.fields.List(ma.fields.String(), required=True)
