"""What a person may change while the box runs: every preference with its default and its check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.models import Setting
from retainstream.security.actor import Actor
from retainstream.services import audit, revisions

BAND_NAMES = ("low", "medium", "high", "very_high")


@dataclass(frozen=True)
class Preferences:
    """All preferences with their defaults.

    Attributes
    ----------
    risk_bands : tuple of three floats
        Probabilities at which medium, high and very high begin; rising, inside (0, 1).
    percentile_bands : tuple of three floats
        The same as shares of the ranked customers, for a model whose probabilities may not be shown.
    acceptance, value_minor, contact_cost_minor
        Net gain of reaching a customer is acceptance x probability x value - cost. The acceptance is the mean of the Beta(6, 14) and value and cost are
        those (200 and 1 + 10, in the main unit) of Verbraken, Verbeke and Baesens (2013).
    incentive_minor : int
        The part of the cost that only those take who accept the offer.
    high_value_share : float
        Share of active customers, by monthly revenue, that count as high value.
    hold_out_share : float
        Share of customers whom no act may ever reach, so that what acts save can be measured; 0 switches the hold-out off.
    daily_capacity : int
        How many customers the team can reach in a day: the list of today is filled up to it.
    due_days : int
        Within how many days a task that was taken is to be done.
    rest_days : int
        For how many days after an act a customer is not proposed again.
    margin : float
        Share of what customers pay that remains after the cost of what they get; lifetime values count it, not the revenue.
    annual_discount : float
        By how much a year's delay lowers what money is worth: 0.10 divides by 1.10.
    value_months : int
        How many months a lifetime value looks ahead.
    """

    risk_bands: tuple[float, float, float] = (0.20, 0.45, 0.70)
    percentile_bands: tuple[float, float, float] = (0.80, 0.90, 0.97)
    acceptance: float = 0.30
    value_minor: int = 20_000
    contact_cost_minor: int = 1_100
    incentive_minor: int = 1_000
    high_value_share: float = 0.20
    hold_out_share: float = 0.05
    daily_capacity: int = 20
    due_days: int = 3
    rest_days: int = 14
    margin: float = 1.0
    annual_discount: float = 0.10
    value_months: int = 12

    def band_of(self, probability: float | None, percentile: float) -> int:
        """Return 0 to 3 for low to very high, by probability or, where that is withheld, by percentile (0 to 1)."""
        edges, value = (self.percentile_bands, percentile) if probability is None else (self.risk_bands, probability)
        return sum(value >= edge for edge in edges)


NAMES = tuple(asdict(Preferences()))
"""The names of all preferences."""
COUNTS = {"daily_capacity": (1, 10_000), "due_days": (0, 90), "rest_days": (0, 365), "value_months": (1, 60)}
"""Preferences that are whole numbers, with the least and the most of each."""


def read(session: Session) -> Preferences:
    """Return the preferences in force."""
    stored: dict[str, Any] = {row.name: row.value for row in session.scalars(select(Setting)) if row.name in NAMES}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Preferences(**chosen)


def write(session: Session, actor: Actor, changes: dict[str, Any]) -> Preferences:
    """Store changed preferences and return all; raises InvalidInput naming the field, and then stores none."""
    problems = {name: [complaint] for name, value in changes.items() if (complaint := _complaint(name, value))}
    if problems:
        raise InvalidInput("Some preferences are not as expected.", fields=problems)
    for name, value in changes.items():
        session.merge(Setting(name=name, value=value, updated_at=clock.now_us(), updated_by=actor.user_id))
    audit.record(session, actor, "settings.change", "settings", fields=changes)
    revisions.bump(session, "settings")
    session.flush()
    return read(session)


def changed(session: Session) -> frozenset[str]:
    """Return the names of the preferences that somebody set; the others follow the product's defaults."""
    return frozenset(session.scalars(select(Setting.name).where(Setting.name.in_(NAMES))))


def reset(session: Session, actor: Actor, names: Iterable[str] = NAMES) -> Preferences:
    """Set preferences back to the defaults and return all; raises InvalidInput naming what is no preference, and then sets none back."""
    wanted = sorted(set(names))
    if strangers := {name: ["there is no such preference"] for name in wanted if name not in NAMES}:
        raise InvalidInput("Some preferences are not as expected.", fields=strangers)
    stored = sorted(changed(session) & set(wanted))
    if stored:
        # Other rows of the table are not preferences: the salt of the hold-out, the definition in force.
        session.execute(delete(Setting).where(Setting.name.in_(stored)))
        session.expire_all()
        audit.record(session, actor, "settings.reset", "settings", fields=stored)
        revisions.bump(session, "settings")
        session.flush()
    return read(session)


def _complaint(name: str, value: object) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ("risk_bands", "percentile_bands"):
        fine = isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(v, int | float) for v in value)
        fine = fine and 0 < value[0] < value[1] < value[2] < 1  # type: ignore[index]
        return None if fine else "three rising numbers between 0 and 1"
    if name in ("acceptance", "high_value_share", "margin"):
        return None if number and 0 < value <= 1 else "a number above 0 and up to 1"  # type: ignore[operator]
    if name == "hold_out_share":
        return None if number and 0 <= value <= 0.5 else "a number from 0 to 0.5"  # type: ignore[operator]
    if name == "annual_discount":
        return None if number and 0 <= value <= 1 else "a number from 0 to 1"  # type: ignore[operator]
    if name in ("value_minor", "contact_cost_minor", "incentive_minor"):
        return None if isinstance(value, int) and number and 0 <= value <= 10**12 else "a whole number of minor units"
    if name in COUNTS:
        low, high = COUNTS[name]
        fine = isinstance(value, int) and number and low <= value <= high
        return None if fine else f"a whole number from {low} to {high:,}"
    return "there is no such preference"
