"""The registry: feature sets, immutable model versions with their bytes and metrics, and the dated moves of aliases."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class FeatureSet(Base):
    """The features that a model reads, in order, with the hash that every model carries."""

    __tablename__ = "feature_sets"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    features: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    created_at: Mapped[int] = mapped_column(BigInteger)


class ModelVersion(Base):
    """A trained model, served or refused. Nothing here changes after the row was written.

    `kind` is snapshot, forward (as-of features, judged on what came after) or simple_rule (one feature, where there is too little for more).
    A forward-looking one used only what was known before `as_of`.
    """

    __tablename__ = "model_versions"
    __table_args__ = (Index("ix_model_versions_trained", "trained_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), default="snapshot")
    definition_id: Mapped[int] = mapped_column(ForeignKey("churn_definitions.id"))
    feature_set_id: Mapped[int] = mapped_column(ForeignKey("feature_sets.id"))
    servable: Mapped[bool] = mapped_column(Boolean)
    verdict: Mapped[dict[str, object]] = mapped_column(JSON)
    parameters: Mapped[dict[str, object]] = mapped_column(JSON)
    report: Mapped[dict[str, object]] = mapped_column(JSON)
    data_window: Mapped[dict[str, object]] = mapped_column(JSON)
    seed: Mapped[int]
    calibrated: Mapped[bool] = mapped_column(Boolean)
    aborted: Mapped[bool] = mapped_column(Boolean, default=False)
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    libraries: Mapped[dict[str, str]] = mapped_column(JSON)
    as_of: Mapped[int | None] = mapped_column(BigInteger)
    trained_at: Mapped[int] = mapped_column(BigInteger)
    trained_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[int | None]


class ModelArtifact(Base):
    """The bytes of a model, apart from its row so that lists stay light."""

    __tablename__ = "model_artifacts"

    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(LargeBinary)


class AliasMove(Base):
    """`champion` or `challenger` moved to a version (or to none) at a time; the newest row of an alias is in force."""

    __tablename__ = "alias_moves"
    __table_args__ = (Index("ix_alias_moves_alias_id", "alias", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(16))
    model_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    moved_at: Mapped[int] = mapped_column(BigInteger)
    moved_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(200))


class ModelMetric(Base):
    """One figure of a version or of one of its rivals, with its interval and n."""

    __tablename__ = "model_metrics"
    __table_args__ = (UniqueConstraint("model_version_id", "subject", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(40))
    value: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    n: Mapped[int]


class FeatureImportance(Base):
    """Mean absolute SHAP value of a feature on the margin, out of fold."""

    __tablename__ = "feature_importance"
    __table_args__ = (UniqueConstraint("model_version_id", "feature_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"))
    feature_name: Mapped[str] = mapped_column(String(120))
    shap_value: Mapped[float] = mapped_column(Float)
    share: Mapped[float] = mapped_column(Float)
    rank: Mapped[int]
