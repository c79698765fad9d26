"""The ledger of erased people outside of the database, so that restoring an older copy does not bring them back.

The file `erasures` in the instance folder holds one keyed hash a line; identifiers are not in it. It is written when somebody is erased, and played
back at every start: whoever it names and the database still has is erased again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import Customer, ErasureEntry, Identity
from retainstream.security.actor import SYSTEM
from retainstream.services.customers import erasure

FILE = "erasures"


def path_of(settings: Settings) -> Path:
    """Return where the ledger lies."""
    return settings.instance_path / FILE


def remember(settings: Settings, user_id: str) -> None:
    """Add an erased identifier's hash to the file, in one write that other processes cannot tear apart."""
    _append(settings, [keyed_hash(settings.resolved_secret_key().encode(), user_id)])


def _append(settings: Settings, hashes: Iterable[str]) -> None:
    handle = os.open(path_of(settings), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, "".join(f"{one}\n" for one in hashes).encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def replay(session: Session, settings: Settings) -> int:
    """Erase again whoever the file names and the database does not know as erased; return how many people that were.

    What the database knows and the file does not, after a crash between the two, is added to the file. Every identifier is hashed, but only when the file names somebody whom the database's own ledger does not: after a restore.
    """
    path = path_of(settings)
    named = set(path.read_text().split()) if path.exists() else set()
    known = set(session.scalars(select(ErasureEntry.keyed_hash)))
    if known - named:
        _append(settings, sorted(known - named))
    missing = named - known
    if not missing:
        return 0
    key = settings.resolved_secret_key().encode()
    visible = select(Identity.user_id).join(Customer, Customer.id == Identity.customer_id).where(Customer.visible())
    back = [user_id for user_id in session.scalars(visible) if keyed_hash(key, user_id) in missing]
    for user_id in back:
        erasure.erase(session, SYSTEM, user_id, key=key)
    return len(back)
