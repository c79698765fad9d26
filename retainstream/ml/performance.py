"""How scores that were given turned out, and what may be expected of them until that is known.

`realised` needs outcomes; `estimated` needs calibrated probabilities and nothing else, and says so. Which outcome belongs to which score is
decided by `asof.outcomes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retainstream.ml.bootstrap import Metrics, draws_for, interval, resample
from retainstream.ml.metrics import Calibration, Ranking, mean_of, row_log_loss
from retainstream.ml.report import Estimate

FEWEST = 5
"""With fewer customers who left, or who stayed, a rank's quality is not worth a figure."""
_EVEN = 0.5


@dataclass(frozen=True)
class Caught:
    """Of the ``reached`` customers with the highest scores, ``churners`` left: a share of all who did, and a lift over reaching at random."""

    reached: int
    churners: float
    share_of_churners: float | None
    lift: float | None


@dataclass(frozen=True)
class Performance:
    """Figures of one scoring run.

    Attributes
    ----------
    estimated : bool
        True when the figures are what calibrated probabilities promise, and no outcome was looked at.
    n : int
    churners : float
        Who left; expected, when estimated.
    mean_probability, observed_share : float or None
        None without probabilities, and without outcomes.
    metrics : dict of Estimate
        auc, pr_auc, top_decile_lift, and with probabilities log_loss, brier, ece, calibration_slope, calibration_intercept. 95% bootstrap
        intervals when realised; when estimated, the figure alone, with an empty interval.
    caught : tuple of Caught
    """

    estimated: bool
    n: int
    churners: float
    mean_probability: float | None
    observed_share: float | None
    metrics: dict[str, Estimate]
    caught: tuple[Caught, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; a figure that does not exist is None."""
        plain = asdict(self)
        plain["metrics"] = {
            name: {key: value if np.isfinite(value) else None for key, value in estimate.items()}
            for name, estimate in plain["metrics"].items()
        }
        plain["caught"] = list(plain["caught"])
        return plain


def realised(
    margin: np.ndarray,
    probability: np.ndarray | None,
    y: np.ndarray,
    *,
    capacities: Sequence[int],
    threshold: float = _EVEN,
    random_state: int = 0,
) -> Performance:
    """Judge scores by what happened.

    Parameters
    ----------
    margin : float64 array of shape (n,)
        Log-odds as given then; no missing values.
    probability : float64 array of shape (n,), optional
        Calibrated, as shown then; None where the model's were withheld.
    y : array of shape (n,), 0 or 1
    capacities : sequence of int
        Numbers of customers that can be reached.
    threshold : float
        Where precision and recall are taken.
    random_state : int

    Returns
    -------
    Performance
        Without metrics when fewer than ``FEWEST`` customers left or stayed.
    """
    n, churners = len(y), int(y.sum())
    found = tuple(_caught(margin, y.astype(np.float64), reached) for reached in capacities if n)
    metrics: dict[str, Estimate] = {}
    if min(churners, n - churners) >= FEWEST:
        metrics = _metrics(margin, probability, y, threshold, np.random.default_rng(random_state))
    mean = None if probability is None or not n else float(probability.mean())
    return Performance(False, n, float(churners), mean, churners / n if n else None, metrics, found)


def _metrics(
    margin: np.ndarray, probability: np.ndarray | None, y: np.ndarray, threshold: float, rng: np.random.Generator
) -> dict[str, Estimate]:
    ranking = Ranking(y, margin)
    line = None if probability is None else Calibration(y, probability, threshold)
    losses = None if probability is None else mean_of(row_log_loss(y, probability))
    squares = None if probability is None else mean_of((probability - y) ** 2)

    def evaluate(weights: np.ndarray) -> Metrics:
        found = ranking.evaluate(weights)
        if line is not None and losses is not None and squares is not None:
            found = {**found, **line.evaluate(weights), "log_loss": losses(weights), "brier": squares(weights)}
        return found

    values, replicates = resample(evaluate, np.arange(len(y)), min(draws_for(len(y)), 500), rng)
    return {name: interval(value, replicates[name]) for name, value in values.items()}


def estimated(margin: np.ndarray, probability: np.ndarray, *, capacities: Sequence[int]) -> Performance:
    """Return what calibrated probabilities promise of themselves.

    Parameters
    ----------
    margin, probability : float64 arrays of shape (n,)

    Notes
    -----
    Each customer is taken for a coin of its own probability. Then the expected number of leavers among the first N is the sum of their
    probabilities, the expected Brier score the mean of p (1 - p), the expected log loss the mean entropy, and the AUC the expected share of
    pairs in order (sums of p_i (1 - p_j), ties counting half). It holds as far as the probabilities are right; a model that has drifted
    flatters itself. The same idea as confidence-based performance estimation.
    """
    n = len(probability)
    p = np.asarray(probability, dtype=np.float64)
    found = tuple(_caught(margin, p, reached) for reached in capacities if n)
    metrics: dict[str, Estimate] = {}
    if n:
        auc = _expected_auc(margin, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -(p * np.log(np.maximum(p, 1e-12)) + (1 - p) * np.log(np.maximum(1 - p, 1e-12)))
        for name, value in (("auc", auc), ("log_loss", float(entropy.mean())), ("brier", float((p * (1 - p)).mean()))):
            metrics[name] = Estimate(value, float("nan"), float("nan"))
    return Performance(True, n, float(p.sum()), float(p.mean()) if n else None, None, metrics, found)


def _expected_auc(margin: np.ndarray, p: np.ndarray) -> float:
    order = np.argsort(margin, kind="stable")
    score, left, stayed = margin[order], p[order], 1 - p[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    left_in, stayed_in = (np.diff(np.cumsum(part)[ends], prepend=0.0) for part in (left, stayed))
    below = np.cumsum(stayed_in) - stayed_in
    total = left_in.sum() * stayed_in.sum()
    return float((left_in * (below + 0.5 * stayed_in)).sum() / total) if total > 0 else float("nan")


def _caught(margin: np.ndarray, left: np.ndarray, reached: int) -> Caught:
    """Count leavers among the highest scores; customers tied at the last place share it."""
    n, reached = len(margin), min(reached, len(margin))
    ranked = np.sort(margin)[::-1]
    last = ranked[reached - 1] if reached else np.inf
    above, tied = margin > last, margin == last
    room = reached - int(above.sum())
    share_of_ties = room / int(tied.sum()) if tied.any() else 0.0
    churners = float(left[above].sum() + share_of_ties * left[tied].sum())
    total = float(left.sum())
    part = churners / total if total > 0 else None
    return Caught(reached, churners, part, None if part is None or not reached else part * n / reached)
