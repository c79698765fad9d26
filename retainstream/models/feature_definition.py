"""Features that a person declared from events; those that every box has are made by `retainstream.ml.asof.dictionary`."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class FeatureDefinition(Base):
    """One version of one declared feature; a change is a new version, and the newest one counts while it is enabled."""

    __tablename__ = "feature_definitions"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(default=1)
    title: Mapped[str] = mapped_column(String(120))
    unit: Mapped[str | None] = mapped_column(String(40))
    recipe: Mapped[dict[str, object]] = mapped_column(JSON)
    wording_up: Mapped[str | None] = mapped_column(String(200))
    wording_down: Mapped[str | None] = mapped_column(String(200))
    actionable: Mapped[bool] = mapped_column(Boolean, default=False)
    sensitive: Mapped[bool] = mapped_column(Boolean, default=False)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
