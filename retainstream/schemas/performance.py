"""Shapes of how scores turned out, run by run, and of one customer's scores over time with what moved them."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import Schema
from retainstream.schemas.customers import RISK_WORDS, DefinitionInShortSchema
from retainstream.schemas.paging import LARGEST_ID, MOMENT, ListSchema, PageQuerySchema, id_field

STATES = ("judged", "due", "open", "not_kept")
OUTCOMES = ("stayed", "left", "left_within_lead")
ROLES = ("champion", "replay")
LOG_ODDS = {"description": "In log-odds"}


class PerformanceQuerySchema(PageQuerySchema):
    """Which runs to list."""

    model_version = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=LARGEST_ID))
    role = ma.fields.String(load_default=None, validate=ma.validate.OneOf(ROLES))


class EstimateSchema(Schema):
    """A figure with its 95% interval; an estimate made of probabilities alone has none."""

    value = ma.fields.Float(required=True, allow_none=True)
    low = ma.fields.Float(required=True, allow_none=True)
    high = ma.fields.Float(required=True, allow_none=True)


class CaughtSchema(Schema):
    """Leavers among the `reached` customers with the highest scores; the capacities are those of `promised`."""

    share_reached = ma.fields.Float(required=True)
    reached = ma.fields.Integer(required=True)
    churners = ma.fields.Float(required=True)
    share_of_churners = ma.fields.Float(required=True, allow_none=True)
    lift = ma.fields.Float(required=True, allow_none=True)


class PromisedCaughtSchema(Schema):
    """What reaching a share of the customers found in the model's test window; `reached` is that share of the run's customers."""

    share_reached = ma.fields.Float(required=True)
    reached = ma.fields.Integer(required=True)
    share_of_churners = ma.fields.Nested(EstimateSchema, required=True)
    lift = ma.fields.Nested(EstimateSchema, required=True)


def _metrics() -> ma.fields.Dict:
    return ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Nested(EstimateSchema),
        required=True,
        metadata={
            "description": "auc, pr_auc, top_decile_lift; and log_loss, brier, ece, calibration_slope and calibration_intercept"
            " where the model's probabilities are shown"
        },
    )


class PromisedSchema(Schema):
    """What the model's own test window promised."""

    n = ma.fields.Integer(required=True)
    observed_share = ma.fields.Float(required=True, allow_none=True)
    metrics = _metrics()
    caught = ma.fields.List(ma.fields.Nested(PromisedCaughtSchema), required=True)


class FiguresSchema(Schema):
    """How a run did, or what its probabilities promise of themselves: `estimated` tells which."""

    estimated = ma.fields.Boolean(required=True)
    n = ma.fields.Integer(required=True)
    churners = ma.fields.Float(required=True, metadata={"description": "Who left; expected, when estimated"})
    mean_probability = ma.fields.Float(required=True, allow_none=True)
    observed_share = ma.fields.Float(required=True, allow_none=True)
    metrics = _metrics()
    caught = ma.fields.List(ma.fields.Nested(CaughtSchema), required=True)


class UntreatedSchema(Schema):
    """How a run did among customers on whom nobody acted."""

    n = ma.fields.Integer(required=True)
    churners = ma.fields.Float(required=True)
    mean_probability = ma.fields.Float(required=True, allow_none=True)
    observed_share = ma.fields.Float(required=True, allow_none=True)
    metrics = _metrics()


class RealisedSchema(FiguresSchema):
    """How a run did by what was known at `data_end`; judged once."""

    left_out = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Integer(),
        required=True,
        metadata={"description": "Customers of the run that the figures leave out, by the reason"},
    )
    other_reason = ma.fields.Integer(required=True)
    treated = ma.fields.Integer(
        required=True,
        metadata={
            "description": "Customers of the run who were treated between its day and the close of its window; the figures include them"
        },
    )
    untreated = ma.fields.Nested(
        UntreatedSchema,
        required=True,
        allow_none=True,
        metadata={"description": "The figures without those who were treated; null where nobody was"},
    )
    data_end = ma.fields.String(required=True, metadata=MOMENT)
    judged_at = ma.fields.String(required=True, metadata=MOMENT)


class WindowSchema(Schema):
    """When leaving counts, and when what happened is known for certain."""

    opens_at = ma.fields.String(required=True, metadata=MOMENT)
    ends_at = ma.fields.String(required=True, metadata=MOMENT)
    closes_at = ma.fields.String(required=True, metadata=MOMENT)


class RunPerformanceSchema(Schema):
    """One run: promised beside realised, or beside an estimate until its window has closed."""

    run_id = id_field(required=True)
    role = ma.fields.String(required=True, validate=ma.validate.OneOf(ROLES))
    model_version = id_field(required=True)
    kind = ma.fields.String(required=True)
    calibrated = ma.fields.Boolean(required=True)
    definition = ma.fields.Nested(DefinitionInShortSchema, required=True)
    hindsight = ma.fields.Boolean(required=True, metadata={"description": "The model knew of later days than as_of"})
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    n_scored = ma.fields.Integer(required=True)
    window = ma.fields.Nested(WindowSchema, required=True)
    state = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(STATES),
        metadata={
            "description": "judged; due: closed, and judged by the next judging; open; not_kept: its scores were removed unjudged"
        },
    )
    promised = ma.fields.Nested(PromisedSchema, required=True)
    realised = ma.fields.Nested(RealisedSchema, required=True, allow_none=True)
    estimated = ma.fields.Nested(FiguresSchema, required=True, allow_none=True)


class PerformanceSummarySchema(Schema):
    """All judged runs of the champions together, or of replays where there are no others; `message` says which, and why.

    Means count each run by its customers.
    """

    role = ma.fields.String(required=True, allow_none=True)
    runs = ma.fields.Integer(required=True)
    first_as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    last_as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    customers = ma.fields.Integer(required=True)
    churners = ma.fields.Float(required=True)
    promised_auc = ma.fields.Float(required=True, allow_none=True)
    realised_auc = ma.fields.Float(required=True, allow_none=True)
    mean_probability = ma.fields.Float(required=True, allow_none=True)
    observed_share = ma.fields.Float(required=True, allow_none=True)
    message = ma.fields.String(required=True, allow_none=True)


class PerformanceSchema(ListSchema):
    """One page of runs, newest first, and a summary of all that the filters leave."""

    items = ma.fields.List(ma.fields.Nested(RunPerformanceSchema), required=True)
    summary = ma.fields.Nested(PerformanceSummarySchema, required=True)


class OutcomeSchema(Schema):
    """What became of a customer in the window of a run."""

    state = ma.fields.String(required=True, validate=ma.validate.OneOf(OUTCOMES))
    left_at = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            **MOMENT,
            "description": "When the customer left, in the window or later; null while that is not known",
        },
    )


class PartsSchema(Schema):
    """A change and its parts, in this order: what changed about the customer, the model, its calibration. They add up to `total`.

    `unexplained` is what is left when the past was changed since (an import undone, a late correction), so that what was scored cannot be
    rebuilt as it was.
    """

    total = ma.fields.Float(required=True)
    features = ma.fields.Float(required=True)
    model = ma.fields.Float(required=True)
    calibration = ma.fields.Float(required=True)
    unexplained = ma.fields.Float(required=True)


class FeatureMoveSchema(Schema):
    """One feature's share in the features' part on the margin."""

    feature = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    before = ma.fields.Raw(required=True, allow_none=True)
    after = ma.fields.Raw(required=True, allow_none=True)
    margin = ma.fields.Float(required=True, metadata=LOG_ODDS)
    sentence = ma.fields.String(required=True)


class ScoreMoveSchema(Schema):
    """Why a score is another one than the one before. `features` and `other_features` add up to `margin.features`."""

    from_run_id = id_field(required=True)
    from_as_of = ma.fields.String(required=True, metadata=MOMENT)
    from_model_version = id_field(required=True)
    probability = ma.fields.Nested(
        PartsSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Null where either model's probabilities are withheld"},
    )
    margin = ma.fields.Nested(PartsSchema, required=True, metadata=LOG_ODDS)
    features = ma.fields.List(ma.fields.Nested(FeatureMoveSchema), required=True)
    other_features = ma.fields.Float(required=True, metadata=LOG_ODDS)


class HistoryItemSchema(Schema):
    """One score on record, with the probability that its own model gave it; the band is by the preferences in force."""

    run_id = id_field(required=True)
    scored_at = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    as_of = ma.fields.String(required=True, metadata=MOMENT)
    data_as_of = ma.fields.String(required=True, metadata=MOMENT)
    margin = ma.fields.Float(required=True)
    churn_probability = ma.fields.Float(required=True, allow_none=True)
    risk_band = ma.fields.String(required=True, allow_none=True, validate=ma.validate.OneOf(RISK_WORDS))
    model_version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    definition = ma.fields.Nested(DefinitionInShortSchema, required=True)
    role = ma.fields.String(required=True)
    hindsight = ma.fields.Boolean(
        required=True,
        metadata={
            "description": "A replay by a model that knew of later days than as_of: no score that anybody could have had then"
        },
    )
    outcome = ma.fields.Nested(
        OutcomeSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Null until the run was judged, and where the judgement leaves the customer out"},
    )
    move = ma.fields.Nested(
        ScoreMoveSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "Since the score before under the same definition, both with hindsight or both without; null for the first, for older"
            " ones, and where it cannot be rebuilt"
        },
    )


class HistorySchema(Schema):
    """Scores of one customer, newest first."""

    items = ma.fields.List(ma.fields.Nested(HistoryItemSchema), required=True)
