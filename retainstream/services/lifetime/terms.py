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
    money : HoldOut
        In minor units.
    purchases : HoldOut or None
        The same in purchases.
    customer, part : int64 arrays of shape (n,)
        Whom it was about, and in which tenth of the predictions of money each lies.
    parameters : dict
        What was fitted to the data before the cut, as JSON.
    """

    cut: int
    end: int
    method: str
    money: HoldOut
    purchases: HoldOut | None
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


def verdict(found: HoldOut) -> dict[str, Any]:
    """Return a check's figures as JSON."""
    return {
        "n": found.n,
        "mae": estimate(found.mae),
        "baseline_mae": estimate(found.baseline_mae),
        "difference": estimate(found.difference),
        "better": found.better,
        "predicted": found.predicted,
        "actual": found.actual,
        "ratio": found.ratio if math.isfinite(found.ratio) else None,
        "covered": found.covered,
        "parts": [vars(part) for part in found.parts],
    }
