"""Tags on many customers at once: those that were picked, or all that a filter finds; and single ones of one customer. All of one's: `record.change`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.customers import record
from retainstream.services.customers.filters import CustomerFilter, ids
from retainstream.services.predictions import customer_ids_of

MOST_TAGS = 50
_TAG = re.compile(r"[^\s,\x00-\x1f\x7f-\x9f]([^,\x00-\x1f\x7f-\x9f]{0,58}[^\s,\x00-\x1f\x7f-\x9f])?")
_ADD = """
    UPDATE customers SET tags = (
        SELECT json_group_array(value) FROM (SELECT value FROM json_each(customers.tags) UNION SELECT :tag ORDER BY 1)
    )
    WHERE id IN (SELECT value FROM json_each(:ids)) AND json_array_length(customers.tags) < :most
    AND NOT EXISTS (SELECT 1 FROM json_each(customers.tags) WHERE value = :tag)
"""
_REMOVE = """
    UPDATE customers SET tags = (SELECT json_group_array(value) FROM json_each(customers.tags) WHERE value != :tag)
    WHERE id IN (SELECT value FROM json_each(:ids))
    AND EXISTS (SELECT 1 FROM json_each(customers.tags) WHERE value = :tag)
"""


def picked(session: Session, user_ids: Sequence[str]) -> list[int]:
    """Return the ids of customers that a person picked; raises InvalidInput without any. Those that are gone meanwhile are passed over."""
    if not user_ids:
        raise InvalidInput("No customer was ticked.", fields={"user_id": ["at least one customer"]})
    return sorted(customer_ids_of(session, user_ids).values())


def named(session: Session, user_ids: Sequence[str]) -> list[int]:
    """Return the ids of customers that a script names; raises InvalidInput naming those that are not known."""
    found = customer_ids_of(session, user_ids)
    if strangers := [one for one in user_ids if one not in found]:
        words = ", ".join(repr(one[:40]) for one in strangers[:3])
        raise InvalidInput(
            f"{len(strangers):,} of these customers are not known.", fields={"user_ids": [f"unknown: {words}"]}
        )
    return sorted(found.values())


def change(
    session: Session, actor: Actor, user_id: str, *, add: Sequence[str] = (), remove: str | None = None
) -> list[str]:
    """Put tags on one customer, or take one away, and return the tags as they are now.

    Raises
    ------
    NotFound
        For an unknown identifier.
    InvalidInput
        For a word that is no tag.
    Conflict
        When the customer would have more tags than one may have; then nothing is changed.
    """
    customer, _ = record.require(session, user_id)
    words = [remove] if remove is not None else add
    for word in words:
        tag(session, actor, [customer.id], word, add=remove is None)
    session.refresh(customer)
    if remove is None and (missing := {" ".join(word.split()) for word in add} - set(customer.tags)):
        raise Conflict(f"A customer has at most {MOST_TAGS} tags; there is no room for {min(missing)!r}.")
    return list(customer.tags)


def tag(session: Session, actor: Actor, whom: Sequence[int] | CustomerFilter, word: str, *, add: bool) -> int:
    """Put a tag on customers, or take it away, in one unit; return how many were changed.

    The customer's `updated_at` stays: scores are made from values, and no tag makes them out of date.

    Parameters
    ----------
    whom : sequence of int, or CustomerFilter
        Ids of customers, or all that match.
    word : str
        1 to 60 characters without commas. A customer that has as many tags as one may have is passed over.

    Raises
    ------
    InvalidInput
        For a word that is no tag.
    """
    actor.require(Permission.CUSTOMERS_WRITE)
    word = " ".join(word.split())
    if not _TAG.fullmatch(word):
        raise InvalidInput("A tag is a short word.", fields={"tag": ["1 to 60 characters without commas"]})
    found = session.scalars(ids(whom)) if isinstance(whom, CustomerFilter) else whom
    values: dict[str, object] = {"tag": word, "ids": json.dumps(list(found))}
    if add:
        values["most"] = MOST_TAGS
    changed: CursorResult[Any] = session.execute(text(_ADD if add else _REMOVE), values)  # type: ignore[assignment]
    if changed.rowcount:
        action = "customers.tag" if add else "customers.untag"
        audit.record(session, actor, action, "customers", changed.rowcount, fields=["tags"])
        revisions.bump(session, "customers")
    session.flush()
    return changed.rowcount
