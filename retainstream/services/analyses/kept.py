"""What an answer that is made of an analysis depends on, as the key under which it is kept in memory."""

from __future__ import annotations

from collections.abc import Hashable

from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.services import revisions


def state(session: Session) -> tuple[Hashable, ...]:
    """Return what an answer made of customers, their attributes and the runs in force depends on."""
    counters = revisions.read(session)
    runs = revisions.one(session, "analyses")
    return (db.engine.url.database, runs, counters["customers"], counters["removals"], counters["settings"])
