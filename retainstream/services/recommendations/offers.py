"""Whether an offer to a customer is in order, condition by condition, and what it may cost at most. Whoever decides sees each condition, met or not."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.models import Customer, Exposure
from retainstream.services import exposures, preferences
from retainstream.services.desk import ranking


@dataclass(frozen=True)
class Condition:
    """One condition: `met` is None where it cannot be told."""

    key: str
    met: bool | None
    words: str

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {"key": self.key, "met": self.met, "words": self.words}


@dataclass(frozen=True)
class Offer:
    """Whether an offer is in order: when every condition is met. `at_most` and `month` are minor units of `currency`, None where not known."""

    conditions: tuple[Condition, ...]
    at_most: int | None
    month: int | None
    currency: str

    @property
    def in_order(self) -> bool:
        """Tell whether all conditions are met; one that cannot be told is not."""
        return all(condition.met for condition in self.conditions)

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "in_order": self.in_order,
            "conditions": [condition.to_dict() for condition in self.conditions],
            "at_most": money(self.at_most, self.currency),
            "monthly_revenue": money(self.month, self.currency),
        }


def of_customer(session: Session, settings: Settings, customer: Customer, user_id: str) -> Offer:
    """Return the conditions of an offer to a customer.

    Notes
    -----
    Net gain is acceptance x probability x value - cost (see `ml.economics`). What is left of the expected gain when the offer itself costs nothing
    bounds its depth: an offer that costs more would lose money on average.
    """
    chosen = preferences.read(session)
    order = ranking.read(session, settings)
    place = order.place(customer.id)
    gain = None if place is None or order.gains is None else int(order.gains[place])
    bound = None if gain is None else max(0, gain + chosen.incentive_minor)
    same = customer.currency in (None, settings.currency)
    return Offer(
        conditions=(
            _active(customer),
            _free(session, user_id),
            rested(session, customer.id, chosen.rest_days),
            _worth(gain, scored=place is not None),
            _bounded(bound, chosen.incentive_minor),
        ),
        at_most=bound,
        month=customer.revenue_minor if same else None,
        currency=settings.currency,
    )


def _active(customer: Customer) -> Condition:
    left = customer.churned is True
    return Condition("active", not left, "has left" if left else "has not left")


def _free(session: Session, user_id: str) -> Condition:
    held = exposures.held_out(session, user_id)
    return Condition(
        "not_held_out", not held, "belongs to the permanent hold-out" if held else "does not belong to the hold-out"
    )


def rested(session: Session, customer_id: int, rest_days: int) -> Condition:
    """Return whether the last act lies as far back as acts on one customer shall lie apart."""
    treated = (Exposure.customer_id == customer_id, Exposure.arm == exposures.TREATED, Exposure.stands())
    last = session.scalar(select(func.max(Exposure.at)).where(*treated))
    if last is None:
        return Condition("rested", True, "nothing was done to this customer before")
    days = (clock.now_us() - last) // clock.DAY_US
    ago = "today" if days == 0 else "yesterday" if days == 1 else f"{days} days ago"
    return Condition("rested", days >= rest_days, f"the last act was {ago}; {rest_days} days of rest are asked for")


def _worth(gain: int | None, *, scored: bool) -> Condition:
    if gain is None:
        why = "no probability is shown, so the gain is not known" if scored else "there is no score in force"
        return Condition("net_gain", None, why)
    words = "reaching this customer is expected to bring more than it costs"
    return Condition("net_gain", gain > 0, words if gain > 0 else words.replace("is expected", "is not expected"))


def _bounded(bound: int | None, incentive: int) -> Condition:
    if bound is None:
        return Condition("depth", None, "what an offer may cost is not known without a gain")
    fits = bound >= incentive and bound > 0
    words = (
        "the usual incentive costs no more than is at stake"
        if fits
        else "the usual incentive costs more than is at stake"
    )
    return Condition("depth", fits, words)
