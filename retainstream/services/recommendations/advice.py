"""What could be done next for one customer: the play that fits, whether an offer is in order, what else is bought; each with what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.models import Customer
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import exposures, predictions, preferences
from retainstream.services.customers import record
from retainstream.services.desk import board, plays, tried
from retainstream.services.desk.plays import PlayView
from retainstream.services.desk.tried import Tried
from retainstream.services.recommendations import cross_sell, offers
from retainstream.services.recommendations.offers import Offer

NOT_CAUSAL: Final = "Counts of what followed, not a causal figure: whoever got the play was chosen for being at risk."
_HELD_OUT: Final = "This customer belongs to the permanent hold-out, which is kept apart to measure what acts save: nothing is proposed."
_NO_EVENTS: Final = "What this customer bought is seen with the permission events:read."


@dataclass(frozen=True)
class NextAction:
    """A play with the reason that it fits, and what followed where it was tried."""

    play: PlayView
    reason: Mapping[str, Any]
    tried: Tried

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "play": {"id": self.play.id, "name": self.play.name, "steps": list(self.play.steps)},
            "reason": {name: self.reason[name] for name in ("feature", "title", "sentence") if name in self.reason},
            "tried": self.tried.to_dict(),
            "caution": NOT_CAUSAL,
        }


@dataclass(frozen=True)
class Advice:
    """What could be done next. `action` is None with a `why_not`; `offer` None for those who may not see scores."""

    user_id: str
    action: NextAction | None
    why_not: str
    offer: Offer | None
    cross_sell: dict[str, object]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "user_id": self.user_id,
            "next_action": self.action and self.action.to_dict(),
            "no_action_because": self.why_not,
            "offer": self.offer and self.offer.to_dict(),
            "cross_sell": self.cross_sell,
        }


def of_customer(session: Session, actor: Actor, settings: Settings, user_id: str) -> Advice:
    """Return what could be done next for a customer, as far as the actor may see what it rests on; raises NotFound for an unknown one."""
    customer, _ = record.require(session, user_id)
    score = predictions.scores_of(session, [customer.id]).get(customer.id, predictions.NO_SCORE)
    reasons: Any = score["reasons"] or ()
    action, why_not = None, _alone_because(session, actor, customer, user_id)
    if not why_not:
        action = _fitting(session, actor, reasons)
        why_not = "" if action else _nothing_fits(reasons)
    may_score, may_events = actor.may(Permission.PREDICTIONS_READ), actor.may(Permission.EVENTS_READ)
    return Advice(
        user_id=user_id,
        action=action if may_score else None,
        why_not=why_not if may_score else "Reasons are seen with the permission predictions:read.",
        offer=offers.of_customer(session, settings, customer, user_id) if may_score else None,
        cross_sell=cross_sell.of_customer(session, settings, customer.id)
        if may_events
        else {"as_of": None, "items": [], "note": _NO_EVENTS},
    )


def _alone_because(session: Session, actor: Actor, customer: Customer, user_id: str) -> str:
    """Return why nothing is proposed whatever the reasons say; nothing where something may be."""
    if not actor.may(Permission.TASKS_READ):
        return "Plays are seen with the permission tasks:read."
    if customer.churned is True:
        return "This customer has left."
    if exposures.held_out(session, user_id):
        return _HELD_OUT
    if board.open_of(session, customer.id) is not None:
        return "Somebody is on it: there is an open task."
    rest = offers.rested(session, customer.id, preferences.read(session).rest_days)
    return "" if rest.met else f"This customer is left alone for now: {rest.words}."


def _fitting(session: Session, actor: Actor, reasons: Sequence[Mapping[str, Any]]) -> NextAction | None:
    """Return the play that `plays.propose` proposes, with the reason that it fits."""
    proposed = plays.propose(session, reasons)
    if proposed is None:
        return None
    play = plays.read(session, actor, proposed.id)
    reason = next(
        one
        for one in reasons
        if one["direction"] == "raises" and any(plays.speaks_of(name, str(one["feature"])) for name in play.features)
    )
    return NextAction(play, reason, tried.of_plays(session, actor).get(play.id, tried.NEVER))


def _nothing_fits(reasons: Sequence[Mapping[str, Any]]) -> str:
    if not any(one["direction"] == "raises" for one in reasons):
        return "Nothing that is known of this customer raises the score."
    return "No play in force speaks of what raises this score."
