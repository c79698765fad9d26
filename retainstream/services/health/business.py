"""The health of the business: its figures, each with whom it counts, put together by `retainstream.ml.health.business_health`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import ChurnDefinition, LatestScore, ScoringRun
from retainstream.services import churn_definitions, registry, revisions
from retainstream.services.analyses import kept, material
from retainstream.services.health import reading

if TYPE_CHECKING:
    from retainstream.ml.health import BusinessFigures, BusinessHealth
    from retainstream.services.analyses.material import Material

DAYS = 30
WINDOW_US = DAYS * clock.DAY_US
LARGEST = 10


@dataclass(frozen=True)
class Business:
    """The score, what it is made of, and whom its figures count.

    Attributes
    ----------
    as_of : int
        End of the data, microseconds UTC.
    lost_until : int or None
        End of the 30 days in which departures are counted: the last day of which every one is certain. None without a history.
    members : dict of str to int64 array
        Rising ids: `before`, `lost`, `now`, `active`, `ten`; those that are known.
    notes : tuple of str
        What a reader should know of how the figures came about.
    """

    as_of: int
    lost_until: int | None
    currency: str
    figures: BusinessFigures
    health: BusinessHealth
    members: dict[str, np.ndarray]
    notes: tuple[str, ...]


_kept: Kept[Business] = Kept(2)


def read(session: Session, settings: Settings) -> Business:
    """Return the health of the business; raises NotReady before the analyses were made."""
    counters = revisions.read(session)
    key = (kept.state(session), counters["scores"], counters["model"])
    return _kept.of(key, lambda: _made(session, settings))


def _made(session: Session, settings: Settings) -> Business:
    from retainstream.ml.health import BusinessFigures, business_health

    found = _material(session, settings)
    members: dict[str, np.ndarray] = {}
    notes: list[str] = []
    given: dict[str, int | float | bool | None] = {}
    lost_until = None
    if found is not None and found.kind == material.FORWARD:
        lost_until = _retention(session, found, members)
        given |= {"customers_before": len(members["before"]), "customers_lost": len(members["lost"])}
        if lost_until != found.as_of:
            days = (found.as_of - lost_until) // clock.DAY_US
            notes.append(
                f"Departures are certain only {days} days later, so they are counted over the 30 days before that."
            )
        given |= _revenue(found, members)
        if found.other_currency:
            notes.append(
                f"{found.other_currency:,} subscriptions in other currencies than {found.currency} are not in the revenue."
            )
    else:
        notes.append(
            "A labelled table has no times: who left within 30 days, and how revenue moved, cannot be told from it."
        )
    given |= _engagement(session, members)
    if found is not None and given.get("revenue_now"):
        at_risk, words = _at_risk(session, found)
        given["revenue_at_risk"] = at_risk
        notes += words
    given |= _trust(session)
    figures = BusinessFigures(**given)  # type: ignore[arg-type]
    moment = reading.standing(session).as_of if found is None else found.as_of
    currency = settings.currency if found is None else found.currency
    return Business(moment, lost_until, currency, figures, business_health(figures), members, tuple(notes))


def _material(session: Session, settings: Settings) -> Material | None:
    """Return the material in force; None where this box has none but health scores, as a table without tenures."""
    try:
        return material.read(session, settings)
    except NotReady:
        reading.standing(session)
        return None


def _retention(session: Session, found: Material, members: dict[str, np.ndarray]) -> int:
    definition = None if found.definition_id is None else session.get(ChurnDefinition, found.definition_id)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    until = found.as_of - (0 if rule is None else rule.confirm_days * clock.DAY_US)
    start = until - WINDOW_US
    there = (found.stay_start < start) & (found.stay_end >= start)
    back = (found.stay_start < until) & (found.stay_end >= until)
    members["before"] = np.unique(found.stay_customer[there])
    # Who left and came back within the month is still there.
    members["lost"] = np.setdiff1d(members["before"], np.unique(found.stay_customer[back]))
    return until


def _revenue(found: Material, members: dict[str, np.ndarray]) -> dict[str, int | None]:
    if not len(found.span_customer):
        return {}
    before = _running(found, found.as_of - WINDOW_US)
    owners, revenue = by_customer(found, found.as_of)
    if not len(owners):
        return {"revenue_before": int(found.span_revenue[before].sum()), "revenue_now": 0}
    largest = np.lexsort((owners, -revenue))[:LARGEST]
    members["ten"] = np.sort(owners[largest])
    return {
        "revenue_before": int(found.span_revenue[before].sum()),
        "revenue_now": int(revenue.sum()),
        "revenue_of_ten": int(revenue[largest].sum()),
    }


def _running(found: Material, moment: int) -> np.ndarray:
    return np.asarray((found.span_start < moment) & (found.span_end >= moment))


def by_customer(found: Material, moment: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who pays at a time, rising ids, and how much a month, minor units: int64 arrays."""
    running = _running(found, moment)
    owners, place = np.unique(found.span_customer[running], return_inverse=True)
    revenue = np.zeros(len(owners), np.int64)
    np.add.at(revenue, place, found.span_revenue[running])
    return owners, revenue


def _engagement(session: Session, members: dict[str, np.ndarray]) -> dict[str, int | None]:
    """Count customers and those with a sign of life, by the health scores: they know the last one of each."""
    try:
        now = reading.standing(session)
    except NotReady:
        return {}
    members["now"] = now.ids
    if not len(now) or np.isnan(now.seen).all():
        return {"customers_now": len(now)}
    members["active"] = now.ids[now.seen <= DAYS]
    return {"customers_now": len(now), "customers_active": len(members["active"])}


def _at_risk(session: Session, found: Material) -> tuple[float | None, list[str]]:
    """Return the sum of probability x revenue over 30 days, of those who pay now, and what is to be said of it; None where probabilities are withheld."""
    rows = session.execute(
        select(LatestScore.customer_id, LatestScore.probability, ChurnDefinition.horizon_days)
        .join(ScoringRun, ScoringRun.id == LatestScore.run_id)
        .join(ChurnDefinition, ChurnDefinition.id == ScoringRun.definition_id)
        .where(LatestScore.probability.is_not(None))
    ).all()
    if not rows:
        return None, []
    owners, revenue = by_customer(found, found.as_of)
    scores = {row[0]: (row[1], row[2]) for row in rows}
    total, horizons = 0.0, set()
    for customer, paid in zip(owners.tolist(), revenue.tolist(), strict=True):
        told, horizon = scores.get(customer, (None, None))
        probability = told or 0.0
        if horizon and horizon != DAYS:
            horizons.add(horizon)
            probability = 1.0 - (1.0 - probability) ** (DAYS / horizon)
        total += probability * paid
    words = [
        f"The model looks {days} days ahead; its probabilities are turned into those of 30 days as if leaving were equally likely on each."
        for days in sorted(horizons)
    ]
    return total, words


def _trust(session: Session) -> dict[str, float | bool | None]:
    current = registry.champion(session)
    if current is None:
        return {}
    auc = registry.auc_of(session, current.version_id)
    if auc is None:
        return {}
    low = auc.low if auc.low is not None else auc.value
    return {"auc_low": low, "calibrated": bool(current.calibrated)}
