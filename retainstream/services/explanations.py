"""One customer in full: why the score is what it is, recomputed exactly on the version that made it, and how it moved over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, NotFound
from retainstream.lib import clock
from retainstream.models import Customer, LatestScore, ModelVersion, ScoreHistory, ScoringRun
from retainstream.services import datasets, predictions, registry
from retainstream.services.scoring import single

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor

TOLERANCE = 1e-3
"""A recomputed margin may miss the stored one by so much (log-odds): another machine's arithmetic, not another model."""
_HISTORY_LIMIT = 500


def explanation(session: Session, settings: Settings, customer_id: int) -> dict[str, object]:
    """Return the score in force with the exact contribution of every feature.

    The version that made the score is loaded and scores what it saw: the attribute version, or for a model that looks ahead the features as of
    the score's day, built anew from what was known before it. `base` plus all contributions is `margin`,
    in log-odds; the calibrator that turns the margin into a probability comes after and keeps the order.

    Raises
    ------
    NotFound
        When the customer is unknown or was never scored.
    """
    rows = predictions.score_rows(session, LatestScore.customer_id == customer_id, Customer.visible())
    if not rows:
        raise NotFound(
            "This customer has no score yet: scores are made for customers that have not left, by the next scoring."
        )
    row = rows[0]
    words = predictions.vocabulary(session, row.model_version_id)
    values = _values(session, settings, row, words)
    shown = predictions.present_score(row, words, values, fresh=predictions.Freshness.now(session))
    version = registry.required_version(session, row.model_version_id)
    fresh = registry.load(session, row.model_version_id).score_one(values, row_id=customer_id)
    specs = {spec.name: spec for spec in words.specs}
    ranked = sorted(fresh.contributions.items(), key=lambda item: (-abs(item[1]), item[0]))
    return {
        **shown,
        "base": fresh.base,
        "contributions": [
            {"feature": name, "title": specs[name].title, "value": values.get(name), "contribution": amount}
            for name, amount in ranked
        ],
        "exact": abs(fresh.margin - row.score.margin) <= TOLERANCE,
        "notices": [notice.to_dict() for notice in fresh.notices],
        "statement": predictions.statement(row.score.probability, row.score.percentile, words),
        "model_kind": version.kind,
        "calibrated": version.calibrated,
    }


def _values(
    session: Session, settings: Settings, row: predictions.ScoreRow, words: predictions.Vocabulary
) -> dict[str, Any]:
    """Return what the model saw of a customer, by the feature's name."""
    customer_id = row.score.customer_id
    if words.rule is None:
        return datasets.customer_values(session, customer_id, row.scored_version)
    return single.at(session, settings, customer_id, words.rule, words.specs, row.as_of).values


def history(session: Session, customer_id: int, limit: int = _HISTORY_LIMIT) -> dict[str, object]:
    """Return every score on record of a customer, newest first, each with the probability that its own model gave it.

    Raises
    ------
    NotFound
        When the customer is unknown.
    """
    if session.scalar(select(Customer.id).where(Customer.id == customer_id, Customer.visible())) is None:
        raise NotFound("There is no such customer.")
    query = (
        select(ScoreHistory.margin, ScoreHistory.version_id, ScoringRun)
        .join(ScoringRun, ScoringRun.id == ScoreHistory.run_id)
        .where(ScoreHistory.customer_id == customer_id, ScoringRun.state == "complete")
        .order_by(ScoringRun.id.desc())
        .limit(limit)
    )
    rows = session.execute(query).all()
    margins: dict[int, list[float]] = {}
    for margin, _, run in rows:
        margins.setdefault(run.model_version_id, []).append(margin)
    known = {
        version_id: dict(zip(found, _probabilities(session, version_id, customer_id, found), strict=True))
        for version_id, found in margins.items()
    }
    return {
        "items": [
            {
                "run_id": run.id,
                "scored_at": clock.iso(run.finished_at),
                "as_of": clock.iso(run.as_of),
                "data_as_of": clock.iso(run.data_as_of),
                "margin": margin,
                "churn_probability": known[run.model_version_id][margin],
                "model_version": run.model_version_id,
                "role": run.role,
            }
            for margin, _, run in rows
        ]
    }


def _probabilities(session: Session, version_id: int, customer_id: int, margins: list[float]) -> list[float | None]:
    """Turn margins into probabilities with the very calibrator that the run used; None where it failed its gate or is gone."""
    import numpy as np

    if not session.scalar(select(ModelVersion.calibrated).where(ModelVersion.id == version_id)):
        return [None] * len(margins)
    try:
        predictor: ChurnPredictor = registry.load(session, version_id)
    except Conflict:
        return [None] * len(margins)
    fold = predictor.served_.folds_of(len(margins), np.full(len(margins), customer_id))
    return [float(value) for value in predictor.served_.calibrated(np.asarray(margins, dtype=np.float64), fold)]
