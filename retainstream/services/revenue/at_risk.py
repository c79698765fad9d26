"""Monthly revenue of customers who have not left, and what of it is expected to go, by risk band and by plan: as customers are today.

The sums are those of Home; each row counts exactly those whom its list shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db
from retainstream.lib.kept import Kept
from retainstream.models import Customer, LatestScore
from retainstream.services import dashboard, preferences, revisions

_MOVED_BY = ("customers", "scores", "model", "settings", "removals")


@dataclass(frozen=True)
class Row:
    """One band or plan: `key` as the filter of the list has it, customers, those with an amount, and amounts in minor units for a month."""

    key: str
    customers: int
    priced: int
    monthly: int
    at_risk: int | None

    def to_dict(self, name: str) -> dict[str, object]:
        """Return the API's form; `name` is that of the key."""
        return {
            name: self.key or None,
            "customers": self.customers,
            "customers_with_amount": self.priced,
            "monthly_revenue_minor": self.monthly,
            "revenue_at_risk_minor": self.at_risk,
        }


@dataclass(frozen=True)
class AtRisk:
    """Total, by band (the riskiest first) and by plan (the largest first). Amounts are in one currency; None where there is none."""

    currency: str
    monthly: Mapping[str, Any] | None
    at_risk: Mapping[str, Any] | None
    scored_at: str | None
    customers: int
    bands: tuple[Row, ...]
    plans: tuple[Row, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "currency": self.currency,
            "monthly_revenue": self.monthly,
            "revenue_at_risk": self.at_risk,
            "scored_at": self.scored_at,
            "customers": self.customers,
            "bands": [row.to_dict("band") for row in self.bands],
            "plans": [row.to_dict("plan") for row in self.plans],
        }


_kept: Kept[AtRisk] = Kept(4)


def read(session: Session, settings: Settings) -> AtRisk:
    """Return what is at risk now."""
    counters = revisions.read(session)
    key = (db.engine.url.database, *(counters[name] for name in _MOVED_BY))
    return _kept.of(key, lambda: _made(session, settings))


def _made(session: Session, settings: Settings) -> AtRisk:
    metrics: dict[str, Any] = dashboard.metrics(session, settings)
    monthly = metrics["monthly_revenue"]
    currency = str(monthly["currency"]) if monthly else settings.currency
    bands = _rows(session, settings, LatestScore.band, currency, scored=True)
    plans = _rows(session, settings, func.coalesce(Customer.plan, ""), currency, scored=False)
    names = preferences.BAND_NAMES
    return AtRisk(
        currency=currency,
        monthly=monthly,
        at_risk=metrics["revenue_at_risk"],
        scored_at=metrics["scored_at"],
        customers=metrics["active_customers"],
        bands=tuple(replace(row, key=names[int(band)]) for band, row in sorted(bands, key=lambda one: -int(one[0]))),
        plans=tuple(replace(row, key=plan) for plan, row in sorted(plans, key=lambda one: (-one[1].monthly, one[0]))),
    )


def _rows(
    session: Session, settings: Settings, by: ColumnElement[Any] | Any, currency: str, *, scored: bool
) -> list[tuple[Any, Row]]:
    own = (Customer.revenue_minor.is_not(None)) & (func.coalesce(Customer.currency, settings.currency) == currency)
    amount = case((own, Customer.revenue_minor), else_=None)
    query = (
        select(by, func.count(), func.count(amount), func.sum(amount), func.sum(amount * LatestScore.probability))
        .select_from(Customer)
        .join(LatestScore, LatestScore.customer_id == Customer.id, isouter=not scored)
        .where(Customer.visible(), Customer.churned.is_not(True))
        .group_by(by)
    )
    return [
        (key, Row("", n, priced, int(monthly or 0), None if risk is None else round(risk)))
        for key, n, priced, monthly, risk in session.execute(query)
    ]


def on_plan(session: Session, plan: str) -> tuple[int, ...]:
    """Return who has not left and has a plan, rising; the empty one stands for none. The filter of lists cannot name every plan."""
    its = func.coalesce(Customer.plan, "") == plan
    query = select(Customer.id).where(Customer.visible(), Customer.churned.is_not(True), its).order_by(Customer.id)
    return tuple(session.scalars(query))


def plans(session: Session) -> tuple[str, ...]:
    """Return the plans of customers who have not left; the empty one stands for none."""
    query = select(func.coalesce(Customer.plan, "")).where(Customer.visible(), Customer.churned.is_not(True)).distinct()
    return tuple(session.scalars(query))
