"""Takes in the items of a request in one short unit, tells the feed, and says what became of each item. Reading them is `items`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import feeds, revisions
from retainstream.services.events import standing
from retainstream.services.events.items import Read, Refused
from retainstream.services.events.people import Unknown, erased_test
from retainstream.services.events.rows import EventRows, SubscriptionRows
from retainstream.services.events.writing import MOST_KINDS, EventWriter, SubscriptionWriter

COUNTS: Final = (
    "accepted",
    "duplicate",
    "rejected",
    "late",
    "out_of_order",
    "future",
    "new_customers",
    "new_kinds",
    "statements",
    "invalid",
    "out_of_range",
    "no_customer",
    "unknown_customer",
    "erased",
    "other_customer",
    "too_many_kinds",
)
_REFUSALS: Final = {
    "no_customer": "user_id: the customer's identifier",
    "unknown_customer": "This customer is not on record, and unknown customers are to be skipped.",
    "erased": "This person was erased; nothing about them is taken in.",
    "other_customer": "This key belongs to a subscription of another customer.",
    "too_many_kinds": f"There are {MOST_KINDS:,} kinds of events already: the kind is a name such as login, not an identifier.",
}


def events(
    session: Session,
    actor: Actor,
    read: Read[EventRows],
    *,
    source: str,
    unknown: Unknown,
    now: int,
    key: bytes,
    live: bool = True,
) -> dict[str, object]:
    """Take in events.

    Parameters
    ----------
    source : str
        The feed; keys are unique within it.
    unknown : "create" or "skip"
        What happens to customers who are not on record.
    key : bytes
        Key of the ledger of erased people.
    live : bool
        False for history, which is no sign of life of its feed.

    Returns
    -------
    dict
        `counts` as `COUNTS` names them, and `items`: index, status, and code and message of what was not taken.
    """
    actor.require(Permission.EVENTS_WRITE)
    writer = EventWriter(source, now=now, unknown=unknown, erased=erased_test(session, key))
    fates = writer.write(session, read.rows)
    feeds.arrived(session, source, now=now, live=live, **writer.arrival())
    _raise_revisions(session, fates.counts)
    return _answer(read.size, read.positions, read.refused, fates.per_row, fates.counts)


def subscriptions(
    session: Session,
    actor: Actor,
    read: Read[SubscriptionRows],
    *,
    source: str,
    unknown: Unknown,
    now: int,
    key: bytes,
    live: bool = True,
) -> dict[str, object]:
    """Take in statements about subscriptions, and let the customers' plan, revenue and standing follow; otherwise as `events`."""
    actor.require(Permission.EVENTS_WRITE)
    writer = SubscriptionWriter(source, now=now, unknown=unknown, erased=erased_test(session, key))
    fates = writer.write(session, read.rows)
    feeds.arrived(session, source, now=now, live=live, **writer.arrival())
    touched = {
        writer.people.ids[user_id]
        for user_id, fate in zip(read.rows.user_ids, fates.per_row, strict=True)
        if fate == "accepted"
    }
    standing.refresh(session, touched, now)
    _raise_revisions(session, fates.counts)
    return _answer(read.size, read.positions, read.refused, fates.per_row, fates.counts)


def _raise_revisions(session: Session, counts: Counter[str]) -> None:
    if counts["accepted"]:
        revisions.bump(session, "events")
    if counts["new_customers"]:
        revisions.bump(session, "customers")


def _answer(
    size: int, positions: Sequence[int], refused: dict[int, Refused], fates: Sequence[str], counts: Counter[str]
) -> dict[str, object]:
    total = counts + Counter(item.code for item in refused.values())
    total["rejected"] = size - total["accepted"] - total["duplicate"]
    items: list[dict[str, object]] = [{}] * size
    for at, fate in zip(positions, fates, strict=True):
        items[at] = {"index": at, "status": fate}
        if fate in _REFUSALS:
            items[at] = {"index": at, "status": "rejected", "code": fate, "message": _REFUSALS[fate]}
    for at, why in refused.items():
        items[at] = {"index": at, "status": "rejected", "code": why.code, "message": why.message}
    return {"counts": {name: total[name] for name in COUNTS}, "items": items}
