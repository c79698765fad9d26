"""What a valuation rests on and consists of: the stated terms, the values, and the check on a period that nothing was learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.lib import clock
from retainstream.services.preferences import Preferences

if TYPE_CHECKING:
    from retainstream.ml.lifetime import HoldOut, LifetimeValues
    from retainstream.ml.report import Estimate

_Z = 1.959964
SUBSCRIPTION, PURCHASES = "subscription", "purchases"
DAYS_OF_A_MONTH = 365.25 / 12
MONTH_US = round(DAYS_OF_A_MONTH * clock.DAY_US)


@dataclass(frozen=True)
class Terms:
    """What people chose: months looked ahead, share of what is paid that remains, and what a year's delay costs."""

    months: int
    margin: float
    annual_discount: float

    @classmethod
    def of(cls, chosen: Preferences) -> Terms:
        """Return the terms that the preferences say."""
        return cls(chosen.value_months, chosen.margin, chosen.annual_discount)


@dataclass(frozen=True)
class Check:
    """A prediction as of a past day against what came until the data ends.

    Attributes
    ----------
    cut, end : int
        Microseconds UTC: learnt from what was before, judged by what came until.
    method : str
        What predicted, as a sentence.
    money : dict
        `judged` in minor units.
    purchases : dict or None
        The same in purchases.
    customer, part : int64 arrays of shape (n,)
        Whom it was about, and in which tenth of the predictions of money each lies.
    parameters : dict
        What was fitted to the data before the cut, as JSON.
    """

    cut: int
    end: int
    method: str
    money: dict[str, Any]
    purchases: dict[str, Any] | None
    customer: np.ndarray
    part: np.ndarray
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Valued:
    """Everybody's value as of the end of the data; arrays of shape (n,) by rising id.

    Attributes
    ----------
    contract : {"subscription", "purchases"}
    as_of : int
        Microseconds UTC.
    currency : str
    customer : int64 array
    values : LifetimeValues
        In minor units.
    alive, purchases : float64 arrays
        As `models.LifetimeValue` has them.
    parameters : dict
        What was fitted, as JSON.
    notes : tuple of str
        What a reader has to know of these values, as sentences.
    check : Check or None
        None where the history is too short for one; `unchecked` says so.
    unchecked : str
    """

    contract: str
    as_of: int
    currency: str
    customer: np.ndarray
    values: LifetimeValues
    alive: np.ndarray
    purchases: np.ndarray
    parameters: dict[str, Any]
    notes: tuple[str, ...]
    check: Check | None
    unchecked: str = ""


def estimate(found: Estimate) -> dict[str, float]:
    """Return an estimate as JSON."""
    return {"value": found.value, "low": found.low, "high": found.high}


def judged(
    predicted: np.ndarray, actual: np.ndarray, baseline: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, Any]:
    """Compare predictions with what came: `ml.lifetime.judge` as JSON, with the 95% interval of each tenth's mean result.

    The interval is that of a mean of n customers (normal); None for a single one. Rows without a prediction are left out.
    """
    from retainstream.ml.lifetime import judge
    from retainstream.ml.rfm import tied_parts

    found: HoldOut = judge(predicted, actual, baseline, low=low, high=high)
    known = ~(np.isnan(predicted) | np.isnan(actual) | np.isnan(baseline))
    part, came = tied_parts(predicted[known], 10), actual[known]
    plain, expected = baseline[known], predicted[known]
    parts = []
    for one in found.parts:
        mine = came[part == one.part]
        half = float(_Z * mine.std(ddof=1) / np.sqrt(one.n)) if one.n > 1 else None
        ends = {"low": None, "high": None} if half is None else {"low": one.actual - half, "high": one.actual + half}
        parts.append({**vars(one), **ends})
    return {
        "n": found.n,
        "mae": estimate(found.mae),
        "baseline_mae": estimate(found.baseline_mae),
        "difference": estimate(found.difference),
        "better": found.better,
        "rmse": float(np.sqrt(np.mean((expected - came) ** 2))),
        "baseline_rmse": float(np.sqrt(np.mean((plain - came) ** 2))),
        "predicted": found.predicted,
        "baseline": float(plain.sum()),
        "actual": found.actual,
        "ratio": found.ratio if math.isfinite(found.ratio) else None,
        "covered": found.covered,
        "parts": parts,
    }
