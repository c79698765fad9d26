"""Does a health score tell who leaves? Its ranking on past dates, beside the churn model's and plain silence.

AUC here is the share of pairs of one who left and one who stayed in which the leaver had the lower health: 0.5 says nothing, 1 everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.bootstrap import draws_for, interval, resample
from retainstream.ml.health.score import Scheme, from_points, points
from retainstream.ml.metrics import Ranking, wilson
from retainstream.ml.report import Estimate


@dataclass(frozen=True)
class HealthPanel:
    """What was known of customers on past dates, and who left after; one row for each customer and date.

    Attributes
    ----------
    as_of : int64 array of shape (n,)
        Date, in any unit.
    customer : int64 array of shape (n,)
    values : float array of shape (n, k)
        Values of the scheme's parts as known on the date; NaN is missing.
    left : bool array of shape (n,)
        Whether the customer left in the window after the date.
    model : float array of shape (n,), optional
        The churn model's score as given on the date (not by a model that was trained later); NaN where there is none.
    silent_days : float array of shape (n,), optional
        Days since the last sign of life: the plainest rival. NaN is missing.
    """

    as_of: np.ndarray
    customer: np.ndarray
    values: np.ndarray
    left: np.ndarray
    model: np.ndarray | None = None
    silent_days: np.ndarray | None = None

    def only(self, rows: np.ndarray) -> HealthPanel:
        """Return some rows, by a mask or positions."""
        model = None if self.model is None else self.model[rows]
        silent = None if self.silent_days is None else self.silent_days[rows]
        return HealthPanel(self.as_of[rows], self.customer[rows], self.values[rows], self.left[rows], model, silent)


@dataclass(frozen=True)
class DateResult:
    """AUC of the health score on one date; None when all left or all stayed."""

    as_of: int
    n: int
    left: int
    auc: float | None


@dataclass(frozen=True)
class BandResult:
    """How many of a band left; ``rate`` with its 95% Wilson interval, None for an empty band."""

    name: str
    n: int
    left: int
    rate: Estimate | None


@dataclass(frozen=True)
class BackTest:
    """Intervals are 95%, by resampling customers with all their dates; differences are of the same rows.

    Attributes
    ----------
    n, customers, left, left_out : int
        Rows judged, customers among them, rows that left, and rows without a score of every rival.
    health : Estimate
        AUC of the health score.
    model, silence : Estimate or None
        AUC of the churn model, and of days since the last sign of life; None when not given.
    against_model, against_silence : Estimate or None
        AUC of the health score minus theirs.
    dates : tuple of DateResult, rising
    bands : tuple of BandResult
        As in the scheme.
    """

    n: int
    customers: int
    left: int
    left_out: int
    health: Estimate
    model: Estimate | None
    silence: Estimate | None
    against_model: Estimate | None
    against_silence: Estimate | None
    dates: tuple[DateResult, ...]
    bands: tuple[BandResult, ...]


def points_by_date(scheme: Scheme, panel: HealthPanel) -> np.ndarray:
    """Points of each row among the customers of its own date, so that no date knows of another; float64 of shape (n, k)."""
    found = np.empty(panel.values.shape)
    for date in np.unique(panel.as_of):
        rows = panel.as_of == date
        found[rows] = points(scheme, panel.values[rows])
    return found


def backtest(scheme: Scheme, panel: HealthPanel, *, random_state: int = 0, draws: int | None = None) -> BackTest:
    """Judge a scheme on past dates.

    Parameters
    ----------
    scheme : Scheme
    panel : HealthPanel
    random_state : int
    draws : int, optional
        Resamplings; by the size of the panel.

    Returns
    -------
    BackTest

    Raises
    ------
    ValueError
        When everybody with a score left, or nobody did.
    """
    health = from_points(scheme, points_by_date(scheme, panel)).score
    signals = {"health": -health}
    if panel.model is not None:
        signals["model"] = np.asarray(panel.model, dtype=np.float64)
    if panel.silent_days is not None:
        signals["silence"] = np.asarray(panel.silent_days, dtype=np.float64)
    rows = ~np.isnan(np.column_stack(list(signals.values()))).any(axis=1)
    kept = panel.only(rows)
    found = compare({name: signal[rows] for name, signal in signals.items()}, kept, random_state, draws)
    dates = []
    for date in np.unique(kept.as_of):
        of_date = kept.as_of == date
        left = kept.left[of_date]
        mixed = 0 < left.sum() < len(left)
        auc = float(Ranking(left, -health[rows][of_date]).auc(np.ones((1, len(left))))[0]) if mixed else None
        dates.append(DateResult(int(date), len(left), int(left.sum()), auc))
    return BackTest(
        n=len(kept.left),
        customers=len(np.unique(kept.customer)),
        left=int(kept.left.sum()),
        left_out=int((~rows).sum()),
        health=found["health"],
        model=found.get("model"),
        silence=found.get("silence"),
        against_model=found.get("health - model"),
        against_silence=found.get("health - silence"),
        dates=tuple(dates),
        bands=_bands(scheme, health[rows], kept.left),
    )


def compare(
    signals: dict[str, np.ndarray], panel: HealthPanel, random_state: int, draws: int | None = None
) -> dict[str, Estimate]:
    """Estimate the AUC of each signal (higher: likelier to leave), and the first one's lead over each other ("first - other").

    Raises ValueError when all rows left or none did.
    """
    left = panel.left.astype(bool)
    if not 0 < left.sum() < len(left):
        raise ValueError("A health score can be judged only where some customers left and some stayed.")
    rankings = {name: Ranking(left, signal) for name, signal in signals.items()}
    first = next(iter(signals))

    def evaluate(weights: np.ndarray) -> dict[str, np.ndarray]:
        aucs = {name: ranking.auc(weights) for name, ranking in rankings.items()}
        return aucs | {f"{first} - {name}": aucs[first] - auc for name, auc in aucs.items() if name != first}

    groups = np.unique(panel.customer, return_inverse=True)[1]
    rng = np.random.default_rng(random_state)
    values, replicates = resample(evaluate, groups, draws or draws_for(len(left)), rng)
    return {name: interval(values[name], replicates[name]) for name in values}


def _bands(scheme: Scheme, health: np.ndarray, left: np.ndarray) -> tuple[BandResult, ...]:
    edges = np.array([band.lowest for band in scheme.bands])
    place = np.searchsorted(edges, health, side="right") - 1
    found = []
    for number, band in enumerate(scheme.bands):
        n, gone = int((place == number).sum()), int(left[place == number].sum())
        rate = Estimate(gone / n, *wilson(gone, n)) if n else None
        found.append(BandResult(band.name, n, gone, rate))
    return tuple(found)
