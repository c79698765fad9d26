"""Long work and its timetable."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Float, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class JobRun(Base):
    """One run of one job: claimed once, leased, and numbered, so that a taken-over run cannot commit any more."""

    __tablename__ = "job_runs"
    __table_args__ = (
        CheckConstraint("state IN ('queued','running','succeeded','failed','cancelled')", name="state"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        Index("ix_job_runs_state_id", "state", "id"),
        Index("ix_job_runs_kind_id", "kind", "id"),
        Index("uq_job_runs_open_dedupe", "dedupe_key", unique=True, sqlite_where=text("state IN ('queued','running')")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    payload: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    dedupe_key: Mapped[str | None] = mapped_column(String(120))
    phase: Mapped[str] = mapped_column(String(100), default="waiting")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    generation: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    heartbeat_at: Mapped[int | None] = mapped_column(BigInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    result: Mapped[dict[str, object] | None] = mapped_column(JSON)
    error: Mapped[dict[str, object] | None] = mapped_column(JSON)
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)


class Schedule(Base):
    """When a kind of job is queued by itself: every day at a local time."""

    __tablename__ = "schedules"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[str] = mapped_column(String(5))
    payload: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    last_queued_at: Mapped[int | None] = mapped_column(BigInteger)
