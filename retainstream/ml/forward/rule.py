"""One rule for histories too short for a model: the longer silent, the riskier. A rank, never a probability.

The rule learns nothing from outcomes, so every outcome there is may judge it. It is served through the same interface as a model: one
booster of one feature, grown on the customers' own ranks and never falling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.asof.dictionary import RECENCY
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.bootstrap import draws_for, interval, resample
from retainstream.ml.calibration import Calibrator
from retainstream.ml.confidence import VennAbers
from retainstream.ml.drift_reference import drift_reference
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.features import FeatureSpec, feature_set_hash
from retainstream.ml.forward.folds import numbered
from retainstream.ml.forward.stability import by_date
from retainstream.ml.forward.windows import untreated, window
from retainstream.ml.metrics import Ranking
from retainstream.ml.report import CalibrationVerdict, Coverage, Estimate, ForwardReport, TrainingReport
from retainstream.ml.served import ServedModel
from retainstream.ml.training import Phases, Plan, Progress, curves, importance, library_versions
from retainstream.ml.tuning import boost
from retainstream.ml.wording import reference_values

if TYPE_CHECKING:
    import pandas as pd
    import xgboost

    from retainstream.ml.asof.panel import Panel

SIMPLE_RULE = "simple_rule"
TOO_LITTLE = "There is too little history to calibrate: the score is a rank."
_UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))
_METRICS = (
    "auc", "pr_auc", "top_decile_lift", "log_loss", "brier", "ece", "calibration_slope", "calibration_intercept", "precision",
    "recall", "f1",
)  # fmt: skip
_GROWTH = {
    "n_estimators": 60.0,
    "max_depth": 6.0,
    "learning_rate": 0.3,
    "min_child_weight": 0.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 0.0,
}
_EDGE = 0.01  # ranks are kept this far from 0 and 1, whose log-odds do not exist
_BLANK = 50  # one blank row is added for so many customers
_MANY = 200_000  # customers whose ranks make the rule; more add nothing to 256 bins


def rule_model(
    frame: pd.DataFrame,
    specs: Sequence[FeatureSpec],
    *,
    rule: ChurnRule,
    data_end: int,
    plan: Plan | None = None,
    judged_by: Panel | None = None,
    progress: Progress | None = None,
) -> ServedModel:
    """Make the rule from how long customers have been silent.

    Parameters
    ----------
    frame : DataFrame of shape (n, f), n >= 2
        The customers' features; only ``days_since_activity`` is read. A missing value ranks in the middle.
    specs : sequence of FeatureSpec
        One must be that feature's.
    rule : ChurnRule
    data_end : int
        Microseconds UTC, for the report.
    plan : Plan, optional
        Of which economics, seed and threads count.
    judged_by : Panel, optional
        Rows whose outcome is known, if there are any: gives the AUC of the rule with its interval. Without them it is NaN.
    progress : callable, optional
        As for a training.

    Returns
    -------
    ServedModel
        Its margin rises with silence; ``report.calibration.passed`` is False, so that scores are shown as ranks, and
        ``report.forward.kind`` is ``simple_rule``.

    Raises
    ------
    ValueError
        When there is no such feature, or fewer than two different values of it.
    """
    plan = Plan() if plan is None else plan
    phases = Phases(progress)
    phases.begin("reading")
    encoder = CategoryEncoder([_recency(specs)])
    base = encoder.base(frame)[:_MANY]
    if len(np.unique(base[~np.isnan(base)])) < 2:
        raise ValueError("The rule needs at least two customers who have been silent for different times.")
    encoder.add_order(base, np.zeros(len(base)))
    phases.begin("fitting")
    booster = _grown(base, plan)
    margin = booster.inplace_predict(base, predict_type="margin").astype(np.float64)
    phases.begin("judging")
    rng = np.random.default_rng([plan.seed, 3])
    forward, found, intervals = _judge(booster, encoder, _forward(rule, data_end, len(base)), judged_by, plan, rng)
    reference = drift_reference(base, margin, encoder.specs, encoder.levels, rng)
    phases.end()
    return ServedModel.assemble(
        [booster], encoder, [Calibrator("sigmoid")], [intervals], _report(encoder, plan, phases, forward, found), margin=margin,
        fold=np.zeros(len(margin), dtype=np.int8), row_ids=None, correlated=[[0]], typical=reference_values(frame, encoder.specs),
        drift=reference,
    )  # fmt: skip


def _grown(base: np.ndarray, plan: Plan) -> xgboost.Booster:
    """Grow the booster on the customers' ranks; base matrix of shape (n, 1)."""
    # Rows without a value, so that the trees send a missing one to the middle even when nobody here has one.
    learn = np.vstack([base, np.full((max(len(base) // _BLANK, 1), 1), np.nan, dtype=np.float32)])
    return boost(learn, _ranks(learn[:, 0]), _GROWTH, plan.n_jobs, plan.seed, monotone=(1,))


def _judge(
    booster: xgboost.Booster,
    encoder: CategoryEncoder,
    forward: ForwardReport,
    judged_by: Panel | None,
    plan: Plan,
    rng: np.random.Generator,
) -> tuple[ForwardReport, dict[str, Any], VennAbers]:
    """Return what rows with a known outcome say of the rule, by the report's field names; without any, that nothing is known."""
    rows = np.empty(0, np.int64) if judged_by is None else untreated(judged_by, np.arange(len(judged_by.y)))
    if judged_by is None or not len(rows):
        return forward, _unjudged(plan), VennAbers(np.empty(0), np.zeros(1), np.empty(0), np.ones(1), 0)
    base = encoder.base(judged_by.frame.iloc[rows])
    scores = booster.inplace_predict(base, predict_type="margin").astype(np.float64)
    forward = _described(forward, judged_by, rows, scores, rng)
    intervals = VennAbers.fit(scores, judged_by.y[rows])
    return forward, _unjudged(plan) | _judged(judged_by, rows, scores, plan, rng), intervals


def _recency(specs: Sequence[FeatureSpec]) -> FeatureSpec:
    for spec in specs:
        if spec.name == RECENCY:
            return spec
    raise ValueError(
        "The simple rule goes by the days since a customer's last activity, and there is no event yet that counts as activity."
    )


def _ranks(silence: np.ndarray) -> np.ndarray:
    """Share of customers who have been silent for a shorter time, ties and missing values in the middle; within (0, 1)."""
    from scipy.stats import rankdata

    known = ~np.isnan(silence)
    ranks = np.full(len(silence), 0.5)
    ranks[known] = (rankdata(silence[known]) - 0.5) / int(known.sum())
    return np.asarray(np.clip(ranks, _EDGE, 1 - _EDGE))


def _forward(rule: ChurnRule, data_end: int, customers: int) -> ForwardReport:
    return ForwardReport(
        kind=SIMPLE_RULE,
        horizon_days=rule.horizon_days,
        lead_days=rule.lead_days,
        data_end=data_end,
        windows=(),
        purged=0,
        treated=0,
        treated_share=0.0,
        left_out={},
        trained_rows=customers,
        tuning_rows=0,
        inner_folds=0,
        inner_folds_by="time",
        test_openings=0,
        stability=(),
        capacities=(),
        random_splits=(),
    )


def _described(
    forward: ForwardReport, panel: Panel, rows: np.ndarray, margin: np.ndarray, rng: np.random.Generator
) -> ForwardReport:
    treated = np.asarray(panel.treated)
    points = by_date("judged", panel.as_of[rows], panel.y[rows], margin, None, rng)
    return replace(
        forward,
        windows=(window(panel, "judged", rows),),
        treated=int(treated.sum()),
        treated_share=float(treated.mean()),
        left_out={name: int(count) for name, count in panel.left_out.items()},
        stability=tuple(points),
    )


def _unjudged(plan: Plan) -> dict[str, Any]:
    economics = plan.economics
    return {
        "n": 0,
        "n_churned": 0,
        "base_rate": float("nan"),
        "threshold": economics.threshold,
        "economics": economics.to_dict(),
        "empc": float("nan"),
        "empc_share_reached": float("nan"),
        "calibration_curve": (),
        "gains": (),
        "metrics": dict.fromkeys(_METRICS, _UNKNOWN),
        "auc_by_repeat": (),
        "bootstraps": 0,
    }


def _judged(panel: Panel, rows: np.ndarray, margin: np.ndarray, plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
    """Figures of the order alone; where nobody left, or everybody, only their number."""
    y = panel.y[rows]
    if not 0 < int(y.sum()) < len(y):
        return {"n": len(y), "n_churned": int(y.sum()), "base_rate": float(y.mean())}
    draws = draws_for(len(y))
    values, replicates = resample(Ranking(y, margin).evaluate, numbered(panel.customer[rows]), draws, rng)
    metrics = dict.fromkeys(_METRICS, _UNKNOWN) | {
        name: interval(value, replicates[name]) for name, value in values.items()
    }
    whole = curves(y, margin, np.full(len(y), y.mean()), plan.economics)
    return whole | {"calibration_curve": (), "metrics": metrics, "auc_by_repeat": (values["auc"],), "bootstraps": draws}


def _report(
    encoder: CategoryEncoder, plan: Plan, phases: Phases, forward: ForwardReport, found: dict[str, Any]
) -> TrainingReport:
    return TrainingReport(
        n_features=1,
        duplicate_rows=0,
        folds=1,
        repeats=1,
        seed=plan.seed,
        trials=0,
        parameters=dict(_GROWTH),
        rivals=(),
        calibration=CalibrationVerdict(
            "none", False, (TOO_LITTLE,), _UNKNOWN, _UNKNOWN, float("nan"), None, {}, found["n"]
        ),
        venn_abers=Coverage(float("nan"), float("nan"), 0),
        giveaways=(),
        auc_without_giveaways=None,
        feature_hash=feature_set_hash(encoder.specs),
        timings=phases.rounded(),
        versions=library_versions(),
        notes=("A simple rule: customers are ranked by the days since their last activity.",),
        forward=forward,
        **importance(np.ones(1), encoder.specs, forward.trained_rows, 0),
        **found,
    )
