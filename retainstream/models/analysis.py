"""Derived figures of each customer, dated: every one names the run that made it, and a run its as-of and what it was made from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Float, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base

ANALYSES = ("material", "rfm", "health", "lifetime")


class AnalysisRun(Base):
    """One making of a derived figure for everybody. It counts once `complete`; the newest complete run of a kind is the one in force.

    `inputs` says what it was made from (definitions, parameters, cuts), `summary` what came out and what judged it.
    """

    __tablename__ = "analysis_runs"
    __table_args__ = (
        CheckConstraint("kind IN ('material','rfm','health','lifetime')", name="kind"),
        CheckConstraint("state IN ('running','complete','abandoned')", name="state"),
        Index("ix_analysis_runs_kind_state", "kind", "state", "id"),
        Index("ix_analysis_runs_kind_as_of", "kind", "as_of"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    as_of: Mapped[int] = mapped_column(BigInteger)
    data_as_of: Mapped[int] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(default=0)
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    made_at: Mapped[int] = mapped_column(BigInteger)
    job_id: Mapped[int | None]


class RfmScore(Base):
    """Recency, frequency and monetary value of one customer in a run, each with its fifth (1 to 5), and the name that follows from them."""

    __tablename__ = "rfm_scores"
    __table_args__ = (
        Index("ix_rfm_scores_name", "run_id", "name", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(
        ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    recency_days: Mapped[float] = mapped_column(Float)
    frequency: Mapped[int] = mapped_column(BigInteger)
    monetary_minor: Mapped[int | None] = mapped_column(BigInteger)
    r: Mapped[int]
    f: Mapped[int]
    m: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(24))


class HealthScheme(Base):
    """Which parts make the health score of whom, with what weights. Immutable: an edit is a new row, and the older one is retired.

    `segment_id` empty means everybody whom no other scheme covers. `parts` is a list of `{"key", "weight", ...}`; weights sum to 100.
    """

    __tablename__ = "health_schemes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id", ondelete="SET NULL"))
    parts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    bands: Mapped[list[float]] = mapped_column(JSON)
    proposed: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    retired_at: Mapped[int | None] = mapped_column(BigInteger)


class HealthScore(Base):
    """Health of one customer in a run, 0 (bad) to 100; `confidence` falls with the weight of missing parts. `parts` is JSON: key -> part's score."""

    __tablename__ = "health_scores"
    __table_args__ = (
        CheckConstraint("score IS NULL OR (score >= 0 AND score <= 100)", name="score"),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
        Index("ix_health_scores_band", "run_id", "band", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(
        ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    scheme_id: Mapped[int] = mapped_column(ForeignKey("health_schemes.id"))
    score: Mapped[float | None] = mapped_column(Float)
    confidence: Mapped[float] = mapped_column(Float)
    band: Mapped[str | None] = mapped_column(String(8))
    parts: Mapped[dict[str, Any]] = mapped_column(JSON)


class LifetimeValue(Base):
    """What one customer is expected to bring over the run's stated period, discounted, in minor units, with an interval.

    `alive` is the probability that a shop's customer will ever buy again, or that a subscriber is still there at the end of the period;
    `purchases` the expected purchases (or months paid) in it.
    """

    __tablename__ = "lifetime_values"
    __table_args__ = (
        Index("ix_lifetime_values_value", "run_id", "value_minor", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(
        ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    value_minor: Mapped[int] = mapped_column(BigInteger)
    low_minor: Mapped[int | None] = mapped_column(BigInteger)
    high_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    alive: Mapped[float | None] = mapped_column(Float)
    purchases: Mapped[float | None] = mapped_column(Float)


class ClosedMonth(Base):
    """A month of the books: its figures as they were when somebody closed it. `period` is 12 x year + month - 1."""

    __tablename__ = "closed_months"
    __table_args__ = (UniqueConstraint("period", "currency"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    period: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    closed_at: Mapped[int] = mapped_column(BigInteger)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


class MonthCorrection(Base):
    """What later data changed in a closed month: one figure, before and after (minor units or counts), when that was found, and why."""

    __tablename__ = "month_corrections"
    __table_args__ = (
        Index("ix_month_corrections_month", "closed_month_id", "found_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    closed_month_id: Mapped[int] = mapped_column(ForeignKey("closed_months.id", ondelete="CASCADE"))
    found_at: Mapped[int] = mapped_column(BigInteger)
    figure: Mapped[str] = mapped_column(String(24))
    before: Mapped[int] = mapped_column(BigInteger)
    after: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(300))
