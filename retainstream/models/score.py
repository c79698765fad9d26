"""Scores: runs, the latest score of each customer with its reasons, and a narrow append-only history."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class ScoringRun(Base):
    """One pass of a model over customers. Its results count once the state is `complete`.

    `role` is champion for what was in service, replay for what would have been said on a past day. Only the champion's runs write latest scores.
    """

    __tablename__ = "scoring_runs"
    __table_args__ = (
        CheckConstraint("state IN ('running','complete','abandoned')", name="state"),
        Index("ix_scoring_runs_state_id", "state", "id"),
        Index("ix_scoring_runs_model", "model_version_id", "id"),
        Index("ix_scoring_runs_as_of", "as_of"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    role: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(String(16), default="all")
    state: Mapped[str] = mapped_column(String(10))
    as_of: Mapped[int] = mapped_column(BigInteger)
    data_as_of: Mapped[int] = mapped_column(BigInteger)
    definition_id: Mapped[int] = mapped_column(ForeignKey("churn_definitions.id"))
    feature_hash: Mapped[str] = mapped_column(String(64))
    n_scored: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    histograms: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    started_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    job_id: Mapped[int | None]


class LatestScore(Base):
    """The score in force of one customer, by the champion. `probability` is empty when the model is not calibrated.

    `band` is 0 low, 1 medium, 2 high, 3 very high. `reasons` is the compact form that `ml.wording` expands.
    `reason_values` holds, as JSON by feature name, the values that a forward-looking model saw behind its reasons; a snapshot model's are read from
    the attribute version that was scored.
    """

    __tablename__ = "latest_scores"
    __table_args__ = (
        CheckConstraint("probability IS NULL OR (probability >= 0 AND probability <= 1)", name="probability"),
        CheckConstraint("band BETWEEN 0 AND 3", name="band"),
        Index("ix_latest_scores_margin", "margin"),
        Index("ix_latest_scores_band_margin", "band", "margin"),
        Index("ix_latest_scores_run", "run_id"),
    )

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"))
    margin: Mapped[float] = mapped_column(Float)
    probability: Mapped[float | None] = mapped_column(Float)
    p0: Mapped[float] = mapped_column(Float)
    p1: Mapped[float] = mapped_column(Float)
    percentile: Mapped[float] = mapped_column(Float)
    band: Mapped[int]
    predicted: Mapped[bool] = mapped_column(Boolean)
    reasons: Mapped[str] = mapped_column(Text)
    notices: Mapped[str | None] = mapped_column(Text)
    reason_values: Mapped[str | None] = mapped_column(Text)


class ScoreHistory(Base):
    """Margin of a customer in a run; append-only."""

    __tablename__ = "score_history"
    __table_args__ = (Index("ix_score_history_run", "run_id"), {"sqlite_with_rowid": False})

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    margin: Mapped[float] = mapped_column(Float)
    version_id: Mapped[int | None] = mapped_column(BigInteger)
