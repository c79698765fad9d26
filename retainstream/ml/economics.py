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
    incentive : float >= 0, at most ``cost`` and below ``value``
        The part of the cost that is spent only on a customer who takes the offer; counted apart by the EMPC alone. A larger one is cut.

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
    incentive: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.acceptance <= 1:
            raise ValueError(f"The acceptance must be above 0 and at most 1; it is {self.acceptance}.")
        if not self.value > 0:
            raise ValueError(f"The value of a kept customer must be above 0; it is {self.value}.")
        if not self.cost >= 0:
            raise ValueError(f"The cost of reaching a customer cannot be negative; it is {self.cost}.")
        if not self.incentive >= 0:
            raise ValueError(f"The incentive cannot be negative; it is {self.incentive}.")
        object.__setattr__(self, "incentive", min(self.incentive, self.cost, 0.99 * self.value))

    @property
    def contact(self) -> float:
        """What is spent on everybody who is reached."""
        return self.cost - self.incentive

    @property
    def threshold(self) -> float:
        """Probability above which reaching a customer pays: cost / (acceptance x value), kept inside (0, 1)."""
        return min(max(self.cost / (self.acceptance * self.value), _EDGE), 1 - _EDGE)

    def net_gain(self, probability: np.ndarray) -> np.ndarray:
        """Expected gain of reaching each customer, in the currency's major unit; NaN stays NaN."""
        return self.acceptance * probability * self.value - self.cost

    def to_dict(self) -> dict[str, Any]:
        """Return the four figures."""
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
        Both must occur.
    score : array of shape (n,)
        Higher means nearer to leaving; no missing values.
    economics : Economics
        ``contact`` is spent on everybody reached, ``incentive`` on those who take it: all who would have stayed, and the share of leavers
        that accepts. That share is unknown, and follows a Beta with the given mean and the strength of the published Beta(6, 14).

    Returns
    -------
    profit, share : float
        Profit per customer of the base in the currency's unit (0 when nobody is worth reaching), share in [0, 1].

    Notes
    -----
    Verbraken, Verbeke and Baesens (2013), equation 12: with V the value, d and f incentive and contact as shares of V, the best cut of the
    ranking for an acceptance g maximises V ((g (1 - d) - f) pi0 F0 - (d + f) pi1 F1), and this is averaged over g. On the upper hull of
    the ROC curve each segment pays from one acceptance on, so the average is a sum of incomplete beta functions: exact.
    """
    import numpy as np
    from scipy.stats import beta

    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1)
    left = np.append(0.0, np.cumsum(y[order], dtype=np.float64)[ends])
    stayed = np.append(0.0, ends + 1.0) - left
    kept = _upper_hull(stayed, left)
    more_left, more_stayed = np.diff(left[kept]) / len(y), np.diff(stayed[kept]) / len(y)
    contact, incentive, value = economics.contact, economics.incentive, economics.value
    spent = contact * more_left + (contact + incentive) * more_stayed
    gained = (value - incentive) * more_left
    pays_from = np.divide(spent, gained, out=np.full(len(gained), np.inf), where=gained > 0)
    mean = min(max(economics.acceptance, 0.01), 0.99)
    a, b = mean * _ACCEPTANCE_STRENGTH, (1 - mean) * _ACCEPTANCE_STRENGTH
    chance = beta.sf(pays_from, a, b)
    profit = gained * mean * beta.sf(pays_from, a + 1, b) - spent * chance
    return float(profit.sum()), float(((more_left + more_stayed) * chance).sum())


def _upper_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of the upper convex hull of points sorted by x: a linear objective is largest on it; of points above one another the last is kept."""
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
