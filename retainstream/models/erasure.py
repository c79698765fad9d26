"""The ledger of erased people: keyed hashes that stop a re-import, and are replayed after a restore."""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from retainstream.db import Base


class ErasureEntry(Base):
    """HMAC of the owner's identifier of somebody who was erased; the identifier itself is gone."""

    __tablename__ = "erasure_ledger"

    keyed_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    erased_at: Mapped[int] = mapped_column(BigInteger)
