"""What customers are still worth: of repeat buyers, and of subscribers; with intervals, and judged against what came.

Numbers in, numbers out. Value is margin to come within a stated period, discounted; past revenue is no part of it, and neither is what it
cost to win or to keep a customer. How long subscribers stay comes from a churn model or from survival curves; how often shoppers return
from ``repeat_buying``.
"""

from __future__ import annotations

from retainstream.ml.lifetime.contract import (
    Staying,
    UnknownStayingError,
    staying_by_churn,
    staying_by_curve,
    value_subscribers,
)
from retainstream.ml.lifetime.holdout import HoldOut, HoldOutPart, judge, past_rate
from retainstream.ml.lifetime.shop import BuyerValues, value_buyers
from retainstream.ml.lifetime.spend import GammaGamma, average_spend
from retainstream.ml.lifetime.value import DAYS_OF_A_MONTH, LifetimeValues

__all__ = [
    "DAYS_OF_A_MONTH",
    "BuyerValues",
    "GammaGamma",
    "HoldOut",
    "HoldOutPart",
    "LifetimeValues",
    "Staying",
    "UnknownStayingError",
    "average_spend",
    "judge",
    "past_rate",
    "staying_by_churn",
    "staying_by_curve",
    "value_buyers",
    "value_subscribers",
]
