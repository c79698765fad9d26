"""The order of a training that looks forward: learn from the train window, calibrate on the next, open the test window once.

Which rows belong to which window is `retainstream.ml.asof.panel`'s affair, whether there are enough of them `sufficiency`'s, and whether a
column knows the outcome `sentry`'s. Rows of treated customers are left out of every window: what was done to them is in their labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml import calibration, evaluation
from retainstream.ml.bootstrap import draws_for
from retainstream.ml.calibration import Calibrator, fit_calibrator
from retainstream.ml.confidence import VennAbers
from retainstream.ml.contributions import exact_contributions
from retainstream.ml.drift_reference import drift_reference
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.evaluation import PAIRED_ROWS, OutOfFold
from retainstream.ml.features import feature_set_hash
from retainstream.ml.folds import group_folds, possible_folds
from retainstream.ml.forward import rivals, stability
from retainstream.ml.forward.folds import InnerFolds, inner_folds, numbered, whole_customers
from retainstream.ml.forward.windows import PARTS, Work, read, untreated, window
from retainstream.ml.report import Coverage, DatePoint, ForwardReport, TrainingReport
from retainstream.ml.rivals import RIVAL_ROWS
from retainstream.ml.served import ServedModel
from retainstream.ml.training import (
    IMPORTANCE_ROWS,
    LARGE_ROWS,
    Phases,
    Plan,
    Progress,
    curves,
    importance,
    library_versions,
)
from retainstream.ml.tuning import DEFAULTS, THREE_SPLITS_ROWS, TUNING_ROWS, boost, prepare, search
from retainstream.ml.wording import correlation_groups, reference_values

if TYPE_CHECKING:
    import xgboost

    from retainstream.ml.asof.panel import Panel, Split

_TYPICAL_ROWS = 20_000
_CALIBRATION_FOLDS = 5
_OTHER_FOLDS = {
    "time_and_customer": "Dates stand too close to choose parameters on closed windows alone; they were chosen on later dates of other customers.",
    "customer": "There were too few dates to choose parameters on later ones; they were chosen on other customers.",
}


@dataclass(frozen=True)
class TestWindow:
    """The judged rows and what the model said of them.

    Attributes
    ----------
    rows : int64 array of shape (n,)
        Positions in the panel.
    margin : float64 array of shape (n,), log-odds
    probability : float64 array of shape (n,)
        Calibrated; whether it may be shown is the report's ``calibration.passed``.
    """

    rows: np.ndarray
    margin: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class _Tuned:
    """The parameters, and what the inner folds say of them."""

    parameters: dict[str, float]
    rows: int
    folds: int
    by: str
    points: list[DatePoint]


@dataclass(frozen=True)
class _Scored:
    """One booster and its margins of the later windows."""

    booster: xgboost.Booster
    base: dict[str, np.ndarray]
    margin: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Calibrated:
    """What was fitted on the calibrate window, and the probabilities: there cross-fitted by customer, on test as served."""

    method: str
    held_out: dict[str, float]
    calibrator: Calibrator
    interval: VennAbers
    probability: dict[str, np.ndarray]
    noise: dict[str, np.ndarray]


def train_forward(
    panel: Panel, plan: Plan, *, split: Split | None = None, progress: Progress | None = None
) -> tuple[ServedModel, TestWindow]:
    """Train on earlier observation dates, calibrate on later ones, and judge once on the latest.

    Parameters
    ----------
    panel : Panel
        Whose windows have all closed. Rows of treated customers are left out, and counted.
    plan : Plan
        ``folds`` and ``repeats`` play no part: one booster is served.
    split : Split, optional
        By default :func:`retainstream.ml.asof.panel.split`'s.
    progress : callable, optional
        Told the phase and the share of all work done, 0 to 1, never falling; may raise to cancel.

    Returns
    -------
    model : ServedModel
        Everybody is new to it: score without row ids. ``report.forward`` says when and on whom it was trained.
    judged : TestWindow

    Raises
    ------
    TooLittleHistory
        By the default split.
    ValueError
        When a window lacks customers who left, or who stayed, or the windows are not in order.
    """
    work = read(panel, plan, split, Phases(progress))
    tuned = _tune(work)
    scored = _fit(work, tuned.parameters)
    calibrated = _calibrate(work, scored)
    found = _judge(work, scored, calibrated) | _explain(work, scored)
    forward = _forward(work, scored, tuned, calibrated)
    margin, probability = scored.margin["test"], calibrated.probability["test"]
    sample = work.rows["train"][whole_customers(work.customer("train"), _TYPICAL_ROWS, work.rng)]
    correlated = correlation_groups(work.encoder.matrix(work.base(sample), 0), random_state=plan.seed)
    reference = drift_reference(scored.base["test"], margin, work.encoder.specs, work.encoder.levels, work.rng)
    typical = reference_values(panel.frame.iloc[sample], work.encoder.specs)
    work.phases.end()
    report = _report(work, tuned, forward, found | curves(work.y("test"), margin, probability, plan.economics))
    model = ServedModel.assemble(
        [scored.booster], work.encoder, [calibrated.calibrator], [calibrated.interval], report,
        margin=margin, fold=np.zeros(len(margin), dtype=np.int8), row_ids=None, correlated=correlated, typical=typical,
        drift=reference,
    )  # fmt: skip
    return model, TestWindow(work.rows["test"], margin, probability)


def _tune(work: Work) -> _Tuned:
    """Choose the parameters on folds in time within the train window, on a sample of whole customers."""
    work.phases.begin("folds")
    plan = work.plan
    sample = whole_customers(work.customer("train"), TUNING_ROWS, work.rng)
    y, as_of = work.y("train")[sample], work.as_of("train")[sample]
    inner = inner_folds(
        as_of, work.customer("train")[sample], y, maturity_us=work.panel.rule.maturity_us,
        folds=3 if len(sample) <= THREE_SPLITS_ROWS else 1, rng=work.rng,
    )  # fmt: skip
    work.phases.begin("tuning")
    base = work.base(work.rows["train"][sample])
    splits = prepare(inner.pairs, y, lambda learn, look: _matrices(work.encoder, base, y, learn, look), plan.n_jobs)
    if plan.tune and plan.n_trials > 0:
        parameters = search(
            splits,
            n_trials=plan.n_trials,
            fixed=plan.fixed,
            n_jobs=plan.n_jobs,
            seed=plan.seed,
            progress=work.phases.at,
        )
    else:
        parameters = {**DEFAULTS, **plan.fixed}
    points = _inner_points(work, inner, splits, as_of, y, parameters)
    return _Tuned(parameters, len(sample), len(inner.pairs), inner.by, points)


def _matrices(
    encoder: CategoryEncoder, base: np.ndarray, y: np.ndarray, learn: np.ndarray, look: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    own = encoder.without_orders()
    learn_base = base[learn]
    own.add_order(learn_base, y[learn])
    return own.matrix(learn_base, 0), own.matrix(base[look], 0)


def _inner_points(
    work: Work, inner: InnerFolds, splits: list[Any], as_of: np.ndarray, y: np.ndarray, parameters: dict[str, float]
) -> list[DatePoint]:
    if inner.by == "customer":  # says nothing about time
        return []
    looks = [look for _, look in inner.pairs]
    return stability.inner_points(
        splits, looks, as_of, y, parameters, n_jobs=work.plan.n_jobs, seed=work.plan.seed, rng=work.rng
    )


def _fit(work: Work, parameters: dict[str, float]) -> _Scored:
    """Grow the served booster on the train window and score the later ones."""
    work.phases.begin("fitting")
    y, plan = work.y("train"), work.plan
    learn = work.base(work.rows["train"])
    work.encoder.add_order(learn, y)
    learn = work.encoder.matrix(learn, 0)  # the base matrix is let go, so that one whole matrix is held
    booster = boost(learn, y, parameters, plan.n_jobs, plan.seed)
    del learn
    base = {part: work.base(work.rows[part]) for part in PARTS[1:]}
    margin = {
        part: booster.inplace_predict(work.encoder.matrix(rows, 0), predict_type="margin").astype(np.float64)
        for part, rows in base.items()
    }
    return _Scored(booster, base, margin)


def _calibrate(work: Work, scored: _Scored) -> _Calibrated:
    """Choose and fit the calibrator and the Venn-Abers intervals on the calibrate window; customers are cross-fitted there."""
    work.phases.begin("calibrating")
    margin, y = scored.margin["calibrate"], work.y("calibrate")
    groups = numbered(work.customer("calibrate"))
    k = possible_folds(y, groups, _CALIBRATION_FOLDS)
    if k < 2:
        raise ValueError("The calibrate window needs at least two customers who left and two who stayed.")
    fold = group_folds(y, groups, k, work.rng)
    method, held_out = calibration.choose_method(margin, y, fold, k)
    calibrator = fit_calibrator(method, margin, y)
    probability = {
        "calibrate": calibration.cross_fit(method, margin, y, fold, k)[1],
        "test": calibrator.apply(scored.margin["test"]),
    }
    noise = evaluation.calibrator_noise(
        y, groups, probability["calibrate"], draws_for(len(work.rows["test"])), work.rng
    )
    return _Calibrated(method, held_out, calibrator, VennAbers.fit(margin, y), probability, noise)


def _judge(work: Work, scored: _Scored, calibrated: _Calibrated) -> dict[str, Any]:
    """Open the test window: figures with intervals drawn by customer, the gate, the rivals, by the report's field names."""
    phases, y = work.phases, work.y("test")
    phases.begin("judging")
    margin, probability = scored.margin["test"], calibrated.probability["test"]
    groups = numbered(work.customer("test"))
    served = OutOfFold(np.zeros(len(y), dtype=np.int8), margin, probability)
    judged = evaluation.judge_model(
        y, groups, [served], threshold=work.plan.economics.threshold, method=calibrated.method,
        held_out=calibrated.held_out, rng=work.rng, progress=lambda share: phases.at(0.4 * share),
        gate_noise=calibrated.noise,
    )  # fmt: skip
    p0, p1 = calibrated.interval.interval(margin)
    return {
        "metrics": judged.metrics,
        "auc_by_repeat": judged.auc_by_repeat,
        "calibration": judged.calibration,
        "bootstraps": judged.bootstraps,
        "venn_abers": Coverage(
            float(((probability < p0) | (probability > p1)).mean()), float(np.median(p1 - p0)), len(y)
        ),
        "rivals": _compare_rivals(work, scored, served, groups),
    }


def _compare_rivals(work: Work, scored: _Scored, served: OutOfFold, groups: np.ndarray) -> tuple[Any, ...]:
    """Fit the rivals on the train window, calibrate them on the next, compare them on the test window; 50,000 rows of each when it is large."""
    phases, rng, panel = work.phases, work.rng, work.panel
    learn, judged = work.rows["train"], np.arange(len(groups))
    if len(learn) > PAIRED_ROWS:
        learn = learn[whole_customers(work.customer("train"), RIVAL_ROWS, rng)]
    if len(judged) > PAIRED_ROWS:
        judged = whole_customers(groups, RIVAL_ROWS, rng)
    own = np.random.default_rng([work.plan.seed, 12])  # so that what rivals need moves no other figure
    line = whole_customers(work.customer("calibrate"), PAIRED_ROWS, own)
    inner = inner_folds(
        panel.as_of[learn], panel.customer[learn], panel.y[learn], maturity_us=panel.rule.maturity_us, folds=3, rng=own
    )
    found = rivals.fit_rivals(
        rivals.Rows(work.base(learn), panel.y[learn]),
        rivals.Rows(scored.base["calibrate"][line], work.y("calibrate")[line]),
        scored.base["test"][judged], work.encoder, inner=inner.pairs, n_jobs=work.plan.n_jobs, seed=work.plan.seed,
    )  # fmt: skip
    phases.at(0.7)
    seen = OutOfFold(served.fold[judged], served.margin[judged], served.probability[judged])
    return evaluation.compare(
        work.y("test")[judged], numbered(groups[judged]), found, [seen], draws=draws_for(len(groups)), rng=rng,
        progress=lambda share: phases.at(0.7 + 0.3 * share),
    )  # fmt: skip


def _explain(work: Work, scored: _Scored) -> dict[str, Any]:
    """Mean absolute exact contribution of each feature on the test window, over at most 5,000 rows."""
    work.phases.begin("explaining")
    chosen = np.sort(work.rng.permutation(len(scored.margin["test"]))[:IMPORTANCE_ROWS])
    matrix = work.encoder.matrix(scored.base["test"][chosen], 0)
    found = exact_contributions(scored.booster, matrix, margin=scored.margin["test"][chosen], n_jobs=work.plan.n_jobs)
    mean = np.abs(found.values).mean(axis=0, dtype=np.float64)
    work.phases.at(0.3)
    return importance(mean, work.encoder.specs, len(chosen), found.recomputed)


def _forward(work: Work, scored: _Scored, tuned: _Tuned, calibrated: _Calibrated) -> ForwardReport:
    panel, rule, rng = work.panel, work.panel.rule, work.rng
    points = list(tuned.points)
    for part in PARTS[1:]:
        points += stability.by_date(
            part, work.as_of(part), work.y(part), scored.margin[part], calibrated.probability[part], rng
        )
    work.phases.at(0.6)
    capacities = stability.capacities(
        work.as_of("test"),
        work.y("test"),
        scored.margin["test"],
        numbered(work.customer("test")),
        work.plan.economics,
        rng,
    )
    work.phases.at(0.7)
    treated = np.asarray(panel.treated)
    return ForwardReport(
        kind="forward",
        horizon_days=rule.horizon_days,
        lead_days=rule.lead_days,
        data_end=int(panel.data_end),
        windows=tuple(window(panel, part, work.rows[part]) for part in PARTS),
        purged=work.purged,
        treated=int(treated.sum()),
        treated_share=float(treated.mean()),
        left_out={name: int(count) for name, count in panel.left_out.items()},
        trained_rows=len(work.rows["train"]),
        tuning_rows=tuned.rows,
        inner_folds=tuned.folds,
        inner_folds_by=tuned.by,
        test_openings=1,
        stability=tuple(points),
        capacities=capacities,
        random_splits=_random_splits(work, tuned.parameters),
    )


def _random_splits(work: Work, parameters: dict[str, float]) -> tuple[Any, ...]:
    everywhere = untreated(work.panel, np.arange(len(work.panel.y)))
    rows = everywhere[rivals.random_split_rows(work.panel.customer[everywhere], work.rng)]
    return rivals.random_splits(
        work.base(rows), work.panel.y[rows], work.panel.customer[rows], work.encoder, parameters, n_jobs=work.plan.n_jobs,
        seed=work.plan.seed, rng=work.rng,
    )  # fmt: skip


def _report(work: Work, tuned: _Tuned, forward: ForwardReport, found: dict[str, Any]) -> TrainingReport:
    plan = work.plan
    return TrainingReport(
        n_features=len(work.encoder.specs),
        duplicate_rows=0,
        folds=1,
        repeats=1,
        seed=plan.seed,
        trials=plan.n_trials if plan.tune else 0,
        parameters=tuned.parameters,
        giveaways=(),
        auc_without_giveaways=None,
        feature_hash=feature_set_hash(work.encoder.specs),
        timings=work.phases.rounded(),
        versions=library_versions(),
        notes=_notes(work, tuned),
        forward=forward,
        **found,
    )


def _notes(work: Work, tuned: _Tuned) -> tuple[str, ...]:
    trained, judged = len(work.rows["train"]), len(work.rows["test"])
    notes = list(work.panel.notes)
    if tuned.rows < trained:
        notes.append(f"Parameters were chosen on {tuned.rows:,} of {trained:,} rows: a sample of whole customers.")
    if tuned.by != "time":
        notes.append(_OTHER_FOLDS[tuned.by])
    if trained > PAIRED_ROWS or judged > PAIRED_ROWS:
        notes.append(f"Rivals learned from and were compared on at most {RIVAL_ROWS:,} rows each.")
    if judged > LARGE_ROWS:
        notes.append(f"Intervals come from {draws_for(judged)} bootstrap draws.")
    return tuple(notes)
