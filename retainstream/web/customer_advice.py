"""What could be done next for a customer, in words for the page. What it rests on is `services.recommendations`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib.money import money
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.recommendations import advice, cross_sell
from retainstream.services.recommendations.advice import Advice
from retainstream.services.recommendations.offers import Condition, Offer
from retainstream.web import today_words
from retainstream.web.template_tools import cash, last_day, percent

_STATES = {True: "met", False: "not-met", None: "unknown"}


@dataclass(frozen=True)
class ConditionLine:
    """A condition of an offer; `state` is met, not-met or unknown."""

    state: str
    words: str


@dataclass(frozen=True)
class PairLine:
    """A product that goes with what was bought."""

    product: str
    words: str


@dataclass(frozen=True)
class AdviceView:
    """The panel. Without a play `why_not` says why; without pairs `note` does."""

    play: str
    because: str
    steps: tuple[str, ...]
    followed: str
    why_not: str
    in_order: bool
    conditions: tuple[ConditionLine, ...]
    at_most: str
    pairs: tuple[PairLine, ...]
    as_of: str
    note: str


def read(session: Session, person: Actor, settings: Settings, user_id: str) -> AdviceView | None:
    """Return the panel; None for somebody who may not see scores."""
    if not person.may(Permission.PREDICTIONS_READ):
        return None
    orders = person.may(Permission.EVENTS_READ) and cross_sell.has_orders(session)
    return present(advice.of_customer(session, person, settings, user_id), orders=orders)


def present(found: Advice, *, orders: bool = True) -> AdviceView:
    """Return the words; without `orders`, that the person may see and the box has, nothing is said of why no product is named."""
    action, offer, bought = found.action, found.offer, found.cross_sell
    items: Any = bought["items"]
    return AdviceView(
        play="" if action is None else action.play.name,
        because="" if action is None else str(action.reason["sentence"]),
        steps=() if action is None else tuple(step["text"] for step in action.play.steps),
        followed="" if action is None else today_words.followed(action.tried),
        why_not=found.why_not,
        in_order=offer is not None and offer.in_order,
        conditions=() if offer is None else tuple(_line(condition) for condition in offer.conditions),
        at_most="" if offer is None else _depth(offer),
        pairs=tuple(_pair(item) for item in items),
        as_of=last_day(bought["as_of"]),  # type: ignore[arg-type]
        note=str(bought["note"]) if orders else "",
    )


def _line(condition: Condition) -> ConditionLine:
    return ConditionLine(_STATES[condition.met], condition.words[:1].upper() + condition.words[1:])


def _depth(offer: Offer) -> str:
    """Return what an offer may cost, and how much of a month's price that is; nothing where no offer is in order."""
    if not offer.in_order or not offer.at_most:
        return ""
    words = f"It may cost up to {cash(money(offer.at_most, offer.currency))} before it loses money on average"
    if not offer.month:
        return f"{words}."
    months = offer.at_most / offer.month
    depth = f"{percent(months, 0)} of a month’s price" if months < 1 else f"{months:.1f} months’ price"
    return f"{words}: {depth}."


def _pair(item: Mapping[str, Any]) -> PairLine:
    low, high = item["interval"]
    words = (
        f"{percent(item['confidence'], 0)} of {item['n_bought']:,} who bought {item['bought']} "
        f"({percent(low, 0)} to {percent(high, 0)}), {item['lift']:.1f} times as often as all {item['n']:,} buyers"
    )
    return PairLine(str(item["product"]), words)
