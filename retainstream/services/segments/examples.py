"""Segments to begin with, for the demo: rules that its events can answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.models import Segment
from retainstream.security.actor import Actor
from retainstream.services.segments import saved
from retainstream.services.segments.fields import EVENTS, catalogue

_ACTIVE: dict[str, Any] = {"not": {"field": "churned", "op": "is", "value": True}}


def _events(kind: str, days: int, op: str, n: int) -> dict[str, Any]:
    return {"field": "events.count", "kind": kind, "days": days, "op": op, "value": n}


EXAMPLES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Gone quiet",
        "Still customers, but hardly seen for a month.",
        {"all": [_ACTIVE, _events("login", 30, "le", 1), _events("login", 90, "ge", 4)]},
    ),
    (
        "Payment failed lately",
        "A payment failed in the last 30 days, and none went through in the last two weeks.",
        {"all": [_ACTIVE, _events("payment_failed", 30, "ge", 1), _events("payment_succeeded", 14, "eq", 0)]},
    ),
    (
        "New this quarter",
        "Signed up in the last 90 days: they decide early whether they stay.",
        {"all": [_ACTIVE, {"field": "signup_at", "op": "last_days", "value": 90}]},
    ),
)
"""Name, what it is for, and the rule."""


def keep(session: Session, actor: Actor, *, time_zone: str = "UTC") -> int:
    """Keep those that this box can answer, unless somebody made a segment already; returns how many. The next analyses look at who is in them."""
    if session.scalar(select(Segment.id).limit(1)) is not None:
        return 0
    fields = catalogue(session)
    kinds = {kind for field in fields.values() if field.group == EVENTS for kind in field.kinds}
    possible = [
        (name, description, rule)
        for name, description, rule in EXAMPLES
        if {part["kind"] for part in rule["all"] if "kind" in part} <= kinds and not fields["churned"].missing
    ]
    for name, description, rule in possible:
        wanted = {"name": name, "description": description, "rule": rule}
        saved.create(session, actor, wanted, time_zone=time_zone, look=False)
    return len(possible)
