"""What reaching a customer costs and brings: the threshold that follows, and the expected maximum profit of a ranking.

Only the arithmetic of money lives here; how well a model ranks is judged in ``metrics.py``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_EDGE = 1e-6  # a threshold is kept this far from 0 and 1, so that log-odds of it exist
_ACCEPTANCE_STRENGTH = 20.0  # alpha + beta of the published Beta(6, 14)


@dataclass(frozen=True)
class Economics:
    """Expected result of reaching one customer: ``acceptance * probability * value - cost``.

    Parameters
    ----------
    acceptance : float in (0, 1]
        Probability that a customer who was about to leave stays when reached.
    value : float > 0
        What a kept customer is worth, in the currency's major unit.
    cost : float >= 0
        Cost of reaching one customer: contact and incentive, same unit.

    Notes
    -----
    Defaults follow Verbraken, Verbeke and Baesens (2013), "A novel profit maximizing metric for measuring
    classification performance of customer churn prediction models", IEEE TKDE 25(5), 961-973: customer lifetime value
    200, incentive 10, contact 1, acceptance Beta(6, 14) with mean 0.3. The incentive is counted for everybody who is
    reached, which is the careful side. They are a start that a person edits, not a finding about their business.

    Raises
    ------
    ValueError
        When a figure is outside its range.
    """

    acceptance: float = 0.3
    value: float = 200.0
    cost: float = 11.0

    def __post_init__(self) -> None:
        if not 0 < self.acceptance <= 1:
            raise ValueError(f"The acceptance must be above 0 and at most 1; it is {self.acceptance}.")
        if not self.value > 0:
            raise ValueError(f"The value of a kept customer must be above 0; it is {self.value}.")
        if not self.cost >= 0:
            raise ValueError(f"The cost of reaching a customer cannot be negative; it is {self.cost}.")

    @property
    def threshold(self) -> float:
        """Probability above which reaching a customer pays: cost / (acceptance x value), kept inside (0, 1)."""
        return min(max(self.cost / (self.acceptance * self.value), _EDGE), 1 - _EDGE)

    def net_gain(self, probability: np.ndarray) -> np.ndarray:
        """Expected gain of reaching each customer, in the currency's major unit; NaN stays NaN."""
        return self.acceptance * probability * self.value - self.cost

    def to_dict(self) -> dict[str, Any]:
        """Return the three figures."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Economics:
        """Rebuild from :meth:`to_dict`."""
        return cls(**data)


def expected_maximum_profit(y: np.ndarray, score: np.ndarray, economics: Economics) -> tuple[float, float]:
    """Expected maximum profit per customer (EMPC) of a ranking, and the share of customers reached for it.

    Parameters
    ----------
    y : array of shape (n,), 0 or 1
    score : array of shape (n,)
        Higher means nearer to leaving; no missing values.
    economics : Economics
        ``cost`` is spent on everybody reached; acceptance is spread as a Beta with the given mean and the strength of
        the published Beta(6, 14).

    Returns
    -------
    profit, share : float
        Profit per customer of the base in the currency's unit (0 when nobody is worth reaching), share in [0, 1].

    Notes
    -----
    Verbraken, Verbeke and Baesens (2013), with the integral over the acceptance taken at 400 mid-quantiles and the
    maximum over the cuts of the ranking.
    """
    import numpy as np
    from scipy.stats import beta

    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    churners = np.append(0.0, np.cumsum(y[order])[last_of_tie]) / len(y)
    reached = np.append(0.0, np.flatnonzero(last_of_tie) + 1.0) / len(y)
    if len(reached) > 4000:  # the loop below is Python; 4,000 cuts are finer than any campaign
        thin = np.unique(np.linspace(0, len(reached) - 1, 4000).astype(int))
        churners, reached = churners[thin], reached[thin]
    keep = _upper_hull(reached, churners)
    churners, reached = churners[keep], reached[keep]
    mean = min(max(economics.acceptance, 0.01), 0.99)
    acceptances = beta.ppf((np.arange(400) + 0.5) / 400, mean * _ACCEPTANCE_STRENGTH, (1 - mean) * _ACCEPTANCE_STRENGTH)
    profit = acceptances[:, None] * economics.value * churners[None, :] - economics.cost * reached[None, :]
    best = profit.argmax(axis=1)
    return float(profit[np.arange(400), best].mean()), float(reached[best].mean())


def _upper_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of the upper convex hull of points sorted by x: a linear objective is largest on it."""
    import numpy as np

    hull: list[int] = []
    for i in range(len(x)):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) > (y[i] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(i)
    return np.asarray(hull)
