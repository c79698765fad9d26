"""Acts on customers, and the permanent hold-out: a share of customers, drawn once by a salted hash, whom no act may reach.

Later figures on what acts saved compare the two; a training knows who was treated. Campaigns and tasks write exposures of their own through `record`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import Customer, Exposure, Identity, Setting
from retainstream.security.actor import Actor
from retainstream.services import audit, preferences
from retainstream.services.paging import page_by_id

if TYPE_CHECKING:
    import numpy as np

TREATED, HELD_OUT = "treated", "held_out"
_SALT = "hold_out_salt"


def salt(session: Session) -> str:
    """Return the salt of the hold-out. It came with the database and is never changed: a customer who is held out stays so."""
    return str(session.get_one(Setting, _SALT).value)


def in_hold_out(salt: str, user_id: str, share: float) -> bool:
    """Tell whether a customer belongs to the hold-out: the hash of salt and identifier, as a fraction of its range, lies below the share."""
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), key=salt.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


def held_out(session: Session, user_id: str) -> bool:
    """Tell whether acts must leave a customer alone."""
    return in_hold_out(salt(session), user_id, preferences.read(session).hold_out_share)


def record(
    session: Session,
    actor: Actor,
    user_id: str,
    *,
    kind: str,
    source: str,
    at: int | None = None,
    arm: str | None = None,
    propensity: float | None = None,
    override: bool = False,
) -> dict[str, object]:
    """Note that something was done to a customer, or deliberately not.

    Parameters
    ----------
    kind, source : str
        What was done (call, email, offer) and what asked for it.
    at : int, optional
        When, microseconds UTC; now by default, never in the future.
    arm : {"treated", "held_out"}, optional
        Treated by default; held out for a member of the permanent hold-out on whom nothing was done.
    propensity : float in (0, 1], optional
        The probability with which the arm was given; by default that of the permanent hold-out.
    override : bool
        Write down that a member of the hold-out was treated all the same.

    Raises
    ------
    NotFound
        For an unknown customer.
    Conflict
        When a member of the hold-out would be treated.
    InvalidInput
        For a time in the future.
    """
    customer_id = _customer(session, user_id)
    now = clock.now_us()
    if at is not None and at > now:
        raise InvalidInput("An act cannot lie in the future.", fields={"at": ["not later than now"]})
    share = preferences.read(session).hold_out_share
    arm = arm or TREATED
    if arm == TREATED and not override:
        _refuse_hold_out(session, user_id, share)
    found = Exposure(
        customer_id=customer_id,
        at=now if at is None else at,
        kind=kind,
        source=source,
        arm=arm,
        propensity=propensity or (max(share, 1e-9) if arm == HELD_OUT else 1.0 - share or 1.0),
        recorded_at=now,
        recorded_by=actor.user_id,
    )
    session.add(found)
    session.flush()
    audit.record(session, actor, "exposure.record", "customer", customer_id, fields=["kind", "arm"])
    return _present(found)


def _refuse_hold_out(session: Session, user_id: str, share: float) -> None:
    if in_hold_out(salt(session), user_id, share):
        raise Conflict(
            "This customer belongs to the permanent hold-out, which no act may reach: what acts save is measured against it. "
            "If it happened all the same, send override=true.",
            detail={"held_out": True},
        )


def void(session: Session, actor: Actor, found: Iterable[Exposure]) -> None:
    """Take acts back that did not happen after all: they stay on record with when they were voided, and no figure counts them."""
    now = clock.now_us()
    for one in found:
        one.voided_at = now
        audit.record(session, actor, "exposure.void", "customer", one.customer_id, fields=["kind", "arm"])
    session.flush()


def of_customer(session: Session, user_id: str, request: PageRequest = FIRST_PAGE) -> tuple[Page, bool]:
    """Return a customer's acts, newest first, those that were voided too, and whether the customer is held out; raises NotFound."""
    customer_id = _customer(session, user_id)
    conditions = (Exposure.customer_id == customer_id,)
    total = session.scalar(select(func.count()).select_from(Exposure).where(*conditions)) or 0
    rows, following = page_by_id(session, select(Exposure).where(*conditions), Exposure.id, "exposures", request)
    return Page([_present(row[0]) for row in rows], following, total), held_out(session, user_id)


def treated(session: Session, until: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return who was treated and when: two int64 arrays of shape (n,), customers and microseconds UTC, sorted by customer.

    Parameters
    ----------
    until : int, optional
        Only acts that happened, and were written down, before this instant.
    """
    import numpy as np

    query = select(Exposure.customer_id, Exposure.at).where(Exposure.arm == TREATED, Exposure.stands())
    if until is not None:
        query = query.where(Exposure.at < until, Exposure.recorded_at < until)
    rows = session.execute(query.order_by(Exposure.customer_id, Exposure.at)).all()
    found = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def treated_between(session: Session, start: int, end: int) -> np.ndarray:
    """Return who was treated from `start` on and before `end` (microseconds UTC): an int64 array, rising, each customer once."""
    import numpy as np

    query = select(Exposure.customer_id).where(Exposure.arm == TREATED, Exposure.stands())
    query = query.where(Exposure.at >= start, Exposure.at < end)
    found = list(session.scalars(query.distinct().order_by(Exposure.customer_id)))
    return np.array(found, dtype=np.int64)


def _customer(session: Session, user_id: str) -> int:
    query = select(Customer.id).join(Identity, Identity.customer_id == Customer.id)
    found = session.scalar(query.where(Identity.user_id == user_id, Customer.visible()))
    if found is None:
        raise NotFound(f"There is no customer with the identifier {user_id[:80]!r}.")
    return found


def _present(found: Exposure) -> dict[str, object]:
    return {
        "id": found.id,
        "at": clock.iso(found.at),
        "kind": found.kind,
        "source": found.source,
        "arm": found.arm,
        "propensity": found.propensity,
        "recorded_at": clock.iso(found.recorded_at),
        "voided_at": clock.iso(found.voided_at),
    }
