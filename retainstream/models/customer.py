"""Customers: identity apart from everything else, attributes as versions in typed slots, labels under a churn definition."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    String,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base
from retainstream.models.import_batch import ImportBatch

NUMBER_SLOTS = tuple(f"n{index:02d}" for index in range(1, 41))
TEXT_SLOTS = tuple(f"t{index:02d}" for index in range(1, 31))


class Customer(Base):
    """One paying, or once paying, party. No personal detail stands here.

    A customer is visible when its `batch_id` is empty or names an import that is applied: `Customer.visible()`.
    The columns from `plan` to `tenure_months` repeat the current attribute version, so that lists can sort and filter by index.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index("ix_customers_churned_revenue", "churned", "revenue_minor"),
        Index("ix_customers_plan", "plan"),
        Index("ix_customers_revenue", "revenue_minor"),
        Index("ix_customers_signup", "signup_at"),
        Index("ix_customers_tenure", "tenure_months"),
        Index("ix_customers_batch", "batch_id"),
        Index("ix_customers_created", "created_at"),
        {"sqlite_autoincrement": True},  # an id that was erased must never come to mean somebody else
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batches.id"))
    version_id: Mapped[int | None] = mapped_column(BigInteger)
    plan: Mapped[str | None] = mapped_column(String(200))
    revenue_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    signup_at: Mapped[int | None] = mapped_column(BigInteger)
    tenure_months: Mapped[float | None] = mapped_column(Float)
    churned: Mapped[bool | None] = mapped_column(Boolean)
    churned_at: Mapped[int | None] = mapped_column(BigInteger)
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def visible(cls) -> ColumnElement[bool]:
        """Return the condition that every reader of customers uses: rows of an unfinished or undone import do not exist."""
        unfinished = select(ImportBatch.id).where(ImportBatch.state != "applied")
        return or_(cls.batch_id.is_(None), cls.batch_id.not_in(unfinished))


class Identity(Base):
    """The owner's identifier and the personal details of a customer; erasing a person removes this row first.

    `updated_at` is when the details were changed: apart from the customer's own, since no score is made from a name.
    """

    __tablename__ = "identities"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(200), unique=True)
    name: Mapped[str | None] = mapped_column(String(300))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(60))
    other: Mapped[dict[str, str] | None] = mapped_column(JSON)
    updated_at: Mapped[int | None] = mapped_column(BigInteger)


class IdentityChange(Base):
    """Personal details that an import changes for a customer who was there before: staged here until it is applied, kept so that it can be undone.

    The plain columns are the details after the import, `before_*` those in force until then. Erasing the person removes the row.
    """

    __tablename__ = "identity_changes"

    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(
        ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    name: Mapped[str | None] = mapped_column(String(300))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(60))
    other: Mapped[dict[str, str] | None] = mapped_column(JSON)
    before_name: Mapped[str | None] = mapped_column(String(300))
    before_email: Mapped[str | None] = mapped_column(String(254))
    before_phone: Mapped[str | None] = mapped_column(String(60))
    before_other: Mapped[dict[str, str] | None] = mapped_column(JSON)


class AttributeDefinition(Base):
    """A column of the customers' data: its name, kind, and the slot that holds its values (none: the overflow)."""

    __tablename__ = "attribute_definitions"
    __table_args__ = (CheckConstraint("kind IN ('number','integer','boolean','category','text','date')", name="kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    title: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(10))
    unit: Mapped[str | None] = mapped_column(String(40))
    slot: Mapped[str | None] = mapped_column(String(3), unique=True)
    feature: Mapped[bool] = mapped_column(Boolean, default=True)
    actionable: Mapped[bool] = mapped_column(Boolean, default=False)
    sensitive: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[int] = mapped_column(BigInteger)


class AttributeVersion(Base):
    """A customer's attributes as they were known from `known_at`, and held from `valid_from`; never changed after it was written.

    Numbers, integers, booleans (0/1) and dates (microseconds) live in n-slots, categories and texts in t-slots, and what found no slot in `extra`.
    """

    __tablename__ = "attribute_versions"
    __table_args__ = (
        Index("ix_attribute_versions_customer", "customer_id", "id"),
        Index("ix_attribute_versions_batch", "batch_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batches.id"))
    previous_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(10), default="import")
    valid_from: Mapped[int] = mapped_column(BigInteger)
    known_at: Mapped[int] = mapped_column(BigInteger)
    plan: Mapped[str | None] = mapped_column(String(200))
    revenue_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    signup_at: Mapped[int | None] = mapped_column(BigInteger)
    tenure_months: Mapped[float | None] = mapped_column(Float)
    extra: Mapped[dict[str, object] | None] = mapped_column(JSON)


for _slot in NUMBER_SLOTS:
    setattr(AttributeVersion, _slot, mapped_column(_slot, Float, nullable=True))
for _slot in TEXT_SLOTS:
    setattr(AttributeVersion, _slot, mapped_column(_slot, String, nullable=True))


class Label(Base):
    """Whether a customer churned under a definition, as one batch said it; the newest visible one counts."""

    __tablename__ = "labels"
    __table_args__ = (
        Index("ix_labels_customer", "customer_id", "definition_id", "id"),
        Index("ix_labels_batch", "batch_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    definition_id: Mapped[int] = mapped_column(ForeignKey("churn_definitions.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batches.id"))
    value: Mapped[bool] = mapped_column(Boolean)
    churned_at: Mapped[int | None] = mapped_column(BigInteger)
    known_at: Mapped[int] = mapped_column(BigInteger)
