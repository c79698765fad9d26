"""Reports: a page or list that is made into a file on a schedule, and the files that were made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class Report(Base):
    """What is to be made (`subject`, such as customers or revenue, with its query), in which form, and when.

    `schedule` holds `{"every": "day"|"week"|"month", "weekday", "day", "hour"}` in the box's time zone; empty for one made only by hand. One with a
    schedule and no `next_at` is paused.
    """

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("format IN ('html','pdf','csv','xlsx')", name="format"),
        Index("ix_reports_next", "next_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(40))
    query: Mapped[str] = mapped_column(String(2000), default="")
    format: Mapped[str] = mapped_column(String(4))
    schedule: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    next_at: Mapped[int | None] = mapped_column(BigInteger)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[int] = mapped_column(BigInteger)


class ReportFile(Base):
    """One making of a report. The file itself lies in the instance folder under `path`, which is empty once it was removed.

    `job_id` is the work that made it, so that work which is done again after a kill makes no second file. `holds` says what may be in it: figures
    alone, customers, or customers with personal details.
    """

    __tablename__ = "report_files"
    __table_args__ = (
        CheckConstraint("state IN ('made','failed','removed')", name="state"),
        CheckConstraint("holds IN ('figures','customers','personal')", name="holds"),
        Index("ix_report_files_report", "report_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"))
    job_id: Mapped[int | None] = mapped_column(unique=True)
    format: Mapped[str] = mapped_column(String(4))
    holds: Mapped[str] = mapped_column(String(9))
    made_at: Mapped[int] = mapped_column(BigInteger)
    as_of: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8))
    path: Mapped[str | None] = mapped_column(String(200))
    n_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    n_rows: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
