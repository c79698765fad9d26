"""Erasing one person: everything about them goes, counts and the audit's surrogate ids stay, and a keyed hash stops a re-import."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import (
    AttributeVersion,
    Customer,
    ErasureEntry,
    Identity,
    ImportRowError,
    Label,
    LatestScore,
    ScoreHistory,
)
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.customers.record import require


def erase(session: Session, actor: Actor, user_id: str, *, key: bytes) -> dict[str, int]:
    """Remove a person's identity, attributes, labels, scores, reasons, row errors and search entry.

    Parameters
    ----------
    key : bytes
        Key of the ledger's hash; the identifier itself is not kept.

    Returns
    -------
    dict
        How many rows of each table were removed.

    Raises
    ------
    NotFound
        For an unknown identifier.
    """
    actor.require(Permission.CUSTOMERS_ERASE)
    customer, identity = require(session, user_id)
    customer_id, exact = customer.id, identity.user_id
    session.expunge_all()
    removed: dict[str, int] = {}
    for model in (LatestScore, ScoreHistory, Label, AttributeVersion, Identity):
        result: CursorResult[Any] = session.execute(delete(model).where(model.customer_id == customer_id))  # type: ignore[assignment]
        removed[model.__tablename__] = result.rowcount
    # The rows stay as counts of what was wrong; what the person's rows said goes.
    blanked: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(ImportRowError).where(ImportRowError.user_id == exact).values(user_id=None, value=None, cells=None)
    )
    removed[ImportRowError.__tablename__] = blanked.rowcount
    session.execute(delete(Customer).where(Customer.id == customer_id))
    removed[Customer.__tablename__] = 1
    session.merge(ErasureEntry(keyed_hash=keyed_hash(key, exact), erased_at=clock.now_us()))
    audit.record(session, actor, "customer.erase", "customer", customer_id)
    revisions.bump(session, "customers", "scores")
    session.flush()
    return removed
