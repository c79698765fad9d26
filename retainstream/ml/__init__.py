"""The machine learning of RetainStream: frames and arrays in, results out.

Pure code: no Flask, no database, no wall clock; deterministic for a given ``random_state``. The names below load on
first use, so that importing this package costs nothing: XGBoost and scikit-learn need seconds, and a web worker must
start without them.

>>> from retainstream.ml import ChurnPredictor, generate_streaming_customers
>>> frame = generate_streaming_customers(5_000)
>>> model = ChurnPredictor().fit(frame.drop(columns=["user_id", "churn"]), frame["churn"])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retainstream.ml.assessment import Verdict, assess
    from retainstream.ml.datagen import generate_streaming_customers, generate_wide
    from retainstream.ml.economics import Economics
    from retainstream.ml.features import FeatureSpec, feature_set_hash
    from retainstream.ml.predictor import ChurnPredictor
    from retainstream.ml.report import TrainingReport
    from retainstream.ml.rivals import giveaways

_HOMES = {
    "ChurnPredictor": "predictor",
    "Economics": "economics",
    "FeatureSpec": "features",
    "TrainingReport": "report",
    "Verdict": "assessment",
    "assess": "assessment",
    "feature_set_hash": "features",
    "generate_streaming_customers": "datagen",
    "generate_wide": "datagen",
    "giveaways": "rivals",
}

__all__ = [
    "ChurnPredictor",
    "Economics",
    "FeatureSpec",
    "TrainingReport",
    "Verdict",
    "assess",
    "feature_set_hash",
    "generate_streaming_customers",
    "generate_wide",
    "giveaways",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
