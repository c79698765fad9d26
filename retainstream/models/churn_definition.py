"""What "churned" means. Rows are immutable; a change is a new version."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, CheckConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class ChurnDefinition(Base):
    """One version of one definition. A labelled column has neither horizon nor lead: it is a snapshot."""

    __tablename__ = "churn_definitions"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        CheckConstraint(
            "kind IN ('labelled_column','cancel','payment_failure','trial_end','non_renewal','inactivity')", name="kind"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(default=1)
    kind: Mapped[str] = mapped_column(String(24))
    horizon_days: Mapped[int | None]
    lead_days: Mapped[int | None]
    parameters: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    created_at: Mapped[int] = mapped_column(BigInteger)
