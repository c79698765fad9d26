"""Plays to begin with: templates that a person may adopt and change. Nothing of them is in force until then."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import NotFound
from retainstream.models import Play
from retainstream.security.actor import Actor
from retainstream.services.desk import plays
from retainstream.services.desk.plays import PlayView

TEMPLATES: dict[str, dict[str, Any]] = {
    "payment_failed": {
        "name": "Help with a failed payment",
        "description": "Many who leave never meant to: their card expired or was declined.",
        "features": ["payment_failures", "payment*", "invoice*", "card*", "charge*", "dunning*", "billing*"],
        "steps": [
            {"text": "Look which payment failed, and when it is tried again", "kind": "other"},
            {"text": "Write with a link to change the means of payment", "kind": "email"},
            {"text": "Call if nothing moved after two days; offer another date or means of payment", "kind": "call"},
        ],
    },
    "drifting_away": {
        "name": "Welcome back",
        "description": "Uses it less than before, or has not been seen for a while.",
        "features": [
            "last_login*",
            "last_active*",
            "days_since*",
            "silent*",
            "watch*",
            "usage*",
            "sessions*",
            "logins*",
        ],
        "steps": [
            {"text": "Look what they used most, and when that stopped", "kind": "other"},
            {"text": "Write about one thing that is new in what they used most", "kind": "message"},
            {"text": "Call and ask what changed; listen before offering anything", "kind": "call"},
        ],
    },
    "unhappy_with_support": {
        "name": "Make good after a complaint",
        "description": "Had trouble and told us: complaints, tickets, low ratings.",
        "features": ["support*", "complaint*", "ticket*", "csat*", "nps*", "rating*", "satisfaction*", "refund*"],
        "steps": [
            {"text": "Read the whole complaint and what was answered", "kind": "other"},
            {"text": "Call, say what went wrong and what was done about it", "kind": "call"},
            {"text": "Look again after a week whether it happened anew", "kind": "other"},
        ],
    },
    "price_or_contract": {
        "name": "Talk about the right plan",
        "description": "Pays much for what is used, or can leave from one month to the next.",
        "features": [
            "contract*",
            "monthly_charges*",
            "monthly_revenue*",
            "price*",
            "plan*",
            "discount*",
            "subscription*",
        ],
        "steps": [
            {"text": "Compare what they pay with what they use", "kind": "other"},
            {"text": "Call and propose the plan that fits, a smaller one too", "kind": "call"},
            {"text": "Offer a year at a lower price where they use much", "kind": "offer"},
        ],
    },
}
"""Key -> the fields of a play."""


def offered(session: Session) -> dict[str, dict[str, Any]]:
    """Return the templates whose name no play has, by key, in their order."""
    taken = {name.lower() for name in session.scalars(select(func.lower(Play.name)))}
    return {key: fields for key, fields in TEMPLATES.items() if fields["name"].lower() not in taken}


def adopt(session: Session, actor: Actor, key: str) -> PlayView:
    """Make a play of a template; raises NotFound for an unknown key, and as `plays.create`."""
    if key not in TEMPLATES:
        raise NotFound(f"There is no template {key[:40]!r}; there are: {', '.join(TEMPLATES)}.")
    return plays.create(session, actor, TEMPLATES[key])
