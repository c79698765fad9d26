"""Shapes of scores: the list in force, predictions on the spot, replays and explanations. What became of scores is `schemas.performance`."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.customers import (
    CONFIDENCE,
    INTERVAL,
    RISK_WORDS,
    DefinitionInShortSchema,
    ReasonSchema,
    ScoreFieldsSchema,
    ScoreFilterSchema,
)
from retainstream.schemas.paging import LARGEST_ID, MOMENT, ListSchema, TrueOrFalse, id_field, text_field

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


class PredictionRequestSchema(Schema):
    """Either values by feature, or a customer."""

    features = FeaturesField()
    user_id = text_field(200, 1)

    @ma.validates_schema
    def check_either(self, data: dict[str, Any], **_: object) -> None:
        """Refuse both and neither."""
        if ("features" in data) == ("user_id" in data):
            raise ma.ValidationError("Give either features or a user_id.", "features")


class PredictionBatchSchema(Schema):
    """Up to 1,000 predictions; one that cannot be made does not stop the others, and a wrong item is answered with its error."""

    items = ma.fields.List(
        ma.fields.Dict(keys=ma.fields.String()), required=True, validate=ma.validate.Length(min=1, max=1_000)
    )


class NoticeSchema(Schema):
    """What a reader of one score should know about one value: it was missing, or the model does not know it."""

    feature = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(("missing", "unseen", "not_a_number")))
    value = ma.fields.String(required=True, allow_none=True)
    sentence = ma.fields.String(required=True)


class PredictionSchema(Schema):
    """A score made on the spot; nothing is stored. `base` plus all contributions is `margin`, in log-odds."""

    user_id = ma.fields.String(metadata={"description": "Only when a customer was asked for"})
    churn_probability = ma.fields.Float(required=True, allow_none=True, validate=ma.validate.Range(min=0, max=1))
    risk_percentile = ma.fields.Float(required=True, validate=ma.validate.Range(min=0, max=1))
    confidence = ma.fields.Float(
        required=True, allow_none=True, validate=ma.validate.Range(min=0, max=1), metadata=CONFIDENCE
    )
    interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True, metadata=INTERVAL)
    risk_band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))
    predicted = ma.fields.Boolean(required=True)
    margin = ma.fields.Float(required=True)
    base = ma.fields.Float(required=True)
    reasons = ma.fields.List(ma.fields.Nested(ReasonSchema), required=True)
    notices = ma.fields.List(ma.fields.Nested(NoticeSchema), required=True)
    statement = ma.fields.String(required=True)
    model_version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True, metadata={"description": "snapshot, forward or simple_rule"})
    definition = ma.fields.Nested(DefinitionInShortSchema, required=True)
    as_of = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={**MOMENT, "description": "The day that a customer was looked at; null for values that were given"},
    )
    data_as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)


class ItemErrorSchema(Schema):
    """Why one item of a batch could not be scored."""

    code = ma.fields.String(required=True)
    message = ma.fields.String(required=True)
    fields = ma.fields.Dict(  # type: ignore[assignment]
        keys=ma.fields.String(), values=ma.fields.List(ma.fields.String()), required=True
    )


class BatchItemSchema(Schema):
    """The answer to one item: a score or an error, never both."""

    index = ma.fields.Integer(required=True)
    score = ma.fields.Nested(PredictionSchema, required=True, allow_none=True)
    error = ma.fields.Nested(ItemErrorSchema, required=True, allow_none=True)


class BatchAnswerSchema(Schema):
    """Answers in the order of the items."""

    items = ma.fields.List(ma.fields.Nested(BatchItemSchema), required=True)
    scored = ma.fields.Integer(required=True)
    failed = ma.fields.Integer(required=True)


class GenerateSchema(Schema):
    """Whom to score: all customers that have not left, those named, or who has not left of a segment or a list."""

    scope = ma.fields.String(validate=ma.validate.Equal("all"))
    customer_ids = ma.fields.List(
        text_field(200, 1),
        validate=ma.validate.Length(min=1, max=MAX_IDS),
        metadata={"description": "The owner's own identifiers (user_id)"},
    )
    segment = id_field(metadata={"description": "Id of a segment: whoever it means when the job begins"})
    query = text_field(
        2_000, 1, metadata={"description": "Filters of GET /customers, such as band=high&plan=Basic&segment=3"}
    )

    @ma.validates_schema
    def check_either(self, data: dict[str, Any], **_: object) -> None:
        """Refuse several and none."""
        if len(data) != 1:
            raise ma.ValidationError('Give one of "scope": "all", customer_ids, segment and query.', "scope")


class ModelChoiceField(ma.fields.Field[str | int]):
    """`train` (a model made of what was known that day), `earlier` (the newest version that knew no more), or a version's id."""

    def __init__(self, **options: Any) -> None:
        described = {
            "oneOf": [{"type": "string", "enum": ["train", "earlier"]}, {"type": "integer", "minimum": 1}],
            "description": self.__doc__,
        }
        super().__init__(metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | int:  # noqa: ARG002 - the parent's shape
        if value in ("train", "earlier"):
            return str(value)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ID:
            return value
        raise ma.ValidationError("train, earlier, or the id of a model version")


class ReplaySchema(Schema):
    """Which day to replay, and with which model."""

    as_of = MomentField(
        required=True,
        metadata={"description": "A past day, such as 2026-03-01; only what was known before it began is used"},
    )
    definition_id = id_field(
        metadata={"description": "A churn definition that looks ahead; the one in force by default"}
    )
    model = ModelChoiceField()
    keep_scores = TrueOrFalse(
        metadata={
            "description": "Put the scores into the customers' history; when left out they are, unless the model knew of later days (hindsight)"
        }
    )
    seed = ma.fields.Integer(strict=True, validate=ma.validate.Range(min=0, max=2**31 - 1))
    trials = ma.fields.Integer(strict=True, validate=ma.validate.Range(min=1, max=500))


class ReplayOutcomeSchema(Schema):
    """What became of those who were scored, once the window has closed; until then `open_until` and `message`."""

    closed = ma.fields.Boolean(required=True)
    open_until = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    message = ma.fields.String()
    left_out = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer())
    estimated = ma.fields.Boolean()
    n = ma.fields.Integer()
    churners = ma.fields.Float()
    mean_probability = ma.fields.Float(allow_none=True)
    observed_share = ma.fields.Float(allow_none=True)
    metrics = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Dict(keys=ma.fields.String()))
    caught = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()))


class ReplayedSchema(Schema):
    """One customer near the top of a replayed list; `left` is null while that is not known."""

    user_id = ma.fields.String(required=True)
    margin = ma.fields.Float(required=True)
    churn_probability = ma.fields.Float(required=True, allow_none=True)
    risk_percentile = ma.fields.Float(required=True)
    risk_band = ma.fields.String(required=True, validate=ma.validate.OneOf(RISK_WORDS))
    left = ma.fields.Boolean(required=True, allow_none=True)


class ReplayAnswerSchema(Schema):
    """What a replay found."""

    class Meta:
        """The counts of the run's summary come too."""

        unknown = ma.INCLUDE

    job_id = ma.fields.Integer(required=True)
    run_id = ma.fields.Integer(required=True, allow_none=True)
    model_version = ma.fields.Integer(required=True)
    hindsight = ma.fields.Boolean(
        required=True, metadata={"description": "Whether the model knew of later days than the one that was replayed"}
    )
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    n_scored = ma.fields.Integer(required=True)
    active = ma.fields.Integer(required=True)
    announced = ma.fields.Integer(required=True)
    departed = ma.fields.Integer(required=True, data_key="left")
    outcome = ma.fields.Nested(ReplayOutcomeSchema, required=True)
    top = ma.fields.List(ma.fields.Nested(ReplayedSchema), required=True)


class ResultQuerySchema(ScoreFilterSchema):
    """Filters of the list of scores in force."""

    model_version = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=LARGEST_ID))


class ResultSchema(ScoreFieldsSchema):
    """The score in force of one customer."""

    user_id = ma.fields.String(required=True)


class ResultListSchema(ListSchema):
    """One page of scores, those most at risk first."""

    items = ma.fields.List(ma.fields.Nested(ResultSchema), required=True)


class ContributionSchema(Schema):
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
