"""What belongs to one run: its rows, its model's promise, and the estimate that stands in for figures while the window is open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.models import ModelVersion, ScoreHistory, ScoringRun
from retainstream.services import registry

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml import ChurnPredictor
    from retainstream.ml.performance import Performance

ESTIMATE = "estimated_performance"
"""Where a run's summary keeps its estimate."""
_PROMISED = (
    "auc",
    "pr_auc",
    "top_decile_lift",
    "log_loss",
    "brier",
    "ece",
    "calibration_slope",
    "calibration_intercept",
)
_OF_PROBABILITIES = frozenset({"log_loss", "brier", "ece", "calibration_slope", "calibration_intercept"})
_KEPT = 512


@dataclass(frozen=True)
class Rows:
    """What a run said of each customer that is still on record.

    Attributes
    ----------
    ids : int64 array of shape (n,)
        Rising.
    margin : float64 array of shape (n,), log-odds
    probability : float64 array of shape (n,), optional
        By the calibrator of the very version; None where its probabilities are withheld.
    threshold : float
        Where the version takes precision and recall.
    """

    ids: np.ndarray
    margin: np.ndarray
    probability: np.ndarray | None
    threshold: float


def rows_of(session: Session, run_id: int, version_id: int) -> Rows:
    """Read a run's rows; raises Conflict when its model cannot be loaded."""
    import numpy as np

    predictor: ChurnPredictor = registry.load(session, version_id)
    query = select(ScoreHistory.customer_id, ScoreHistory.margin).where(ScoreHistory.run_id == run_id)
    found = session.execute(query.order_by(ScoreHistory.customer_id)).all()
    ids = np.fromiter((row[0] for row in found), np.int64, len(found))
    margin = np.fromiter((row[1] for row in found), np.float64, len(found))
    probability = None
    if predictor.report_.calibration.passed:
        probability = predictor.served_.calibrated(margin, predictor.served_.folds_of(len(ids), ids))
    return Rows(ids, margin, probability, predictor.report_.threshold)


def shares() -> Sequence[float]:
    """Return the shares of customers that might be reached, rising: those for which a model's own test window tells what that finds."""
    from retainstream.ml.forward.stability import CAPACITY_SHARES

    return CAPACITY_SHARES


def heads(share: float, n: int) -> int:
    """Return how many of n customers a share is: at least one, where there is anybody."""
    return min(n, max(1, round(share * n)))


def capacities(n: int) -> list[int]:
    """Return how many customers of n each of the `shares` is."""
    return [heads(share, n) for share in shares()]


def presented(found: Performance) -> dict[str, Any]:
    """Return figures at the `capacities` of their customers as the API has them: each capacity as a share and as heads."""
    plain = found.to_dict()
    caught = zip(shares(), plain["caught"], strict=bool(found.n))  # nobody scored: nobody to reach
    return {**plain, "caught": [{"share_reached": share, **one} for share, one in caught]}


def promised(version: ModelVersion, n: int) -> dict[str, object]:
    """Return what a version's own test window promised, in the terms in which a run is judged.

    Figures made of probabilities are left out where the version's are withheld.

    Parameters
    ----------
    n : int
        Customers of the run, of whom each share that might be reached is so many heads.
    """
    report: dict[str, Any] = version.report
    metrics = {
        name: report["metrics"][name]
        for name in _PROMISED
        if name in report["metrics"] and (version.calibrated or name not in _OF_PROBABILITIES)
    }
    forward: dict[str, Any] = report.get("forward") or {}
    caught = [
        {
            "share_reached": one["share_reached"],
            "reached": heads(one["share_reached"], n),
            "share_of_churners": one["share_churners"],
            "lift": one["lift"],
        }
        for one in forward.get("capacities") or ()
    ]
    return {"n": report["n"], "observed_share": report["base_rate"], "metrics": metrics, "caught": caught}


class _Estimates:
    """Estimates that this process made, by database and run: a run never changes, and sorting its scores anew at each call would be waste."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], dict[str, object]] = OrderedDict()

    def get(self, key: tuple[str, int]) -> dict[str, object] | None:
        with self._lock:
            return self._kept.get(key)

    def put(self, key: tuple[str, int], value: dict[str, object]) -> None:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


_estimates = _Estimates()


def estimate_at_hand(session: Session, run: ScoringRun) -> dict[str, object] | None:
    """Return the estimate of a run that was made before; None without one."""
    stored: Any = run.summary.get(ESTIMATE)
    return stored or _estimates.get(_key(session, run.id))


def estimate(session: Session, run_id: int, version_id: int) -> dict[str, object]:
    """Return what a run's calibrated probabilities promise; the version's must not be withheld. Sorts all its scores: once a run."""
    from retainstream.ml.performance import estimated

    rows = rows_of(session, run_id, version_id)
    assert rows.probability is not None
    found = presented(estimated(rows.margin, rows.probability, capacities=capacities(len(rows.ids))))
    _estimates.put(_key(session, run_id), found)
    return found


def _key(session: Session, run_id: int) -> tuple[str, int]:
    return str(session.get_bind().engine.url), run_id
