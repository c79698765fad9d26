"""Shapes of scores: the list in force, predictions on the spot, explanations and history."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from retainstream.schemas.customers import RISK_WORDS, ReasonSchema, ScoreFieldsSchema, ScoreFilterSchema
from retainstream.schemas.paging import LARGEST_ID, MOMENT, ListSchema, id_field, text_field

MAX_IDS = 10_000
MAX_FEATURES = 2_000


class FeaturesField(ma.fields.Dict):
    """Values by feature name or title, such as {"plan": "Basic", "watch_time_hours": 12}; a feature that is left out counts as missing."""

    def __init__(self, **options: Any) -> None:
        described = {
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": self.__doc__,
        }
        super().__init__(
            keys=ma.fields.String(), validate=ma.validate.Length(max=MAX_FEATURES), metadata=described, **options
        )


class PredictionRequestSchema(ma.Schema):
    """Either values by feature, or a customer."""

    features = FeaturesField()
    user_id = text_field(200, 1)

    @ma.validates_schema
    def check_either(self, data: dict[str, Any], **_: object) -> None:
        """Refuse both and neither."""
        if ("features" in data) == ("user_id" in data):
            raise ma.ValidationError("Give either features or a user_id.", "features")


class PredictionBatchSchema(ma.Schema):
    """Up to 1,000 predictions; one that cannot be made does not stop the others, and a wrong item is answered with its error."""

    items = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String()), required=True, validate=ma.validate.Length(min=1, max=1_000)
    )


class NoticeSchema(ma.Schema):
    """What a reader of one score should know about one value: it was missing, or the model does not know it."""

    feature = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(("missing", "unseen", "not_a_number")))
    value = ma.fields.String(required=True, allow_none=True)
    sentence = ma.fields.String(required=True)


class PredictionSchema(ma.Schema):
    """A score made on the spot; nothing is stored. `base` plus all contributions is `margin`, in log-odds."""

    user_id = ma.fields.String(metadata={"description": "Only when a customer was asked for"})
    churn_probability = ma.fields.Float(required=True, allow_none=True, validate=ma.validate.Range(min=0, max=1))
    risk_percentile = ma.fields.Float(required=True, validate=ma.validate.Range(min=0, max=1))
    confidence = ma.fields.Float(required=True, validate=ma.validate.Range(min=0, max=1))
    interval = ma.fields.List(ma.fields.Float(), required=True, metadata={"description": "Venn-Abers [p0, p1]"})
    risk_band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))
    predicted = ma.fields.Boolean(required=True)
    margin = ma.fields.Float(required=True)
    base = ma.fields.Float(required=True)
    reasons = ma.fields.List(ma.fields.Nested(ReasonSchema), required=True)
    notices = ma.fields.List(ma.fields.Nested(NoticeSchema), required=True)
    statement = ma.fields.String(required=True)
    model_version = ma.fields.Integer(required=True)


class ItemErrorSchema(ma.Schema):
    """Why one item of a batch could not be scored."""

    code = ma.fields.String(required=True)
    message = ma.fields.String(required=True)
    fields = ma.fields.Dict(  # type: ignore[assignment]
        keys=ma.fields.String(), values=ma.fields.List(ma.fields.String()), required=True
    )


class BatchItemSchema(ma.Schema):
    """The answer to one item: a score or an error, never both."""

    index = ma.fields.Integer(required=True)
    score = ma.fields.Nested(PredictionSchema, required=True, allow_none=True)
    error = ma.fields.Nested(ItemErrorSchema, required=True, allow_none=True)


class BatchAnswerSchema(ma.Schema):
    """Answers in the order of the items."""

    items = ma.fields.List(ma.fields.Nested(BatchItemSchema), required=True)
    scored = ma.fields.Integer(required=True)
    failed = ma.fields.Integer(required=True)


class GenerateSchema(ma.Schema):
    """Whom to score: all customers that have not left, or those named."""

    scope = ma.fields.String(validate=ma.validate.Equal("all"))
    customer_ids = ma.fields.List(
        text_field(200, 1),
        validate=ma.validate.Length(min=1, max=MAX_IDS),
        metadata={"description": "The owner's own identifiers (user_id)"},
    )

    @ma.validates_schema
    def check_either(self, data: dict[str, Any], **_: object) -> None:
        """Refuse both and neither."""
        if ("scope" in data) == ("customer_ids" in data):
            raise ma.ValidationError('Give either "scope": "all" or customer_ids.', "scope")


class ResultQuerySchema(ScoreFilterSchema):
    """Filters of the list of scores in force."""

    model_version = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=LARGEST_ID))


class ResultSchema(ScoreFieldsSchema):
    """The score in force of one customer."""

    user_id = ma.fields.String(required=True)


class ResultListSchema(ListSchema):
    """One page of scores, those most at risk first."""

    items = ma.fields.List(ma.fields.Nested(ResultSchema), required=True)


class ContributionSchema(ma.Schema):
    """What one feature added to the margin, in log-odds."""

    feature = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    value = ma.fields.Raw(required=True, allow_none=True)
    contribution = ma.fields.Float(required=True)


class ExplanationSchema(ScoreFieldsSchema):
    """Why a score is what it is. `exact` tells that the recomputed margin is the stored one."""

    base = ma.fields.Float(required=True)
    contributions = ma.fields.List(ma.fields.Nested(ContributionSchema), required=True)
    exact = ma.fields.Boolean(required=True)
    notices = ma.fields.List(ma.fields.Nested(NoticeSchema), required=True)
    statement = ma.fields.String(required=True)
    model_kind = ma.fields.String(required=True)
    calibrated = ma.fields.Boolean(required=True)


class HistoryItemSchema(ma.Schema):
    """One score on record, with the probability that its own model gave it."""

    run_id = id_field(required=True)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    data_as_of = ma.fields.String(required=True, metadata=MOMENT)
    margin = ma.fields.Float(required=True)
    churn_probability = ma.fields.Float(required=True, allow_none=True)
    model_version = ma.fields.Integer(required=True)
    role = ma.fields.String(required=True)


class HistorySchema(ma.Schema):
    """Scores of one customer, newest first."""

    items = ma.fields.List(ma.fields.Nested(HistoryItemSchema), required=True)
