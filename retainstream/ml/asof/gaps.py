"""How long customers are silent, and after which silences they come back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from retainstream.ml.asof.columns import DAY_US
from retainstream.ml.asof.outcomes import Activity

ENOUGH_AT_RISK = 20
EDGES = (1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 545, 730)
"""Days at which bins of a distribution of silences begin: about equally wide on a scale of powers."""
CURVE_POINTS = 48


@dataclass(frozen=True)
class Silences:
    """Silences between the active days (UTC) of customers, counted by their length in days.

    Attributes
    ----------
    ended : int64 array of shape (m,)
        ended[x]: silences after which the customer came back on the x-th day.
    running : int64 array of shape (m,)
        running[x]: silences that were still going on at the end of the data, x whole days after the last active one.
    """

    ended: np.ndarray
    running: np.ndarray

    @property
    def at_risk(self) -> np.ndarray:
        """Silences that were watched on their x-th day, for each x: int64 of shape (m,)."""
        return np.asarray(np.cumsum((self.ended + self.running)[::-1])[::-1])

    @property
    def followed_days(self) -> int:
        """Longest length of which at least `ENOUGH_AT_RISK` silences were watched; 0 without."""
        enough = np.flatnonzero(self.at_risk >= ENOUGH_AT_RISK)
        return int(enough[-1]) if len(enough) else 0

    def quantile(self, share: float) -> int | None:
        """Return the days within which a share of the silences that ended had ended; None without any."""
        total = int(self.ended.sum())
        return int(np.searchsorted(np.cumsum(self.ended), share * total)) if total else None

    def reached(self, days: int) -> int:
        """Return how many silences were at least so many days long; one that goes on counts from its last complete day."""
        return int(self.ended[days:].sum() + self.running[max(days - 1, 0) :].sum())

    def came_back(self, days: int) -> float | None:
        """Return the share of silences of at least so many days after which the customer came back, 0 to 1.

        The product-limit estimate of Kaplan and Meier (1958): a silence that still goes on counts for the days on which it was watched. Returns
        later than `followed_days` cannot be seen. None when a silence of so many days is beyond that.
        """
        last = self.followed_days
        if days > last:
            return None
        at_risk = self.at_risk[days : last + 1]
        return float(1.0 - np.prod(1.0 - self.ended[days : last + 1] / at_risk))

    def spread(self) -> list[tuple[int, int, int]]:
        """Return how the silences that ended spread over `EDGES`: first day, last day, and how many; up to the last bin that has any."""
        longest = len(self.ended) - 1
        edges = [*(edge for edge in EDGES if edge <= longest), longest + 1]
        bins = [(low, high - 1, int(self.ended[low:high].sum())) for low, high in pairwise(edges) if high > low]
        while bins and bins[-1][2] == 0:
            bins.pop()
        return bins

    def curve(self) -> list[tuple[int, float]]:
        """Return `came_back` over days, about equally far apart on a scale of powers, up to `followed_days`; 0 to 1."""
        last = self.followed_days
        if last < 1:
            return []
        days = np.unique(np.geomspace(1, last, CURVE_POINTS).round().astype(int))
        return [(int(day), share) for day in days if (share := self.came_back(int(day))) is not None]


def silences(activity: Activity, data_end: int) -> Silences:
    """Count the silences of every customer.

    Parameters
    ----------
    activity : Activity
        What was known at the end of the data.
    data_end : int
        Microseconds UTC, the start of a day.
    """
    customer, day = activity.customer, activity.at // DAY_US
    same = customer[1:] == customer[:-1]
    gap = np.diff(day)[same]
    last = np.append(~same, True) if len(customer) else np.zeros(0, bool)
    running = data_end // DAY_US - 1 - day[last]
    gap = gap[gap > 0]
    longest = int(max(gap.max(initial=0), running.max(initial=0))) + 1
    return Silences(np.bincount(gap, minlength=longest), np.bincount(running, minlength=longest))


def thinned(activity: Activity) -> Activity:
    """Return the first and the last activity of each customer's day (UTC): no silence of a whole day or more lies between the others."""
    day = activity.at // DAY_US
    new = np.ones(len(day) + 1, bool)
    new[1:-1] = (activity.customer[1:] != activity.customer[:-1]) | (day[1:] != day[:-1])
    kept = new[:-1] | new[1:]
    return Activity(activity.customer[kept], activity.at[kept], activity.rows[kept])
