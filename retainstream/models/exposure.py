"""Acts on customers: whom something was done to, or deliberately not, and how likely that was."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class Exposure(Base):
    """One customer and one act. `propensity` is the probability with which the arm was given, 1 where nothing was drawn.

    A row is never deleted while its customer is known: what did not happen after all is voided, with when.
    """

    __tablename__ = "exposures"
    __table_args__ = (
        CheckConstraint("arm IN ('treated','held_out')", name="arm"),
        CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
        Index("ix_exposures_customer_at", "customer_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    at: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(80))
    arm: Mapped[str] = mapped_column(String(8))
    propensity: Mapped[float] = mapped_column(Float)
    recorded_at: Mapped[int] = mapped_column(BigInteger)
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    voided_at: Mapped[int | None] = mapped_column(BigInteger)

    @classmethod
    def stands(cls) -> ColumnElement[bool]:
        """Return the condition that every reader who counts acts uses: what was taken back did not happen."""
        return cls.voided_at.is_(None)
