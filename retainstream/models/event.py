"""What happened: feeds, kinds of event, events, and statements about subscriptions. Append-only; a correction is a later row."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Float, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class Feed(Base):
    """A source that sends data, with its heartbeat. `expected_seconds` is set by a person; without it the feed's own pace counts.

    `arrivals` holds what its own pace is learnt from: days on which something arrived, newest last.
    """

    __tablename__ = "feeds"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    first_occurred_at: Mapped[int | None] = mapped_column(BigInteger)
    last_occurred_at: Mapped[int | None] = mapped_column(BigInteger)
    last_received_at: Mapped[int | None] = mapped_column(BigInteger)
    heartbeat_at: Mapped[int | None] = mapped_column(BigInteger)
    n_rows: Mapped[int] = mapped_column(BigInteger, default=0)
    expected_seconds: Mapped[int | None] = mapped_column(BigInteger)
    muted: Mapped[bool] = mapped_column(Boolean, default=False)
    arrivals: Mapped[list[int]] = mapped_column(JSON, default=list)


class EventKind(Base):
    """The name of a kind of event, such as `login`, `watch`, `purchase`, `payment_failed`."""

    __tablename__ = "event_kinds"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)


class Event(Base):
    """Something a customer did, or that happened to it.

    `key` is the 128-bit hash of (source, key), or of the content and its occurrence number where the sender gave no key.
    An event counts for an as-of when both `occurred_at` and `received_at` lie before it.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_customer_occurred", "customer_id", "occurred_at"),
        Index("uq_events_key", "key", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind_id: Mapped[int] = mapped_column(ForeignKey("event_kinds.id"))
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batches.id"))
    occurred_at: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None] = mapped_column(Float)
    properties: Mapped[str | None] = mapped_column(Text)
    key: Mapped[bytes] = mapped_column(LargeBinary(16))


class Subscription(Base):
    """One statement about one subscription; the newest statement (received_at, id) that was known at a time is what held then.

    `key` is the 128-bit hash of (source, key): it joins the statements about the same subscription.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(
            "end_reason IS NULL OR end_reason IN ('voluntary','payment_failed','trial_ended','other')",
            name="end_reason",
        ),
        Index("ix_subscriptions_key", "key", "received_at"),
        Index("ix_subscriptions_customer", "customer_id"),
        Index("ix_subscriptions_batch", "batch_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(16))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batches.id"))
    plan: Mapped[str | None] = mapped_column(String(200))
    revenue_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    started_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    end_reason: Mapped[str | None] = mapped_column(String(16))
    received_at: Mapped[int] = mapped_column(BigInteger)
