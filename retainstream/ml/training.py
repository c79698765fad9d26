"""The order of a training: read, fold, tune, fit, calibrate, judge, explain.

Each step's own work lives in its own module. This one decides how much of it is done for how many rows, keeps the
timings, and reports progress. scikit-learn's contract is in ``predictor.py``, scoring in ``served.py``,
and whether a result may be served in ``assessment.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml import calibration, evaluation, rivals
from retainstream.ml.calibration import Calibrator
from retainstream.ml.contributions import exact_contributions
from retainstream.ml.drift_reference import drift_reference
from retainstream.ml.economics import Economics, expected_maximum_profit
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.evaluation import OutOfFold
from retainstream.ml.features import FeatureSpec, feature_set_hash
from retainstream.ml.folds import group_folds, possible_folds, row_groups
from retainstream.ml.metrics import Calibration, Ranking
from retainstream.ml.report import Giveaway, Importance, TrainingReport
from retainstream.ml.served import ServedModel
from retainstream.ml.tuning import DEFAULTS, boost, tune
from retainstream.ml.wording import correlation_groups, reference_values

if TYPE_CHECKING:
    import pandas as pd
    import xgboost

LARGE_ROWS = 100_000
IMPORTANCE_ROWS = 5_000
_LIBRARIES = ("xgboost-cpu", "xgboost", "scikit-learn", "numpy", "pandas", "scipy", "optuna")

Progress = Callable[[str, float], None]

_PHASES = ("reading", "folds", "tuning", "fitting", "calibrating", "judging", "explaining")
_ENDS = (0.03, 0.05, 0.50, 0.75, 0.78, 0.93, 1.0)


@dataclass(frozen=True)
class Plan:
    """What a training is asked to do; ``None`` leaves the choice to the number of rows."""

    n_trials: int = 20
    folds: int | None = None
    repeats: int | None = None
    tune: bool = True
    fixed: dict[str, float] = field(default_factory=dict)
    n_jobs: int = 1
    seed: int = 0
    economics: Economics = field(default_factory=Economics)

    def folds_for(self, n: int) -> int:
        """Five folds; two halves above 100,000 rows, where more rows per booster change little and cost time."""
        return self.folds if self.folds is not None else 5 if n <= LARGE_ROWS else 2

    def repeats_for(self, n: int) -> int:
        """Three repeats up to 10,000 rows, two up to 20,000, else one: large tables have little luck of the deal."""
        return self.repeats if self.repeats is not None else 3 if n <= 10_000 else 2 if n <= 20_000 else 1


class Phases:
    """Tells a callback the phase and the rising share of all work done, and keeps seconds per phase."""

    def __init__(self, callback: Progress | None) -> None:
        self._callback = callback
        self._phase = ""
        self._since = time.perf_counter()
        self._reached = 0.0
        self.timings: dict[str, float] = {}

    def begin(self, phase: str) -> None:
        """Close the phase before and open this one."""
        self._close()
        self._phase = phase
        self.at(0.0)

    def at(self, share: float) -> None:
        """Report a share (0 to 1) of the present phase; the callback may raise, which ends the training."""
        i = _PHASES.index(self._phase)
        start = _ENDS[i - 1] if i else 0.0
        self._reached = max(self._reached, start + (_ENDS[i] - start) * min(max(share, 0.0), 1.0))
        if self._callback is not None:
            self._callback(self._phase, self._reached)

    def end(self) -> None:
        """Close the last phase."""
        self.at(1.0)
        self._close()

    def rounded(self) -> dict[str, float]:
        """Return the seconds of each phase so far, to the millisecond."""
        return {phase: round(seconds, 3) for phase, seconds in self.timings.items()}

    def _close(self) -> None:
        now = time.perf_counter()
        if self._phase:
            self.timings[self._phase] = self.timings.get(self._phase, 0.0) + now - self._since
        self._since = now


@dataclass(frozen=True)
class _Work:
    """The training rows as every step needs them, and what steers the steps."""

    base: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    encoder: CategoryEncoder
    plan: Plan
    phases: Phases
    rng: np.random.Generator


@dataclass(frozen=True)
class _Fitted:
    """K boosters per repeat: those of the first are kept, and every repeat's folds and out-of-fold margins."""

    parameters: dict[str, float]
    boosters: list[xgboost.Booster]
    deals: list[np.ndarray]
    margins: list[np.ndarray]


@dataclass(frozen=True)
class _Calibrated:
    """What turns margins into probabilities: the method, the held-out log-loss of each, the K served calibrators, every repeat's scores."""

    method: str
    held_out: dict[str, float]
    served: list[Calibrator]
    repeats: list[OutOfFold]


def train(
    frame: pd.DataFrame,
    y: np.ndarray,
    specs: Sequence[FeatureSpec],
    plan: Plan,
    *,
    row_ids: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[ServedModel, np.ndarray]:
    """Train, calibrate, judge and explain a model.

    Parameters
    ----------
    frame : DataFrame of shape (n, f)
        Missing values are ``None`` or NaN.
    y : int8 array of shape (n,), 0 or 1; both must occur in two different rows at least
    specs : sequence of FeatureSpec
    plan : Plan
    row_ids : int64 array of shape (n,), optional
        Ids by which a row is known again when it is scored.
    progress : callable, optional
        Told the phase and the share of all work done, 0 to 1, never falling; may raise to cancel.

    Returns
    -------
    model : ServedModel
    margin : float64 array of shape (n,)
        Out-of-fold log-odds of the training rows, as served.

    Raises
    ------
    ValueError
        When there are fewer than two different rows of one class.
    """
    work, k = _read(frame, y, specs, plan, Phases(progress))
    fitted = _fit(work, k)
    calibrated = _calibrate(work, fitted, k)
    predictors, coverage = evaluation.fit_intervals(y, calibrated.repeats[0], k)
    found = {"folds": k, "parameters": fitted.parameters, "venn_abers": coverage}
    found |= _judge(work, calibrated)
    work.phases.begin("explaining")
    found |= _explain(work, fitted)
    correlated = correlation_groups(work.encoder.matrix(work.base, 0), random_state=plan.seed)
    reference = drift_reference(work.base, fitted.margins[0], specs, work.encoder.levels, work.rng)
    typical = reference_values(frame, specs)
    work.phases.end()
    model = ServedModel.assemble(
        fitted.boosters, work.encoder, calibrated.served, predictors, _report(work, calibrated.repeats, found),
        margin=fitted.margins[0], fold=fitted.deals[0], row_ids=row_ids, correlated=correlated, typical=typical,
        drift=reference,
    )  # fmt: skip
    return model, fitted.margins[0]


def _read(
    frame: pd.DataFrame, y: np.ndarray, specs: Sequence[FeatureSpec], plan: Plan, phases: Phases
) -> tuple[_Work, int]:
    """Turn the frame into numbers and find the copies in it; return also how many folds there can be."""
    phases.begin("reading")
    encoder = CategoryEncoder(specs).fit_levels(frame)
    base = encoder.base(frame)
    phases.begin("folds")
    work = _Work(base, y, row_groups(base), encoder, plan, phases, np.random.default_rng([plan.seed, 1]))
    k = possible_folds(y, work.groups, plan.folds_for(len(y)))
    if k < 2:
        raise ValueError("At least two different rows of each class are needed, so that one can judge the other.")
    return work, k


def _parameters(work: _Work) -> dict[str, float]:
    plan = work.plan
    if not plan.tune or plan.n_trials < 1:
        return {**DEFAULTS, **plan.fixed}

    def matrices(learn: np.ndarray, look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        encoder = work.encoder.without_orders()
        encoder.add_order(work.base[learn], work.y[learn])
        return encoder.matrix(work.base[learn], 0), encoder.matrix(work.base[look], 0)

    return tune(
        work.y, work.groups, matrices, n_trials=plan.n_trials, fixed=plan.fixed, n_jobs=plan.n_jobs, seed=plan.seed,
        progress=work.phases.at,
    )  # fmt: skip


def _fit(work: _Work, k: int) -> _Fitted:
    """Deal the folds, choose parameters, and train k boosters per repeat."""
    plan, n = work.plan, len(work.y)
    deals = [group_folds(work.y, work.groups, k, work.rng) for _ in range(plan.repeats_for(n))]
    work.phases.begin("tuning")
    fitted = _Fitted(_parameters(work), [], deals, [])
    work.phases.begin("fitting")
    for repeat, fold in enumerate(deals):
        encoder = work.encoder.without_orders() if repeat else work.encoder  # served orders go with served boosters
        margin = np.empty(n, dtype=np.float64)
        for j in range(k):
            held = fold == j
            base, y = work.base[~held], work.y[~held]
            encoder.add_order(base, y)
            booster = boost(encoder.matrix(base, j), y, fitted.parameters, plan.n_jobs, plan.seed + j)
            margin[held] = booster.inplace_predict(encoder.matrix(work.base[held], j), predict_type="margin")
            if not repeat:
                fitted.boosters.append(booster)
            work.phases.at((repeat * k + j + 1) / (len(deals) * k))
        fitted.margins.append(margin)
    return fitted


def _calibrate(work: _Work, fitted: _Fitted, k: int) -> _Calibrated:
    """Choose the method on the served repeat, then calibrate every repeat with it."""
    work.phases.begin("calibrating")
    y = work.y
    method, held_out = calibration.choose_method(fitted.margins[0], y, fitted.deals[0], k)
    calibrators, repeats = [], []
    for margin, fold in zip(fitted.margins, fitted.deals, strict=True):
        own, probability = calibration.cross_fit(method, margin, y, fold, k)
        calibrators.append(own)
        repeats.append(OutOfFold(fold, margin, probability))
    return _Calibrated(method, held_out, calibrators[0], repeats)


def _judge(work: _Work, calibrated: _Calibrated) -> dict[str, Any]:
    """Figures with intervals, the gate, the rivals and suspicious columns, by the report's field names."""
    phases, repeats = work.phases, calibrated.repeats
    phases.begin("judging")
    judged = evaluation.judge_model(
        work.y, work.groups, repeats, threshold=work.plan.economics.threshold, method=calibrated.method,
        held_out=calibrated.held_out, rng=work.rng, progress=lambda share: phases.at(0.5 * share),
    )  # fmt: skip
    rival_results = evaluation.compare_rivals(
        work.y, work.groups, work.base, work.encoder, repeats, seed=work.plan.seed, rng=work.rng,
        progress=lambda share: phases.at(0.5 + 0.4 * share),
    )  # fmt: skip
    suspected = _suspected(work, repeats[0])
    return {
        "metrics": judged.metrics,
        "auc_by_repeat": judged.auc_by_repeat,
        "calibration": judged.calibration,
        "bootstraps": judged.bootstraps,
        "rivals": rival_results,
        "giveaways": tuple(suspected),
        "auc_without_giveaways": suspected[0].auc_without if suspected else None,
    }


def _suspected(work: _Work, served: OutOfFold) -> list[Giveaway]:
    """Columns that seem to give the answer away, looked for among 50,000 rows at most."""
    chosen = np.arange(len(work.y))
    if len(chosen) > rivals.RIVAL_ROWS:
        chosen = np.sort(work.rng.permutation(len(chosen))[: rivals.RIVAL_ROWS])
    y, fold, base = work.y[chosen], served.fold[chosen], work.base[chosen]
    found = rivals.suspects(y, fold, base)
    return rivals.compare_without(y, fold, base, work.encoder.specs, found) if found else []


def _explain(work: _Work, fitted: _Fitted) -> dict[str, Any]:
    """Mean absolute exact contribution of each feature, out of fold, over at most 5,000 rows; largest first."""
    chosen = np.sort(work.rng.permutation(len(work.y))[:IMPORTANCE_ROWS])
    total, recomputed = np.zeros(work.base.shape[1]), 0
    for j, booster in enumerate(fitted.boosters):
        here = chosen[fitted.deals[0][chosen] == j]
        matrix = work.encoder.matrix(work.base[here], j)
        found = exact_contributions(booster, matrix, margin=fitted.margins[0][here], n_jobs=work.plan.n_jobs)
        total += np.abs(found.values).sum(axis=0, dtype=np.float64)
        recomputed += found.recomputed
        work.phases.at(0.8 * (j + 1) / len(fitted.boosters))
    return importance(total / len(chosen), work.encoder.specs, len(chosen), recomputed)


def importance(mean: np.ndarray, specs: Sequence[FeatureSpec], rows: int, recomputed: int) -> dict[str, Any]:
    """Report's fields about importance, from mean absolute contributions of shape (f,) over so many rows."""
    share = mean / mean.sum() if mean.sum() > 0 else mean
    order = np.argsort(-mean, kind="stable").tolist()
    return {
        "importance": tuple(Importance(specs[i].name, float(mean[i]), float(share[i])) for i in order),
        "importance_rows": rows,
        "recomputed_share": recomputed / rows,
    }


def curves(y: np.ndarray, margin: np.ndarray, probability: np.ndarray, economics: Economics) -> dict[str, Any]:
    """Report's fields about the judged rows as a whole: their number, the curves, and what they are worth."""
    profit, reached = expected_maximum_profit(y, margin, economics)
    shares = np.round(np.append(np.linspace(0.01, 0.09, 9), np.linspace(0.1, 1.0, 19)), 4)
    return {
        "n": len(y),
        "n_churned": int(y.sum()),
        "base_rate": float(y.mean()),
        "threshold": economics.threshold,
        "economics": economics.to_dict(),
        "empc": profit,
        "empc_share_reached": reached,
        "calibration_curve": Calibration(y, probability, economics.threshold).curve(),
        "gains": Ranking(y, margin).gains(shares),
    }


def _report(work: _Work, repeats: Sequence[OutOfFold], found: dict[str, Any]) -> TrainingReport:
    served, n, plan = repeats[0], len(work.y), work.plan
    return TrainingReport(
        n_features=work.base.shape[1],
        duplicate_rows=n - int(work.groups.max() + 1),
        repeats=len(repeats),
        seed=plan.seed,
        trials=plan.n_trials if plan.tune else 0,
        feature_hash=feature_set_hash(work.encoder.specs),
        timings=work.phases.rounded(),
        versions=library_versions(),
        notes=_notes(n, found["folds"], plan),
        **curves(work.y, served.margin, served.probability, plan.economics),
        **found,
    )


def _notes(n: int, folds: int, plan: Plan) -> tuple[str, ...]:
    notes = []
    if n > LARGE_ROWS:
        notes.append(
            f"More than {LARGE_ROWS:,} rows: {folds} boosters in one repeat, rivals on {rivals.RIVAL_ROWS:,} rows, "
            "200 bootstrap draws."
        )
    if folds < plan.folds_for(n):
        notes.append(f"Only {folds} folds could each hold a churned and a staying customer.")
    return tuple(notes)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a model's figures depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
