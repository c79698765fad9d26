"""Columns of lists that analyses made: lifetime value, RFM group and health of the runs in force, for a few customers at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib.money import money, to_major
from retainstream.models import HealthScore, LifetimeValue, RfmScore
from retainstream.services.analyses import runs

LIFETIME, RFM, HEALTH = "lifetime_value", "rfm", "health"
_OF_LIFETIME: dict[str, Any] = dict.fromkeys(
    ("lifetime", "lifetime_value", "lifetime_low", "lifetime_high", "lifetime_currency")
)


def there(session: Session) -> tuple[str, ...]:
    """Return the keys of the columns that there are figures for."""
    kinds = {LIFETIME: "lifetime", RFM: "rfm", HEALTH: "health"}
    return tuple(key for key, kind in kinds.items() if runs.in_force(session, kind) is not None)


def values(session: Session, ids: Sequence[int], keys: Collection[str]) -> dict[int, dict[str, Any]]:
    """Return what the asked columns hold of each customer, None where a customer has no figure.

    `rfm` is the group's name; `lifetime` the value in the API's form, and `lifetime_value`, `lifetime_low`, `lifetime_high` the same and its interval
    in the main unit of `lifetime_currency`; `health_score` 0 to 100, and `health_band`.
    """
    found: dict[int, dict[str, Any]] = {one: {} for one in ids}
    if LIFETIME in keys:
        run = runs.in_force(session, "lifetime")
        value = LifetimeValue
        rows = (
            ()
            if run is None
            else session.scalars(select(value).where(value.run_id == run.id, value.customer_id.in_(ids)))
        )
        told = {row.customer_id: _lifetime(row) for row in rows}
        for one in ids:
            found[one] |= told.get(one, _OF_LIFETIME)
    if RFM in keys:
        run = runs.in_force(session, "rfm")
        query = select(RfmScore.customer_id, RfmScore.name)
        query = query.where(RfmScore.run_id == (0 if run is None else run.id), RfmScore.customer_id.in_(ids))
        names = {row[0]: row[1] for row in session.execute(query)}
        for one in ids:
            found[one][RFM] = names.get(one)
    if HEALTH in keys:
        run = runs.in_force(session, "health")
        scored = select(HealthScore.customer_id, HealthScore.score, HealthScore.band)
        scored = scored.where(HealthScore.run_id == (0 if run is None else run.id), HealthScore.customer_id.in_(ids))
        health = {row[0]: (row[1], row[2]) for row in session.execute(scored)}
        for one in ids:
            found[one]["health_score"], found[one]["health_band"] = health.get(one, (None, None))
    return found


def presented(session: Session, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what the API's items say of each customer: `health`, `rfm_group` and `lifetime_value`, each None where there is no figure."""
    found: dict[int, dict[str, Any]] = {one: {"health": None, "rfm_group": None, "lifetime_value": None} for one in ids}
    run = runs.in_force(session, "health")
    if run is not None:
        of_health = select(HealthScore.customer_id, HealthScore.score, HealthScore.band, HealthScore.confidence)
        of_health = of_health.where(HealthScore.run_id == run.id, HealthScore.customer_id.in_(ids))
        for one, score, band, confidence in session.execute(of_health):
            found[one]["health"] = {"score": score, "band": band, "confidence": confidence}
    run = runs.in_force(session, "rfm")
    if run is not None:
        of_rfm = select(RfmScore.customer_id, RfmScore.name)
        for one, name in session.execute(of_rfm.where(RfmScore.run_id == run.id, RfmScore.customer_id.in_(ids))):
            found[one]["rfm_group"] = name
    run = runs.in_force(session, "lifetime")
    if run is not None:
        value = LifetimeValue
        for row in session.scalars(select(value).where(value.run_id == run.id, value.customer_id.in_(ids))):
            amounts = {"value": row.value_minor, "low": row.low_minor, "high": row.high_minor}
            found[row.customer_id]["lifetime_value"] = {
                name: money(minor, row.currency) for name, minor in amounts.items()
            }
    return found


def _lifetime(row: LifetimeValue) -> dict[str, Any]:
    def major(minor: int | None) -> Any:
        return None if minor is None else to_major(minor, row.currency)

    return {
        "lifetime": money(row.value_minor, row.currency),
        "lifetime_value": major(row.value_minor),
        "lifetime_low": major(row.low_minor),
        "lifetime_high": major(row.high_minor),
        "lifetime_currency": row.currency,
    }
