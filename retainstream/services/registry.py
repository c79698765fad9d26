"""Owns model artifacts: stores immutable versions, loads them with their hash verified, and moves the dated aliases.

Training a model and scoring with one live elsewhere, and so does telling people about versions (`services.model_card`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.db import read_unit
from retainstream.errors import Conflict, NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.ml.features import FeatureSpec, feature_set_hash
from retainstream.models import (
    AliasMove,
    FeatureImportance,
    FeatureSet,
    JobRun,
    ModelArtifact,
    ModelMetric,
    ModelVersion,
)
from retainstream.security.actor import Actor
from retainstream.services import audit, revisions

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor, TrainingReport

CHAMPION = "champion"
SNAPSHOT, FORWARD, SIMPLE_RULE = "snapshot", "forward", "simple_rule"
MODEL = "xgboost"
"""The subject of the served model's own figures; the rivals' subjects are their names."""
NO_MODEL = "There is no model in service yet: train one first."


@dataclass(frozen=True)
class Version:
    """A version that can be loaded, without its bytes. `trained_at` and `as_of` are microseconds UTC; a snapshot has no `as_of`."""

    version_id: int
    sha256: str
    kind: str
    calibrated: bool
    definition_id: int
    feature_set_id: int
    trained_at: int
    as_of: int | None

    @property
    def forward(self) -> bool:
        """Whether it looks ahead from an as-of time; a snapshot does not."""
        return self.kind != SNAPSHOT


@dataclass(frozen=True)
class Champion(Version):
    """The version in service. `since` is microseconds UTC."""

    since: int


_loaded: Kept[ChurnPredictor] = Kept(2)
"""By hash: two callers never parse the same bytes."""


def champion(session: Session) -> Champion | None:
    """Return the version in service, or None."""
    newest = (
        select(AliasMove.id).where(AliasMove.alias == CHAMPION).order_by(AliasMove.id.desc()).limit(1).scalar_subquery()
    )
    query = (
        select(*_version_columns(), AliasMove.moved_at)
        .join(AliasMove, AliasMove.model_version_id == ModelVersion.id)
        .where(AliasMove.id == newest)
    )
    row = session.execute(query).first()
    return None if row is None or row[1] is None else Champion(*list(row))


def _version_columns() -> tuple[InstrumentedAttribute[Any], ...]:
    found = ModelVersion
    return (
        found.id, found.artifact_sha256, found.kind, found.calibrated, found.definition_id, found.feature_set_id,
        found.trained_at, found.as_of,
    )  # fmt: skip


def loadable(session: Session, version_id: int) -> Version:
    """Return a version that can be loaded, in service or not.

    Raises
    ------
    NotFound
        When there is no such version.
    Conflict
        When it was refused after its training.
    """
    row = session.execute(select(*_version_columns()).where(ModelVersion.id == version_id)).first()
    if row is None:
        raise NotFound(f"There is no model version {version_id}.")
    if row[1] is None:
        raise Conflict(f"Model version {version_id} was refused after its training, so there is nothing to load.")
    return Version(*row)


def feature_hash_of(session: Session, feature_set_id: int) -> str:
    """Return the hash of a feature set."""
    return session.scalar(select(FeatureSet.sha256).where(FeatureSet.id == feature_set_id)) or ""


def auc_of(session: Session, version_id: int) -> ModelMetric | None:
    """Return a version's own AUC with its interval, or None where it was not measured."""
    query = select(ModelMetric).where(ModelMetric.model_version_id == version_id)
    return session.scalar(query.where(ModelMetric.subject == MODEL, ModelMetric.name == "auc"))


def required_champion(session: Session) -> Champion:
    """Return the version in service; raises NotReady when there is none."""
    found = champion(session)
    if found is None:
        raise NotReady(NO_MODEL)
    return found


def load(session: Session, version_id: int, sha256: str | None = None) -> ChurnPredictor:
    """Return a version's predictor, its bytes verified against the hash on record before anything in them is read.

    Raises
    ------
    NotFound
        When there is no such version.
    Conflict
        When the version was refused at training, so that it has no bytes, or its bytes are damaged.
    """
    expected = sha256 or session.scalar(select(ModelVersion.artifact_sha256).where(ModelVersion.id == version_id))
    if expected is None:
        required_version(session, version_id)
        raise Conflict(f"Model version {version_id} was refused after its training, so there is nothing to load.")
    return _loaded.of(expected, lambda: _parse(session, version_id, expected))


def _parse(session: Session, version_id: int, expected: str) -> ChurnPredictor:
    from retainstream.ml import ChurnPredictor
    from retainstream.ml.artifact import ArtifactError

    data = session.scalar(select(ModelArtifact.data).where(ModelArtifact.model_version_id == version_id))
    if data is None:
        raise Conflict(f"The bytes of model version {version_id} are missing from the database.")
    try:
        return ChurnPredictor.from_artifact(data, expected)
    except ArtifactError as damaged:
        raise Conflict(f"Model version {version_id} cannot be loaded: {damaged}") from damaged


def warm() -> bool:
    """Load the champion into this process, so that the first prediction need not wait; tell whether there is one.

    A row without values is scored too, which makes what the model makes at its first row. Needs an application context,
    and no open unit of work.
    """
    with read_unit() as session:
        found = champion(session)
        predictor = None if found is None else load(session, found.version_id, found.sha256)
    if predictor is None:
        return False
    predictor.score_one({})
    return True


def forget_loaded() -> None:
    """Drop the models that this process holds, for tests and before measuring memory."""
    _loaded.clear()


def required_version(session: Session, version_id: int) -> ModelVersion:
    """Return a version's row; raises NotFound."""
    version = session.get(ModelVersion, version_id)
    if version is None:
        raise NotFound(f"There is no model version {version_id}.")
    return version


def version_of_job(session: Session, job_id: int) -> ModelVersion | None:
    """Return the version that an earlier attempt at this very job recorded."""
    queued_at = session.scalar(select(JobRun.created_at).where(JobRun.id == job_id)) or 0
    return session.scalar(
        select(ModelVersion).where(ModelVersion.job_id == job_id, ModelVersion.trained_at >= queued_at)
    )


def store_feature_set(session: Session, features: tuple[FeatureSpec, ...]) -> FeatureSet:
    """Return the row of a feature set, made on first use; the same features in the same order share one."""
    sha256 = feature_set_hash(features)
    found = session.scalar(select(FeatureSet).where(FeatureSet.sha256 == sha256))
    if found is None:
        found = FeatureSet(sha256=sha256, features=[spec.to_dict() for spec in features], created_at=clock.now_us())
        session.add(found)
        session.flush()
    return found


def store(session: Session, version: ModelVersion, artifact: bytes | None) -> ModelVersion:
    """Add a version, with its bytes when it may be served. The row never changes afterwards."""
    session.add(version)
    session.flush()
    if artifact is not None:
        assert version.artifact_sha256 is not None
        session.add(ModelArtifact(model_version_id=version.id, sha256=version.artifact_sha256, data=artifact))
        session.flush()
    revisions.bump(session, "model")
    return version


def write_figures(session: Session, version_id: int, report: TrainingReport) -> None:
    """Spread a report's figures over rows, so that trends and lists need not open reports; a figure that is NaN is empty."""
    plain = report.to_dict()
    rows = [_figure(version_id, MODEL, name, estimate, report.n) for name, estimate in plain["metrics"].items()]
    rows.append(_figure(version_id, MODEL, "empc", {"value": plain["empc"]}, report.n))
    for rival in plain["rivals"]:
        names = ("auc", "log_loss", "auc_difference", "log_loss_difference")
        rows += [_figure(version_id, rival["name"], name, rival[name], rival["rows"]) for name in names]
    session.add_all(rows)
    session.add_all(
        FeatureImportance(
            model_version_id=version_id, feature_name=item.feature, shap_value=item.value, share=item.share, rank=rank
        )
        for rank, item in enumerate(report.importance, start=1)
    )


def _figure(version_id: int, subject: str, name: str, estimate: dict[str, float | None], n: int) -> ModelMetric:
    return ModelMetric(
        model_version_id=version_id,
        subject=subject,
        name=name,
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        n=n,
    )


def promote(session: Session, actor: Actor, version_id: int, reason: str = "promoted by hand") -> bool:
    """Put a version into service by a dated move; tell whether anything changed (it may be in service already).

    Raises
    ------
    NotFound
        When there is no such version.
    Conflict
        When the version was refused after its training.
    """
    version = required_version(session, version_id)
    if not version.servable or version.artifact_sha256 is None:
        raise Conflict(
            f"Model version {version_id} was refused after its training and cannot be put into service: {verdict_sentence(version)}"
        )
    current = champion(session)
    if current is not None and current.version_id == version_id:
        return False
    session.add(
        AliasMove(
            alias=CHAMPION,
            model_version_id=version_id,
            moved_at=clock.now_us(),
            moved_by=actor.user_id,
            reason=reason[:200],
        )
    )
    audit.record(session, actor, "model.promote", "model_version", version_id)
    revisions.bump(session, "model")
    session.flush()
    return True


def previous(session: Session, current: Champion) -> int | None:
    """Return the version that was in service before the present one and may still be served; None without one."""
    query = (
        select(AliasMove.model_version_id)
        .join(ModelVersion, ModelVersion.id == AliasMove.model_version_id)
        .where(AliasMove.alias == CHAMPION, AliasMove.model_version_id != current.version_id, ModelVersion.servable)
        .order_by(AliasMove.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def rollback(session: Session, actor: Actor) -> int:
    """Put the version back that was in service before the present one, and return its id; raises Conflict when there is none."""
    current = champion(session)
    before = None if current is None else previous(session, current)
    if current is None or before is None:
        raise Conflict("There is no earlier model to go back to.")
    promote(session, actor, before, f"rolled back from version {current.version_id}")
    return before


def verdict_sentence(version: ModelVersion) -> str:
    """Return what was said of a version when it was judged."""
    return str(version.verdict.get("message", ""))
