"""Figures of the whole base in one answer: what Home shows, and where the risk lies. Each comes from the service that makes it."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services import dashboard, trend

_RISK: Final = (
    "active_customers",
    "scored_customers",
    "predicted_churners",
    "expected_churners",
    "expected_churners_interval",
    "average_churn_probability",
    "monthly_revenue",
    "revenue_at_risk",
    "other_currencies",
    "wording",
    "as_of",
    "scored_at",
    "stale",
)


def read(session: Session, settings: Settings) -> dict[str, object]:
    """Return headline figures, distribution, drivers and the last scorings, as their own routes have them."""
    return {
        "metrics": dashboard.metrics(session, settings),
        "distribution": dashboard.distribution(session),
        "drivers": dashboard.features(session),
        "trends": [moment.to_dict() for moment in trend.moments(session)],
    }


def churn_risk(session: Session, settings: Settings) -> dict[str, object]:
    """Return how many are expected to leave, what they pay, and how the scores fall into bands."""
    figures, spread = dashboard.metrics(session, settings), dashboard.distribution(session)
    return {name: figures[name] for name in _RISK} | {name: spread[name] for name in ("measure", "bands")}
