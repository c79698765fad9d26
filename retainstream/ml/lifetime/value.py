"""What a valuation says, whichever way it was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.report import Estimate

DAYS_OF_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class LifetimeValues:
    """Value of each customer within a stated period; arrays of shape (n,), in the unit of the margins.

    Attributes
    ----------
    value : float64 array
        Expected discounted margin of the period; NaN where it is not known.
    low, high : float64 arrays
        Between which the customer's own result is expected to lie with the chance of ``level``. This is a prediction of one
        customer and so wide: it holds the luck of this customer as well as what is not known of the parameters.
    total : Estimate
        Of all known values together, with its interval of the same level; luck evens out here, ignorance of the parameters does not.
    months : float
        Length of the period, in months of 365.25 / 12 days.
    annual_discount : float
        Share by which a year's delay lowers a margin's worth, such as 0.1: margin / 1.1 after a year.
    level : float
        Of the intervals.
    method : str
        How the intervals were made, as a sentence.
    unknown : int
        Customers whose value is NaN.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: Estimate
    months: float
    annual_discount: float
    level: float
    method: str
    unknown: int


def require_terms(months: float, annual_discount: float, level: float) -> None:
    """Raise ValueError for a period, a discount or a level that makes no sense."""
    if not 0 < months <= 240:
        raise ValueError(f"The period must be above 0 and at most 240 months; it is {months}.")
    if not 0 <= annual_discount < 10:
        raise ValueError(f"The yearly discount must be 0 or more, such as 0.1; it is {annual_discount}.")
    if not 0 < level < 1:
        raise ValueError(f"The level of an interval must lie between 0 and 1; it is {level}.")
