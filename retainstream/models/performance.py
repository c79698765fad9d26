"""How predictions turned out, and how often a test window was looked at."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class ScoreOutcome(Base):
    """What became of a customer in the window of a run: 0 stayed, 1 left, 2 left within the lead."""

    __tablename__ = "score_outcomes"
    __table_args__ = (
        CheckConstraint("state IN (0, 1, 2)", name="state"),
        Index("ix_score_outcomes_customer", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[int] = mapped_column(Integer)
    left_at: Mapped[int | None] = mapped_column(BigInteger)


class RunPerformance(Base):
    """A run's realised figures, written once its window has closed; `data_end` is how far the data reached then."""

    __tablename__ = "run_performance"

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    data_end: Mapped[int] = mapped_column(BigInteger)
    evaluated_at: Mapped[int] = mapped_column(BigInteger)
    metrics: Mapped[dict[str, object]] = mapped_column(JSON)


class TestOpening(Base):
    """A model was judged on a test window; a window that many models were judged on is no longer a fair one."""

    __test__ = False  # no test, whatever pytest makes of the name
    __tablename__ = "test_openings"
    __table_args__ = (Index("ix_test_openings_definition", "definition_id", "first_as_of"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    definition_id: Mapped[int] = mapped_column(ForeignKey("churn_definitions.id"))
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"), unique=True)
    first_as_of: Mapped[int] = mapped_column(BigInteger)
    last_as_of: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[int] = mapped_column(BigInteger)
