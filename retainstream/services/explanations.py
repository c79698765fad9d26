"""One customer's score in full: why it is what it is, recomputed exactly on the version that made it. How it moved is `score_moves`."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotFound
from retainstream.models import Customer, LatestScore
from retainstream.services import datasets, predictions, registry
from retainstream.services.scoring import single

TOLERANCE = 1e-3
"""A recomputed margin may miss the stored one by so much (log-odds): another machine's arithmetic, not another model."""


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
