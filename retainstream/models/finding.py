"""What the box found wrong with its data, and since when."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class Finding(Base):
    """One finding about one subject, open until what it says no longer holds; a muted one holds too, and a person knows of it."""

    __tablename__ = "findings"
    __table_args__ = (
        CheckConstraint("severity IN ('info','warning','error')", name="severity"),
        Index("uq_findings_open", "kind", "subject", unique=True, sqlite_where=text("closed_at IS NULL")),
        Index("ix_findings_opened", "opened_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(120))
    severity: Mapped[str] = mapped_column(String(8))
    message: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    muted_at: Mapped[int | None] = mapped_column(BigInteger)
