"""The figures of the overview, each equal to the list that it opens; computed once for each state of the data and then kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Integer, and_, case, cast, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.lib.money import money
from retainstream.models import (
    ChurnDefinition,
    Customer,
    FeatureImportance,
    FeatureSet,
    LatestScore,
    ScoringRun,
)
from retainstream.services import model_card, preferences, registry, revisions

STALE_AFTER_US = 36 * clock.HOUR_US
"""A nightly score that is older than this has missed a night."""
BINS = 20
_MOVED_BY = ("customers", "scores", "model", "settings")
"""The counters of what the figures are made of. New events alone move none of them before the next scoring."""
_KEPT = 8


@dataclass(frozen=True)
class Answer:
    """A body that is ready to be sent, and the ETag of exactly these bytes."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, payload: object) -> Answer:
        """Return the answer that carries a JSON payload."""
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        return cls(body, hashlib.sha256(body).hexdigest()[:32])


@dataclass(frozen=True)
class _Metrics:
    """The figures of one state of the data. Only `stale` still turns, with the clock, so there are two answers."""

    figures: dict[str, object]
    scored_us: int | None
    changed: bool
    answers: dict[bool, Answer] = field(default_factory=dict)

    def stale(self) -> bool:
        return self.scored_us is not None and (self.changed or clock.now_us() - self.scored_us > STALE_AFTER_US)

    def payload(self) -> dict[str, object]:
        return {**self.figures, "stale": self.stale()}

    def answer(self) -> Answer:
        stale = self.stale()
        if stale not in self.answers:
            self.answers[stale] = Answer.of({**self.figures, "stale": stale})
        return self.answers[stale]


@dataclass(frozen=True)
class _Key:
    database: str | None
    revisions: tuple[int, ...]


_kept_metrics: Kept[_Metrics] = Kept(_KEPT)
_kept_distribution: Kept[dict[str, object]] = Kept(_KEPT)


def _key(counters: Mapping[str, int]) -> _Key:
    return _Key(db.engine.url.database, tuple(counters[name] for name in _MOVED_BY))


def metrics(session: Session, settings: Settings) -> dict[str, object]:
    """Return the headline figures.

    `churn_rate` is churned over labelled customers. Money and scores cover customers that have not left. `predicted_churners` counts the bands high and
    very high; `expected_churners` is the sum of probabilities, None while the model's probabilities are withheld. Figures that need a model are None
    without one. `stale` tells that data changed since the scores were made, or that they are older than 36 hours.
    """
    return _judged(session, settings).payload()


def metrics_answer(session: Session, settings: Settings) -> Answer:
    """Return the headline figures ready to be sent."""
    return _judged(session, settings).answer()


def kept_metrics_answer() -> Answer | None:
    """Return the headline figures ready to be sent if they were computed for the present state of the data; needs no unit of work."""
    found = _kept_metrics.get(_key(dict(zip(revisions.NAMES, revisions.glance(), strict=True))))
    return None if found is None else found.answer()


def _judged(session: Session, settings: Settings) -> _Metrics:
    key = _key(revisions.read(session))
    return _kept_metrics.of(key, lambda: _metrics(session, settings))


def _metrics(session: Session, settings: Settings) -> _Metrics:
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
    figures: dict[str, object] = {
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
        **_claim(session),
    }
    scored_us = run.finished_at if run else None
    return _Metrics(figures, scored_us, bool(run and newest and newest > run.started_at))


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
    current = registry.champion(session)
    if current is None:
        return None
    auc = registry.auc_of(session, current.version_id)
    return {
        "version": current.version_id,
        "kind": current.kind,
        "auc": None if auc is None else auc.value,
        "auc_interval": model_card.interval_of(auc),
        "calibrated": current.calibrated,
        "trained_at": clock.iso(current.trained_at),
    }


def _claim(session: Session) -> dict[str, object]:
    """Return what a score claims: within how many days, and the words for it; a snapshot says nothing about time."""
    current = registry.champion(session)
    if current is None or current.kind == registry.SNAPSHOT:
        return {"horizon_days": None, "wording": "resembles those who left"}
    definition = session.get_one(ChurnDefinition, current.definition_id)
    days, lead = definition.horizon_days, definition.lead_days
    if current.kind == registry.SIMPLE_RULE:
        return {"horizon_days": days, "wording": "has been silent for longer than others"}
    assert days is not None  # only a labelled column has none
    when = f"between {lead} and {lead + days} days from then" if lead else f"within {days} days"
    return {"horizon_days": days, "wording": f"leaves {when}"}


def distribution(session: Session) -> dict[str, object]:
    """Return how the scores of active customers spread: twenty equal bins, and the bands with the edges that make them.

    Bins are over the probability, or over the rank percentile where probabilities are withheld; each bin is [low, high), the last one closed.
    """
    key = _key(revisions.read(session))
    return _kept_distribution.of(key, lambda: _distribution(session))


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
    version = registry.required_version(session, int(str(model["version"])))
    trained = session.get_one(FeatureSet, version.feature_set_id)
    titles = {str(item["name"]): str(item["title"]) for item in trained.features}
    rows = session.scalars(
        select(FeatureImportance)
        .where(FeatureImportance.model_version_id == version.id)
        .order_by(FeatureImportance.rank)
    )
    items: list[dict[str, object]] = [
        {
            "feature": row.feature_name,
            "title": titles.get(row.feature_name, row.feature_name),
            "shap_value": row.shap_value,
            "share": row.share,
            "rank": row.rank,
        }
        for row in rows
    ]
    return {"model_version": model["version"], "items": items}
