"""How much a returning customer spends: the Gamma-Gamma model, fitted by our own code.

What customers spend in a purchase varies about an average of their own; averages vary among customers, and do not go with how often they
buy. How often they buy is ``repeat_buying``'s affair.

Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value", brucehardie.com/notes/025; Fader, Hardie and Lee (2005), "RFM and CLV:
Using Iso-Value Curves for Customer Base Analysis", Journal of Marketing Research 42(4), 415-430.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from retainstream.ml.repeat_buying import NotConvergedError, Objective, drawn, maximum

_FEWEST = 30  # returning customers below which three parameters are not asked of the data


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model.

    Attributes
    ----------
    p : float > 0
        Shape of the gamma distribution of a purchase's amount about the customer's own average.
    q, v : float > 0
        Shape and rate of the gamma distribution among customers of that amount's rate; v is in the unit of the amounts.
    log_likelihood : float
        Of all returning customers together, in nats.
    n : int
        Returning customers with a positive average, which is what was learnt from.
    correlation : float
        Pearson's, of frequency and average among them. The model takes it as 0; values of customers who buy often are too low (when it is
        positive) or too high by as much as it differs.
    covariance : float64 array of shape (3, 3), or None for a model that was not fitted
        Of the logarithms of p, q, v.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    n: int
    correlation: float
    covariance: np.ndarray | None = field(default=None, compare=False, repr=False)

    @classmethod
    def fit(cls, frequency: np.ndarray, average: np.ndarray) -> GammaGamma:
        """Maximise the likelihood.

        Parameters
        ----------
        frequency : float64 array of shape (n,)
            Repeat purchases of each customer, 0 or more.
        average : float64 array of shape (n,)
            Average amount of those repeat purchases, any unit of money. Rows with frequency 0, and rows whose average is not above 0 or
            is missing, tell nothing of spending and are passed over.

        Returns
        -------
        GammaGamma

        Raises
        ------
        NotConvergedError
            When fewer than 30 customers came back, when all spend the same, or when the likelihood has no maximum.
        """
        x, money = np.asarray(frequency, dtype=np.float64), np.asarray(average, dtype=np.float64)
        usable = (x > 0) & (money > 0)
        x, money = x[usable], money[usable]
        if len(x) < _FEWEST:
            raise NotConvergedError(f"{len(x)} customers bought again; spending is learnt from {_FEWEST} or more.")
        scale = float(money.mean())
        if np.ptp(money) <= 1e-9 * scale:
            raise NotConvergedError("All customers spend the same, so there is no spread of spending to learn.")
        objective = _objective(x, money / scale)
        starts = (np.log([2.0, 3.0, 1.0]), np.log([6.0, 4.0, 0.5]))
        logs, covariance = maximum(objective, starts, len(x), "Gamma-Gamma model")
        p, q, v = (float(value) for value in np.exp(logs))
        if q <= 1:
            raise NotConvergedError("The Gamma-Gamma model gives these amounts no finite average: a few are too large.")
        total = len(x) * (objective(logs)[0] - np.log(scale))  # the density is of money, not of shares of its mean
        steady = len(np.unique(x)) == 1
        correlation = 0.0 if steady else float(np.corrcoef(x, money)[0, 1])
        return cls(p, q, v * scale, float(total), len(x), correlation, covariance)

    @property
    def mean(self) -> float:
        """Average amount that a customer of whom nothing is known spends in a purchase: p v / (q - 1)."""
        return self.p * self.v / (self.q - 1)

    def expected_spend(self, frequency: np.ndarray, average: np.ndarray) -> np.ndarray:
        """Return the average amount of each customer's future purchases, given the past ones; float64 of shape (n,).

        p (v + x m) / (p x + q - 1): the customer's own average, drawn the more towards the average of all the fewer purchases were seen.
        Who never came back, or whose average is missing or not above 0, gets the average of all.
        """
        x, money = known_spend(frequency, average)
        return np.asarray(self.p * (self.v + x * money) / (self.p * x + self.q - 1))

    def drawn(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Return parameters as other samples of customers might have given them; float64 of shape (draws, 3), columns p, q, v."""
        if self.covariance is None:
            raise ValueError("This model was not fitted, so nothing is known of the spread of its parameters.")
        return drawn(np.log([self.p, self.q, self.v]), self.covariance, draws, rng)


def known_spend(frequency: np.ndarray, average: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and averages as float64 of shape (n,), both 0 where spending is not known."""
    x, money = np.asarray(frequency, dtype=np.float64), np.asarray(average, dtype=np.float64)
    known = (x > 0) & (money > 0)
    return np.where(known, x, 0.0), np.where(known, money, 0.0)


def average_spend(customer: np.ndarray, day: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Average the amounts of repeat purchases, purchases of a day being one, as ``repeat_buying.summarise`` counts them.

    Parameters
    ----------
    customer : int64 array of shape (m,)
    day : int64 array of shape (m,)
        Whole days; all before the end of the observation.
    amount : array of shape (m,), numbers
        Any unit of money; amounts of a day are summed.

    Returns
    -------
    float64 array
        One for each customer with a purchase, by rising id; NaN for those who bought on a single day.
    """
    who, place = np.unique(customer, return_inverse=True)
    first = np.full(len(who), np.iinfo(np.int64).max)
    np.minimum.at(first, place, day)
    again = day > first[place]
    total = np.bincount(place[again], weights=amount[again], minlength=len(who))
    days = np.unique(np.column_stack([place[again], day[again]]), axis=0)[:, 0]
    times = np.bincount(days, minlength=len(who))
    return np.asarray(np.divide(total, times, out=np.full(len(who), np.nan), where=times > 0))


def _objective(x: np.ndarray, money: np.ndarray) -> Objective:
    """Mean log-likelihood and its gradient: equation 1a of the authors' note, amounts in shares of their mean."""
    from scipy.special import digamma, gammaln

    counts, place, times = np.unique(x, return_inverse=True, return_counts=True)
    log_money, log_x, n = np.log(money), np.log(x), len(x)

    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, v = parameters = np.exp(logs)
        pooled = np.log(v + money * x)
        value = gammaln(p * counts + q) - gammaln(p * counts) - gammaln(q) + q * np.log(v)
        total = (value * times).sum() + ((p * x - 1) * log_money + p * x * log_x - (p * x + q) * pooled).sum()
        both = digamma(p * counts + q)
        gradient = [
            (x * ((both - digamma(p * counts))[place] + log_money + log_x - pooled)).sum(),
            (both * times).sum() - n * digamma(q) + n * np.log(v) - pooled.sum(),
            n * q / v - ((p * x + q) / (v + money * x)).sum(),
        ]
        return float(total) / n, np.array(gradient) * parameters / n

    return objective
