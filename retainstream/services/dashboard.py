"""The figures of the overview, each equal to the list that it opens; computed once for each state of the data and then kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Integer, and_, case, cast, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.models import (
    AliasMove,
    AttributeDefinition,
    Customer,
    FeatureImportance,
    LatestScore,
    ModelMetric,
    ModelVersion,
    ScoringRun,
)
from retainstream.services import preferences, revisions

STALE_AFTER_US = 36 * clock.HOUR_US
"""A nightly score that is older than this has missed a night."""
BINS = 20
_KEPT = 8


@dataclass(frozen=True)
class _Key:
    file: str
    what: str
    revisions: tuple[int, ...]


_cache: OrderedDict[_Key, dict[str, object]] = OrderedDict()
_lock = threading.Lock()


def _kept(session: Session, settings: Settings, what: str) -> tuple[dict[str, object] | None, _Key]:
    key = _Key(str(settings.database_file), what, tuple(revisions.read(session).values()))
    with _lock:
        return _cache.get(key), key


def _keep(key: _Key, value: dict[str, object]) -> None:
    with _lock:
        _cache[key] = value
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)


def metrics(session: Session, settings: Settings) -> dict[str, object]:
    """Return the headline figures.

    `churn_rate` is churned over labelled customers. Money and scores cover customers that have not left. `predicted_churners` counts the bands high and
    very high; `expected_churners` is the sum of probabilities, None while the model's probabilities are withheld. Figures that need a model are None
    without one. `stale` tells that data changed since the scores were made, or that they are older than 36 hours.
    """
    found, key = _kept(session, settings, "metrics")
    if found is None:
        found = _metrics(session, settings)
        _keep(key, found)
    fresh = dict(found)
    scored_us = fresh.pop("_scored_us")
    changed = fresh.pop("_changed")
    fresh["stale"] = isinstance(scored_us, int) and (bool(changed) or clock.now_us() - scored_us > STALE_AFTER_US)
    return fresh


def _metrics(session: Session, settings: Settings) -> dict[str, object]:
    active = Customer.churned.is_not(True)
    totals = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((active, 1), else_=0)), 0),
            func.coalesce(func.sum(case((Customer.churned.is_(True), 1), else_=0)), 0),
            func.coalesce(func.sum(case((Customer.churned.is_not(None), 1), else_=0)), 0),
            func.max(Customer.updated_at),
        ).where(Customer.visible())
    ).one()
    total, active_count, churned, labelled, newest = totals
    scores = session.execute(
        select(
            func.count(),
            func.avg(LatestScore.probability),
            func.sum(LatestScore.probability),
            func.sum(LatestScore.probability * (1 - LatestScore.probability)),
            func.coalesce(func.sum(case((LatestScore.band >= 2, 1), else_=0)), 0),
        )
        .select_from(LatestScore)
        .join(Customer, Customer.id == LatestScore.customer_id)
        .where(Customer.visible(), active)
    ).one()
    scored, average, expected, variance, predicted = scores
    run = session.scalars(
        select(ScoringRun)
        .where(ScoringRun.state == "complete", ScoringRun.role == "champion")
        .order_by(ScoringRun.id.desc())
    ).first()
    spread = 1.96 * max(0.0, variance or 0.0) ** 0.5
    return {
        "total_customers": total,
        "active_customers": active_count,
        "churned_customers": churned,
        "labelled_customers": labelled,
        "churn_rate": churned / labelled if labelled else None,
        "scored_customers": scored,
        "predicted_churners": predicted if run else None,
        "expected_churners": expected,
        "expected_churners_interval": None
        if expected is None
        else [max(0.0, expected - spread), min(float(scored), expected + spread)],
        "average_churn_probability": average,
        **_revenue(session, settings),
        "model": _model(session),
        "scored_at": clock.iso(run.finished_at) if run else None,
        "as_of": clock.iso(run.as_of) if run else None,
        "data_as_of": clock.iso(run.data_as_of) if run else None,
        "horizon_days": None,
        "wording": "resembles those who left",
        "_scored_us": run.finished_at if run else None,
        "_changed": bool(run and newest and newest > run.started_at),
    }


def _revenue(session: Session, settings: Settings) -> dict[str, object]:
    """Return monthly revenue and the part at risk in the currency of most customers; the other currencies stand beside it."""
    rows = session.execute(
        select(
            func.coalesce(Customer.currency, settings.currency).label("currency"),
            func.count(),
            func.sum(Customer.revenue_minor),
            func.sum(Customer.revenue_minor * LatestScore.probability),
        )
        .select_from(Customer)
        .outerjoin(LatestScore, LatestScore.customer_id == Customer.id)
        .where(Customer.visible(), Customer.churned.is_not(True), Customer.revenue_minor.is_not(None))
        .group_by("currency")
        .order_by(func.count().desc(), "currency")
    ).all()
    amounts = [
        {
            "monthly_revenue": money(monthly, currency),
            "revenue_at_risk": None if at_risk is None else money(round(at_risk), currency),
        }
        for currency, _, monthly, at_risk in rows
    ]
    head = amounts[0] if amounts else {"monthly_revenue": None, "revenue_at_risk": None}
    return {**head, "other_currencies": amounts[1:]}


def _model(session: Session) -> dict[str, object] | None:
    champion = session.scalar(
        select(AliasMove.model_version_id).where(AliasMove.alias == "champion").order_by(AliasMove.id.desc()).limit(1)
    )
    version = session.get(ModelVersion, champion) if champion is not None else None
    if version is None:
        return None
    auc = session.execute(
        select(ModelMetric.value, ModelMetric.low, ModelMetric.high).where(
            ModelMetric.model_version_id == version.id, ModelMetric.subject == "xgboost", ModelMetric.name == "auc"
        )
    ).first()
    return {
        "version": version.id,
        "kind": version.kind,
        "auc": auc[0] if auc else None,
        "auc_interval": [auc[1], auc[2]] if auc else None,
        "calibrated": version.calibrated,
        "trained_at": clock.iso(version.trained_at),
    }


def distribution(session: Session, settings: Settings) -> dict[str, object]:
    """Return how the scores of active customers spread: twenty equal bins, and the bands with the edges that make them.

    Bins are over the probability, or over the rank percentile where probabilities are withheld; each bin is [low, high), the last one closed.
    """
    found, key = _kept(session, settings, "distribution")
    if found is None:
        found = _distribution(session)
        _keep(key, found)
    return found


def _distribution(session: Session) -> dict[str, object]:
    scored = and_(Customer.visible(), Customer.churned.is_not(True))
    bands: dict[int, int] = dict(
        session.execute(
            select(LatestScore.band, func.count())
            .join(Customer, Customer.id == LatestScore.customer_id)
            .where(scored)
            .group_by(LatestScore.band)
        ).all()
    )
    withheld = session.scalar(
        select(func.count())
        .select_from(LatestScore)
        .join(Customer, Customer.id == LatestScore.customer_id)
        .where(scored, LatestScore.probability.is_(None))
    )
    measure = LatestScore.percentile if withheld else LatestScore.probability
    place = case((measure >= 1, BINS - 1), else_=cast(measure * BINS, Integer))
    counts: dict[int, int] = {
        int(index): n
        for index, n in session.execute(
            select(place, func.count())
            .select_from(LatestScore)
            .join(Customer, Customer.id == LatestScore.customer_id)
            .where(scored)
            .group_by(place)
        )
    }
    chosen = preferences.read(session)
    return {
        "n": sum(bands.values()),
        "measure": "risk_percentile" if withheld else "churn_probability",
        "bins": [
            {"low": index / BINS, "high": (index + 1) / BINS, "count": counts.get(index, 0)} for index in range(BINS)
        ],
        "bands": [
            {
                "band": name,
                "count": bands.get(index, 0),
                "from": ([0.0, *(chosen.percentile_bands if withheld else chosen.risk_bands)])[index],
            }
            for index, name in enumerate(preferences.BAND_NAMES)
        ],
    }


def features(session: Session) -> dict[str, object]:
    """Return what the champion looks at, strongest first: mean absolute SHAP value on the margin and its share of the total."""
    model = _model(session)
    if model is None:
        return {"model_version": None, "items": []}
    rows = session.execute(
        select(FeatureImportance, AttributeDefinition.title)
        .outerjoin(AttributeDefinition, AttributeDefinition.name == FeatureImportance.feature_name)
        .where(FeatureImportance.model_version_id == model["version"])
        .order_by(FeatureImportance.rank)
    ).all()
    items: list[dict[str, object]] = [
        {
            "feature": row.feature_name,
            "title": title or row.feature_name,
            "shap_value": row.shap_value,
            "share": row.share,
            "rank": row.rank,
        }
        for row, title in rows
    ]
    return {"model_version": model["version"], "items": items}
