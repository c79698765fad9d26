"""Health scores: of a customer from weighted parts, judged against who really left, and of the business as a whole.

Numbers in, numbers out; which facts make the parts, and where scores are kept, is decided elsewhere. A health score is a sum that a
person can follow and set. It is no probability: that is the churn model's, which stands beside it in every back-test.
"""

from __future__ import annotations

from retainstream.ml.health.backtest import BackTest, BandResult, DateResult, HealthPanel, backtest
from retainstream.ml.health.business import BusinessFigures, BusinessHealth, BusinessPart, business_health
from retainstream.ml.health.proposal import NothingToLearnError, Proposal, propose_weights, whole_weights
from retainstream.ml.health.score import BANDS, Band, HealthScores, Part, Scheme, points, score

__all__ = [
    "BANDS",
    "BackTest",
    "Band",
    "BandResult",
    "BusinessFigures",
    "BusinessHealth",
    "BusinessPart",
    "DateResult",
    "HealthPanel",
    "HealthScores",
    "NothingToLearnError",
    "Part",
    "Proposal",
    "Scheme",
    "backtest",
    "business_health",
    "points",
    "propose_weights",
    "score",
    "whole_weights",
]
