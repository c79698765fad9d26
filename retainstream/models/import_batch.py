"""Loads of data, each undone as a whole, and the rows that could not be taken."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class ImportBatch(Base):
    """One load. Its rows are invisible unless the state is `applied`.

    `target` is customers, events, subscriptions or orders. All its events have ids from `first_event_id` to `last_event_id`, though others may lie
    between; both are kept up to date while it is being applied.
    """

    __tablename__ = "import_batches"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','applying','applied','failed','cancelled','undoing','undone')", name="state"
        ),
        Index("ix_import_batches_state", "state"),
        Index("ix_import_batches_created", "created_at"),
        Index("ix_import_batches_sha", "file_sha256"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    target: Mapped[str] = mapped_column(String(16), default="customers", server_default="customers")
    source: Mapped[str] = mapped_column(String(20))
    filename: Mapped[str] = mapped_column(String(300))
    file_sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    upload_name: Mapped[str | None] = mapped_column(String(100))
    mapping: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    mapping_sha256: Mapped[str] = mapped_column(String(64), default="")
    on_error: Mapped[str] = mapped_column(String(8), default="reject")
    known_at_time: Mapped[bool] = mapped_column(Boolean, default=False)
    definition_id: Mapped[int | None] = mapped_column(ForeignKey("churn_definitions.id"))
    counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    warnings: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    error: Mapped[str | None] = mapped_column(Text)
    job_id: Mapped[int | None] = mapped_column(index=True)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[int] = mapped_column(BigInteger)
    applied_at: Mapped[int | None] = mapped_column(BigInteger)
    undone_at: Mapped[int | None] = mapped_column(BigInteger)
    first_event_id: Mapped[int | None] = mapped_column(BigInteger)
    last_event_id: Mapped[int | None] = mapped_column(BigInteger)


class ImportRowError(Base):
    """A row that was not taken: where, what it said, what was expected. `cells` lets it be offered back as a file."""

    __tablename__ = "import_row_errors"
    __table_args__ = (Index("ix_import_row_errors_batch_line", "batch_id", "line"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id", ondelete="CASCADE"))
    line: Mapped[int]
    column: Mapped[str | None] = mapped_column(String(300))
    value: Mapped[str | None] = mapped_column(String(200))
    expected: Mapped[str] = mapped_column(String(300))
    code: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(String(200), index=True)
    cells: Mapped[list[str | None] | None] = mapped_column(JSON)
