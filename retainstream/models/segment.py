"""Segments: a rule under a name, who was in it when, and how large it was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class Segment(Base):
    """A rule tree under a name. `revision` rises when the rule changes; members found by an older rule are closed then, not rewritten."""

    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(500), default="")
    rule: Mapped[dict[str, Any]] = mapped_column(JSON)
    revision: Mapped[int] = mapped_column(default=1)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class SegmentMember(Base):
    """A stay of one customer in a segment: from `entered_at` until `left_at`, which is empty while it lasts."""

    __tablename__ = "segment_members"
    __table_args__ = (
        Index(
            "ix_segment_members_present", "segment_id", "customer_id", unique=True, sqlite_where=text("left_at IS NULL")
        ),
        Index("ix_segment_members_entered", "segment_id", "entered_at"),
        Index("ix_segment_members_left", "segment_id", "left_at"),
        Index("ix_segment_members_customer", "customer_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    entered_at: Mapped[int] = mapped_column(BigInteger)
    left_at: Mapped[int | None] = mapped_column(BigInteger)


class SegmentSize(Base):
    """How large a segment was at one look, and how many had entered and left since the look before."""

    __tablename__ = "segment_sizes"

    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True)
    as_of: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision: Mapped[int]
    n: Mapped[int]
    entered: Mapped[int]
    left: Mapped[int]
