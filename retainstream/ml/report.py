"""What a training found: frozen results with the number and what judged it, to and from JSON.

No computing here; ``training.py`` fills these in.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A figure with its bootstrap interval: percentile, 95% unless said otherwise."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RivalResult:
    """A simple rival on the same folds; a difference is the model's figure minus the rival's, paired by customer."""

    name: str
    title: str
    auc: Estimate
    log_loss: Estimate
    auc_difference: Estimate
    log_loss_difference: Estimate
    rows: int
    feature: str | None = None


@dataclass(frozen=True)
class CalibrationVerdict:
    """Whether probabilities may be shown: judged on rows the calibrators never saw, at 99% (two tests, one verdict).

    ``slope`` and ``intercept`` are of the line through the log-odds of the probabilities (Cox 1958), of the served repeat. Their intervals are
    percentiles of a bootstrap by customer. Where the calibrator was fitted on a window of its own, each draw of the judged window is moved by
    the deviation that a draw of the calibrator's window gives: that window's luck is in the line too. ``TrainingReport.metrics`` has
    the same two figures with the same intervals.
    """

    method: str
    passed: bool
    reasons: tuple[str, ...]
    slope: Estimate
    intercept: Estimate
    ece: float
    ece_limit: float | None
    held_out_log_loss: dict[str, float]
    rows: int


@dataclass(frozen=True)
class CalibrationBin:
    """One of ten equal-count bins; ``low`` and ``high`` are a 95% Wilson interval of the observed share."""

    mean_probability: float
    observed: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class GainPoint:
    """Reaching the top ``share_reached`` of customers finds ``share_churners`` of the churners."""

    share_reached: float
    share_churners: float
    lift: float


@dataclass(frozen=True)
class Importance:
    """Mean absolute contribution to the out-of-fold margin (log-odds), and its share of all features' sum."""

    feature: str
    value: float
    share: float


@dataclass(frozen=True)
class Giveaway:
    """A column that seems to give the answer away: its own out-of-fold AUC, and the model's with and without it."""

    feature: str
    single_auc: float
    auc_with: float
    auc_without: float


@dataclass(frozen=True)
class Coverage:
    """Share of calibrated probabilities that lie outside the raw Venn-Abers pair [p0, p1], and the median of p1 - p0.

    A diagnostic of two calibrations that disagree; the interval that people see is the hull of both (`retainstream.ml.confidence`).
    """

    share_outside: float
    median_width: float
    rows: int


@dataclass(frozen=True)
class Window:
    """One part of a panel in time: ``train``, ``calibrate`` or ``test``, as it was used (treated rows are left out).

    ``dates`` are the observation dates in microseconds UTC, ``first`` and ``last`` their days, ISO.
    """

    name: str
    first: str
    last: str
    dates: tuple[int, ...]
    n: int
    customers: int
    n_churned: int
    base_rate: float
    treated: int


@dataclass(frozen=True)
class DatePoint:
    """How the model did on one observation date. ``part``: ``inner`` (a tuning fold within train), ``calibrate`` or ``test``.

    ``observed`` has a 95% Wilson interval. ``mean_probability`` is of probabilities that did not see the row; an inner fold's
    model is not calibrated and has none.
    """

    as_of: int
    day: str
    part: str
    n: int
    n_churned: int
    observed: Estimate
    mean_probability: float | None
    auc: Estimate


@dataclass(frozen=True)
class Capacity:
    """What reaching the top ``share_reached`` of customers on each date of the test window would have found.

    ``reached`` and ``churners_found`` are means per date. ``net_gain`` is per date, in the currency's major unit:
    acceptance x churners found x value - cost x reached, with what really happened in the place of probabilities.
    """

    share_reached: float
    reached: float
    churners_found: float
    precision: float
    share_churners: Estimate
    lift: Estimate
    net_gain: Estimate


@dataclass(frozen=True)
class RandomSplit:
    """AUC of the same model when time is ignored: what a careless evaluation would have claimed. Never a figure to go by."""

    by: str
    auc: float
    rows_trained: int
    rows_judged: int


@dataclass(frozen=True)
class ForwardReport:
    """What a training that looks forward says beside the figures: when, on whom, how steady, and how much time would leak.

    Attributes
    ----------
    kind : {"forward", "simple_rule"}
    horizon_days, lead_days : int
    data_end : int
        Microseconds UTC; nothing later was looked at.
    windows : tuple of Window
        train, calibrate, test; one called ``judged`` for a simple rule with labels.
    purged : int
        Rows left out because their label window reaches into the next part.
    treated, treated_share
        Rows of treated customers, which are left out everywhere, and their share of the panel.
    left_out : dict of str to int
        Why customers were in no row of the panel, and how many times.
    inner_folds, tuning_rows : int
        Folds, and rows of the sample, that chose the parameters. ``inner_folds_by`` is ``time``; ``time_and_customer`` where dates
        are too close to learn from closed windows only; ``customer`` where there is one date.
    trained_rows : int
        Rows that the served booster learned from.
    test_openings : int
        How often the labels of the test window were looked at for this model.
    """

    kind: str
    horizon_days: int
    lead_days: int
    data_end: int
    windows: tuple[Window, ...]
    purged: int
    treated: int
    treated_share: float
    left_out: dict[str, int]
    trained_rows: int
    tuning_rows: int
    inner_folds: int
    inner_folds_by: str
    test_openings: int
    stability: tuple[DatePoint, ...]
    capacities: tuple[Capacity, ...]
    random_splits: tuple[RandomSplit, ...]


@dataclass(frozen=True)
class TrainingReport:
    """Everything a training says about its model.

    A training that looks forward fills ``forward``; its ``n``, ``n_churned`` and ``base_rate`` are of the test window, whose rows
    are the only ones judged, and the curves are too. How many rows it learned from is in ``forward.windows``.

    ``metrics`` has: auc, pr_auc, log_loss, brier, ece, calibration_slope, calibration_intercept, top_decile_lift,
    precision, recall, f1 (at ``threshold``). All are out of fold, averaged over the repeats, but for calibration_slope and
    calibration_intercept, which are those of ``calibration``, at 99%. Curves are of the served
    boosters (first repeat). ``timings`` are seconds per phase.
    """

    n: int
    n_churned: int
    base_rate: float
    n_features: int
    duplicate_rows: int
    folds: int
    repeats: int
    bootstraps: int
    seed: int
    trials: int
    parameters: dict[str, float]
    threshold: float
    economics: dict[str, float]
    empc: float
    empc_share_reached: float
    metrics: dict[str, Estimate]
    auc_by_repeat: tuple[float, ...]
    rivals: tuple[RivalResult, ...]
    calibration: CalibrationVerdict
    calibration_curve: tuple[CalibrationBin, ...]
    gains: tuple[GainPoint, ...]
    importance: tuple[Importance, ...]
    importance_rows: int
    recomputed_share: float
    venn_abers: Coverage
    giveaways: tuple[Giveaway, ...]
    auc_without_giveaways: float | None
    feature_hash: str
    timings: dict[str, float]
    versions: dict[str, str]
    notes: tuple[str, ...] = field(default=())
    forward: ForwardReport | None = None

    @property
    def auc(self) -> Estimate:
        """Area under the ROC curve."""
        return self.metrics["auc"]

    @property
    def log_loss(self) -> Estimate:
        """Mean negative log-likelihood of the calibrated probabilities, in nats."""
        return self.metrics["log_loss"]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; a figure that does not exist (NaN) is ``None``."""
        plain = _plain(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingReport:
        """Rebuild a report from :meth:`to_dict`."""
        report = _build(cls, data)
        assert isinstance(report, cls)
        return report


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _build(kind: Any, value: Any) -> Any:
    """Give a JSON value the type that a dataclass field declares."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = {item.name for item in dataclasses.fields(kind)}
        made: Any = kind
        return made(**{key: _build(hints[key], item) for key, item in value.items() if key in names})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _build(arguments[1], item) for key, item in value.items()}
    if origin is types.UnionType:  # only "something or None" occurs
        return None if value is None else _build(arguments[0], value)
    if kind is float:
        return math.nan if value is None else float(value)
    return value
