"""Shapes of models: status, training, versions and their figures."""

from __future__ import annotations

import marshmallow as ma

from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.customers import DefinitionInShortSchema
from retainstream.schemas.jobs import JobSchema
from retainstream.schemas.paging import MOMENT, ListSchema, TrueOrFalse, id_field, text_field


class VerdictSchema(Schema):
    """What was said of a training: `message` for people, `code` for programs, `needs` with the figures behind it."""

    ok = ma.fields.Boolean(required=True)
    code = ma.fields.String(required=True)
    message = ma.fields.String(required=True)
    needs = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Float(), required=True)


class TrainSchema(Schema):
    """How to train; everything may be left out."""

    seed = ma.fields.Integer(strict=True, validate=ma.validate.Range(min=0, max=2**31 - 1))
    trials = ma.fields.Integer(strict=True, validate=ma.validate.Range(min=1, max=500))
    promote = ma.fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "Put the model into service when it may be served; true when left out"},
    )
    score = ma.fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "Score everybody afterwards; true when left out"}
    )
    exclude = ma.fields.List(  # type: ignore[assignment]
        text_field(300, 1),
        validate=ma.validate.Length(max=2_000),
        metadata={"description": "Features to leave out, by name or title"},
    )
    definition_id = id_field(metadata={"description": "A churn definition; the one in force by default"})
    as_of = MomentField(
        metadata={
            "description": "Train with what was known before this day; by default all of it. Not for a labelled column"
        }
    )
    keep = ma.fields.List(
        text_field(300, 1),
        validate=ma.validate.Length(max=2_000),
        metadata={"description": "Suspicious features that a person decided to keep, by name or title"},
    )
    every_days = ma.fields.Integer(
        strict=True,
        validate=ma.validate.Range(min=7, max=90),
        metadata={"description": "Days between observation dates; 30 when left out"},
    )
    ignore_silent_feeds = TrueOrFalse(metadata={"description": "Train although a feed went silent"})


class VersionSchema(Schema):
    """One line about a model version."""

    id = ma.fields.Integer(required=True)
    kind = ma.fields.String(
        required=True,
        metadata={
            "description": "snapshot (not forward-looking), forward, or simple_rule (too little history for a model)"
        },
    )
    as_of = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={**MOMENT, "description": "Nothing that was known later was used; null for a snapshot"},
    )
    champion = ma.fields.Boolean(required=True, metadata={"description": "In service"})
    servable = ma.fields.Boolean(required=True)
    verdict = ma.fields.Nested(VerdictSchema, required=True)
    calibrated = ma.fields.Boolean(required=True)
    aborted = ma.fields.Boolean(required=True)
    trained_at = ma.fields.String(required=True, metadata=MOMENT)
    n = ma.fields.Integer(required=True, allow_none=True)
    n_churned = ma.fields.Integer(required=True, allow_none=True)
    auc = ma.fields.Float(required=True, allow_none=True)
    auc_interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    seed = ma.fields.Integer(required=True)


class VersionListSchema(ListSchema):
    """One page of versions, newest first."""

    items = ma.fields.List(ma.fields.Nested(VersionSchema), required=True)


class FigureSchema(Schema):
    """A figure with its 95% interval (99% for calibration_slope and calibration_intercept) and the number of rows behind it."""

    value = ma.fields.Float(required=True, allow_none=True)
    low = ma.fields.Float(required=True, allow_none=True)
    high = ma.fields.Float(required=True, allow_none=True)
    n = ma.fields.Integer(required=True)


class ImportantFeatureSchema(Schema):
    """A feature as the model and a reader know it."""

    name = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, allow_none=True)
    wording_up = ma.fields.String(required=True, allow_none=True)
    wording_down = ma.fields.String(required=True, allow_none=True)
    actionable = ma.fields.Boolean(required=True)
    sensitive = ma.fields.Boolean(required=True)
    recipe = ma.fields.Dict(
        keys=ma.fields.String(), metadata={"description": "How it is made from history; absent for an imported column"}
    )


class ImportanceSchema(Schema):
    """Mean absolute contribution of a feature to the margin (log-odds), and its share of all features' sum."""

    feature = ma.fields.String(required=True)
    value = ma.fields.Float(required=True)
    share = ma.fields.Float(required=True)
    rank = ma.fields.Integer(required=True)


class ArtifactSchema(Schema):
    """The stored bytes of a version."""

    sha256 = ma.fields.String(required=True)
    bytes = ma.fields.Integer(required=True, allow_none=True)


class AliasMoveSchema(Schema):
    """When an alias came to a version, and why."""

    alias = ma.fields.String(required=True)
    moved_at = ma.fields.String(required=True, metadata=MOMENT)
    moved_by = ma.fields.Integer(required=True, allow_none=True)
    reason = ma.fields.String(required=True)


def figures_field() -> ma.fields.Dict:
    """Return a field of {subject: {figure: value with interval}}; the model itself is the subject `xgboost`."""
    inner = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Nested(FigureSchema))
    return ma.fields.Dict(keys=ma.fields.String(), values=inner, required=True)


class CardSchema(VersionSchema):
    """Everything about one version."""

    definition_id = ma.fields.Integer(required=True)
    definition = ma.fields.Nested(DefinitionInShortSchema, required=True)
    test_openings = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Models judged on this test window, this one among them; many make it less fair"},
    )
    trained_by = ma.fields.String(required=True, allow_none=True)
    job_id = ma.fields.Integer(required=True, allow_none=True)
    data_window = ma.fields.Dict(keys=ma.fields.String(), required=True)
    parameters = ma.fields.Dict(keys=ma.fields.String(), required=True)
    libraries = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(), required=True)
    feature_hash = ma.fields.String(required=True)
    features = ma.fields.List(ma.fields.Nested(ImportantFeatureSchema), required=True)
    metrics = figures_field()
    importance = ma.fields.List(ma.fields.Nested(ImportanceSchema), required=True)
    report = ma.fields.Dict(keys=ma.fields.String(), required=True)
    artifact = ma.fields.Nested(ArtifactSchema, required=True, allow_none=True)
    moves = ma.fields.List(ma.fields.Nested(AliasMoveSchema), required=True)


class ChampionSchema(Schema):
    """The version in service."""

    version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    as_of = ma.fields.String(required=True, allow_none=True, metadata=MOMENT)
    trained_at = ma.fields.String(required=True, metadata=MOMENT)
    in_service_since = ma.fields.String(required=True, metadata=MOMENT)
    n = ma.fields.Integer(required=True, allow_none=True)
    auc = ma.fields.Float(required=True, allow_none=True)
    auc_interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    calibrated = ma.fields.Boolean(required=True)


class StatusSchema(Schema):
    """Where things stand: the model in service, what became of the last training, and what is running."""

    message = ma.fields.String(required=True, metadata={"description": "One sentence for people"})
    champion = ma.fields.Nested(ChampionSchema, required=True, allow_none=True)
    last_training = ma.fields.Nested(VersionSchema, required=True, allow_none=True)
    job = ma.fields.Nested(
        JobSchema,
        required=True,
        allow_none=True,
        metadata={"description": "The training or scoring that is queued or running"},
    )


class FeatureImportanceSchema(ImportantFeatureSchema):
    """A feature of the model in service with its importance; null where it was not measured."""

    importance = ma.fields.Float(required=True, allow_none=True)
    share = ma.fields.Float(required=True, allow_none=True)
    rank = ma.fields.Integer(required=True, allow_none=True)


class FeatureListSchema(Schema):
    """The features of the model in service, the most important first."""

    model_version = ma.fields.Integer(required=True)
    feature_hash = ma.fields.String(required=True)
    items = ma.fields.List(ma.fields.Nested(FeatureImportanceSchema), required=True)


class ModelMetricsSchema(Schema):
    """The figures of the model in service: out of fold for a snapshot, on a later test window for a model that looks ahead."""

    model_version = ma.fields.Integer(required=True)
    n = ma.fields.Integer(required=True, allow_none=True)
    base_rate = ma.fields.Float(required=True, allow_none=True)
    threshold = ma.fields.Float(required=True, allow_none=True)
    metrics = figures_field()
    rivals = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()), required=True)
    calibration = ma.fields.Dict(keys=ma.fields.String(), required=True)
    calibration_curve = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()), required=True)
    gains = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()), required=True)
    giveaways = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()), required=True)
    auc_without_giveaways = ma.fields.Float(required=True, allow_none=True)
    venn_abers = ma.fields.Dict(keys=ma.fields.String(), required=True)
    notes = ma.fields.List(ma.fields.String(), required=True)
    forward = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={
            "description": "Windows, stability by date, capacities and random-split figures; null for a snapshot"
        },
    )


class MovedSchema(Schema):
    """What is in service now, and the scoring that follows."""

    model_version = ma.fields.Integer(required=True)
    changed = ma.fields.Boolean(required=True)
    score_job = ma.fields.Integer(required=True, allow_none=True)
