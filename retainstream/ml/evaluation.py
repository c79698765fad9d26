"""Judging a trained model on rows that its boosters and calibrators never saw: figures, intervals, rivals, curves.

The formulas are in ``metrics.py``, the resampling in ``bootstrap.py``; here they meet the model's margins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retainstream.ml import calibration
from retainstream.ml.bootstrap import Metrics, draws_for, interval, recentred, resample
from retainstream.ml.confidence import VennAbers
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.metrics import Calibration, Ranking, mean_of, row_log_loss
from retainstream.ml.report import CalibrationVerdict, Coverage, Estimate, RivalResult
from retainstream.ml.rivals import RIVAL_ROWS, Rival, base_rate, best_single_feature, logistic_regression

GATED = ("calibration_slope", "calibration_intercept")
PAIRED_ROWS = 100_000  # above it, rivals are trained and compared on RIVAL_ROWS rows


@dataclass(frozen=True)
class OutOfFold:
    """One repeat's scores of the training rows, each by what never saw the row."""

    fold: np.ndarray
    margin: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Judged:
    """Figures with intervals, and the verdict on the probabilities."""

    metrics: dict[str, Estimate]
    auc_by_repeat: tuple[float, ...]
    calibration: CalibrationVerdict
    bootstraps: int


def judge_model(
    y: np.ndarray,
    groups: np.ndarray,
    repeats: Sequence[OutOfFold],
    *,
    threshold: float,
    method: str,
    held_out: dict[str, float],
    rng: np.random.Generator,
    progress: Callable[[float], None],
    gate_noise: Metrics | None = None,
) -> Judged:
    """Figures averaged over the repeats, with bootstrap intervals; the served (first) repeat faces the gate.

    Calibration slope and intercept are said once: they are the gate's, of the served repeat, with 99% intervals, among the metrics too.

    ``gate_noise`` has what chance does to the calibration slope and intercept where the calibrator was fitted on other rows: arrays of
    ``draws_for(len(y))`` deviations, which widen the gate's intervals.
    """
    rankings = [Ranking(y, repeat.margin) for repeat in repeats]
    calibrations = [Calibration(y, repeat.probability, threshold) for repeat in repeats]
    losses = mean_of(np.mean([row_log_loss(y, repeat.probability) for repeat in repeats], axis=0))
    squares = mean_of(np.mean([(repeat.probability - y) ** 2 for repeat in repeats], axis=0))

    def evaluate(weights: np.ndarray) -> Metrics:
        parts = [ranking.evaluate(weights) for ranking in rankings]
        lines = [line.evaluate(weights) for line in calibrations]
        found = {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}
        found |= {name: np.mean([line[name] for line in lines], axis=0) for name in lines[0] if name not in GATED}
        found |= {"log_loss": losses(weights), "brier": squares(weights)}
        served = {f"served_{name}": lines[0][name] for name in (*GATED, "ece")}
        return found | served

    draws = draws_for(len(y))
    values, replicates = resample(evaluate, groups, draws, rng, progress)
    gate = {
        name: interval(
            values[f"served_{name}"],
            replicates[f"served_{name}"] + (0.0 if gate_noise is None else gate_noise[name]),
            calibration.GATE_LEVEL,
        )
        for name in GATED
    }
    verdict = calibration.judge(
        method=method,
        held_out=held_out,
        slope=gate["calibration_slope"],
        intercept=gate["calibration_intercept"],
        ece=values["served_ece"],
        ece_by_chance=calibrations[0].ece_when_perfect(rng),
        rows=len(y),
        churners=int(y.sum()),
    )
    metrics = {
        name: interval(value, replicates[name]) for name, value in values.items() if not name.startswith("served_")
    }
    metrics |= gate
    metrics["ece"] = recentred(values["ece"], replicates["ece"])
    one = np.ones((1, len(y)))
    return Judged(metrics, tuple(float(r.evaluate(one)["auc"][0]) for r in rankings), verdict, draws)


def calibrator_noise(
    y: np.ndarray, groups: np.ndarray, probability: np.ndarray, draws: int, rng: np.random.Generator
) -> Metrics:
    """What chance does to a calibrator that was fitted on these rows: deviations of slope and intercept, arrays of shape (draws,).

    A calibrator fitted on one window errs by that window's luck, and it would be called wrong on the next one far too often (3 of 16
    trainings on data that never change) if only the next window's luck counted.
    """
    line = Calibration(y, probability, 0.5)

    def evaluate(weights: np.ndarray) -> Metrics:
        found = line.evaluate(weights)
        return {name: found[name] for name in GATED}

    values, replicates = resample(evaluate, groups, draws, rng)
    return {name: values[name] - replicates[name] for name in GATED}


def compare_rivals(
    y: np.ndarray,
    groups: np.ndarray,
    base: np.ndarray,
    encoder: CategoryEncoder,
    repeats: Sequence[OutOfFold],
    *,
    seed: int,
    rng: np.random.Generator,
    progress: Callable[[float], None],
) -> tuple[RivalResult, ...]:
    """Train the simple rivals on the served repeat's folds and compare them with the model, customer by customer."""
    draws = draws_for(len(y))
    if len(y) > PAIRED_ROWS:
        rows = np.sort(rng.permutation(len(y))[:RIVAL_ROWS])
        y, base = y[rows], base[rows]
        groups = np.unique(groups[rows], return_inverse=True)[1]
        repeats = [OutOfFold(r.fold[rows], r.margin[rows], r.probability[rows]) for r in repeats]
    fold, specs = repeats[0].fold, encoder.specs
    rivals = [base_rate(y), best_single_feature(y, fold, base, specs)]
    progress(0.1)
    rivals.append(logistic_regression(y, fold, base, specs, seed))
    progress(0.3)
    return compare(y, groups, rivals, repeats, draws=draws, rng=rng, progress=lambda share: progress(0.3 + 0.7 * share))


def compare(
    y: np.ndarray,
    groups: np.ndarray,
    rivals: Sequence[Rival],
    repeats: Sequence[OutOfFold],
    *,
    draws: int,
    rng: np.random.Generator,
    progress: Callable[[float], None],
) -> tuple[RivalResult, ...]:
    """Compare rivals with the model on the same rows; every draw of the groups is used for both."""
    rankings = {rival.name: Ranking(y, rival.order) for rival in rivals}
    losses = {rival.name: mean_of(row_log_loss(y, rival.probability)) for rival in rivals}
    own = [Ranking(y, repeat.margin) for repeat in repeats]
    own_loss = mean_of(np.mean([row_log_loss(y, repeat.probability) for repeat in repeats], axis=0))

    def evaluate(weights: np.ndarray) -> Metrics:
        auc = np.mean([ranking.auc(weights) for ranking in own], axis=0)
        loss = own_loss(weights)
        found: Metrics = {}
        for name, ranking in rankings.items():
            rival_auc, rival_loss = ranking.auc(weights), losses[name](weights)
            found |= {f"{name}.auc": rival_auc, f"{name}.auc_difference": auc - rival_auc}
            found |= {f"{name}.log_loss": rival_loss, f"{name}.log_loss_difference": loss - rival_loss}
        return found

    values, replicates = resample(evaluate, groups, draws, rng, progress)
    estimates = {name: interval(value, replicates[name]) for name, value in values.items()}
    return tuple(_result(rival, estimates, len(y)) for rival in rivals)


def _result(rival: Rival, estimates: dict[str, Estimate], rows: int) -> RivalResult:
    return RivalResult(
        name=rival.name,
        title=rival.title,
        auc=estimates[f"{rival.name}.auc"],
        log_loss=estimates[f"{rival.name}.log_loss"],
        auc_difference=estimates[f"{rival.name}.auc_difference"],
        log_loss_difference=estimates[f"{rival.name}.log_loss_difference"],
        rows=rows,
        feature=rival.feature,
    )


def fit_intervals(y: np.ndarray, served: OutOfFold, k: int) -> tuple[list[VennAbers], Coverage]:
    """Venn-Abers predictors: one per fold from the other folds, and last one from all rows for customers that are new.

    The coverage is of the training rows, each by the predictor that never saw it.
    """
    predictors = []
    outside, widths = 0, np.empty(len(y))
    for j in range(k):
        held = served.fold == j
        predictor = VennAbers.fit(served.margin[~held], y[~held])
        p0, p1 = predictor.interval(served.margin[held])
        p = served.probability[held]
        outside += int(((p < p0) | (p > p1)).sum())
        widths[held] = p1 - p0
        predictors.append(predictor)
    predictors.append(VennAbers.fit(served.margin, y))
    return predictors, Coverage(outside / len(y), float(np.median(widths)), len(y))
