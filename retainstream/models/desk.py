"""The desk: plays that say what to do, tasks that say for whom and by when, and what people wrote down about customers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base

ACT_KINDS = ("call", "email", "message", "offer", "visit", "other")
OUTCOMES = ("saved", "left", "unreachable", "wrong")


class Play(Base):
    """A named list of steps that is proposed to customers whose strongest reason speaks of one of `features`.

    `steps` is a list of `{"text", "kind"}`. A play that was tried is retired, not deleted: what followed stays countable.
    """

    __tablename__ = "plays"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(500), default="")
    features: Mapped[list[str]] = mapped_column(JSON, default=list)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)
    retired_at: Mapped[int | None] = mapped_column(BigInteger)


class Task(Base):
    """Something to do for one customer. A customer has one open task at most.

    `run_id`, `probability` and `net_gain_minor` are what was known when it was made, and never follow later scores. `steps` is the play's list as it
    was then, each step with when and by whom it was done. A task ends `done`, with an outcome, or `dropped`, without one.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("state IN ('open','done','dropped')", name="state"),
        CheckConstraint("kind IN ('call','email','message','offer','visit','other')", name="kind"),
        CheckConstraint("outcome IS NULL OR outcome IN ('saved','left','unreachable','wrong')", name="outcome"),
        CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", name="outcome_when_done"),
        Index("uq_tasks_open_customer", "customer_id", unique=True, sqlite_where=text("state = 'open'")),
        Index("ix_tasks_customer", "customer_id", "id"),
        Index("ix_tasks_state_due", "state", "due_at"),
        Index("ix_tasks_owner_state", "owner_id", "state"),
        Index("ix_tasks_play", "play_id"),
        Index("ix_tasks_ended", "ended_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(8), default="open")
    kind: Mapped[str] = mapped_column(String(8), default="call")
    source: Mapped[str] = mapped_column(String(16))
    play_id: Mapped[int | None] = mapped_column(ForeignKey("plays.id"))
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    snoozed_until: Mapped[int | None] = mapped_column(BigInteger)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("scoring_runs.id"))
    probability: Mapped[float | None] = mapped_column(Float)
    net_gain_minor: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(12))
    outcome_reason: Mapped[str | None] = mapped_column(String(300))
    exposure_id: Mapped[int | None] = mapped_column(ForeignKey("exposures.id", ondelete="SET NULL"))
    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    updated_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


class Note(Base):
    """What somebody wrote down about a customer, with or without a task."""

    __tablename__ = "notes"
    __table_args__ = (Index("ix_notes_customer_at", "customer_id", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id", ondelete="SET NULL"))
    at: Mapped[int] = mapped_column(BigInteger)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(Text)
    pinned: Mapped[bool] = mapped_column(Boolean, default=False)
