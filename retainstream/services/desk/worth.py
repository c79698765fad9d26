"""What a customer is worth, were they kept, beside the usual one: the factor by which the value that a person set is multiplied.

Why the values of the analysis are not taken as they stand, and why they are bounded, is told in docs/decisions/0007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.models import AnalysisRun, Customer, LifetimeValue
from retainstream.services.analyses import runs

if TYPE_CHECKING:
    import numpy as np

MOST = 10.0
"""Nobody counts for more than so many usual customers of their currency."""
FEWEST_OF_PLAN = 30
"""Customers of a plan below which the stay of everybody speaks for it."""
_LEAST_MONTHS, _LEAST_ALIVE = 0.05, 0.01  # below, amounts rounded to minor units say nothing of what is behind them
LIFETIME, REVENUE, SET = "lifetime_value", "revenue", "set_value"


@dataclass(frozen=True, eq=False)
class Worth:
    """Factors of active customers.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Rising.
    factors : float64 array, shape (n,)
        0 or more, on average 1 among customers of the same currency of whom anything is known; 1 where nothing is.
    by : {"lifetime_value", "revenue", "set_value"}
        What most of the known ones are told from; `set_value` where nothing is known of anybody.
    """

    ids: np.ndarray
    factors: np.ndarray
    by: str

    def of(self, wanted: np.ndarray) -> np.ndarray:
        """Return the factors of some customers; 1 for one who is not among them."""
        import numpy as np

        if not len(self.ids):
            return np.ones(len(wanted))
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[at] == wanted, self.factors[at], 1.0)


def run_in_force(session: Session) -> AnalysisRun | None:
    """Return the lifetime run that factors are told from; None before there was any."""
    return runs.in_force(session, "lifetime")


def read(session: Session, settings: Settings) -> Worth:
    """Return the factors of everybody active, by lifetime value where there is one, else by monthly revenue."""
    import numpy as np

    run = run_in_force(session)
    value = LifetimeValue
    joined = and_(value.customer_id == Customer.id, value.run_id == (0 if run is None else run.id))
    rows = session.execute(
        select(
            Customer.id,
            Customer.revenue_minor,
            func.coalesce(Customer.currency, settings.currency),
            Customer.plan,
            value.value_minor,
            value.currency,
            value.alive,
            value.purchases,
        )
        .outerjoin(value, joined)
        .where(Customer.visible(), Customer.churned.is_not(True))
        .order_by(Customer.id)
    ).all()
    if not rows:
        return Worth(np.empty(0, dtype=np.int64), np.empty(0), SET)
    ids, revenue, currency, plan, worth, priced, alive, purchases = zip(*rows, strict=True)
    money = np.array(revenue, dtype=np.float64)
    by_revenue = factors(money, currency)
    bought = run is not None and run.summary.get("contract") == "purchases"
    value_minor, there, months = (np.array(column, dtype=np.float64) for column in (worth, alive, purchases))
    kept = of_buyers(value_minor, there) if bought else of_subscribers(value_minor, months, plan)
    by_value = factors(kept, priced)
    known = np.where(np.isnan(by_value), by_revenue, by_value)
    n_value, n_revenue = int((~np.isnan(by_value)).sum()), int((~np.isnan(known)).sum())
    by = SET if not n_revenue else LIFETIME if 2 * n_value >= n_revenue else REVENUE
    return Worth(np.array(ids, dtype=np.int64), np.where(np.isnan(known), 1.0, known), by)


def of_subscribers(value: np.ndarray, months: np.ndarray, plan: tuple[str | None, ...]) -> np.ndarray:
    """Return what subscribers would be worth if they were kept: what they bring in a month x the months that the usual customer of their plan stays.

    Parameters
    ----------
    value, months : float64 arrays of shape (n,)
        The lifetime value and the months that are expected to be paid within it; NaN where not known.
    plan : tuple of n (str or None)

    Returns
    -------
    float64 array of shape (n,)
        In the unit of `value`; NaN where nothing is known, or so few months are expected that the value is rounding.
    """
    import numpy as np

    usable = ~np.isnan(value) & (np.nan_to_num(months) >= _LEAST_MONTHS)
    if not usable.any():
        return np.full(len(value), np.nan)
    names, place = np.unique(np.array([one or "" for one in plan]), return_inverse=True)
    everybody = float(np.median(months[usable]))
    stays = np.full(len(names), everybody)
    for at in range(len(names)):
        own = months[usable & (place == at)]
        if len(own) >= FEWEST_OF_PLAN:
            stays[at] = float(np.median(own))
    monthly = np.divide(value, months, out=np.full(len(value), np.nan), where=usable)
    return np.asarray(monthly * stays[place])


def of_buyers(value: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Return what buyers would be worth if they were kept: the value given that they still buy, which is value / chance of that; NaN where not known."""
    import numpy as np

    return np.asarray(value / np.maximum(alive, _LEAST_ALIVE))


def factors(amount: np.ndarray, currency: tuple[str | None, ...]) -> np.ndarray:
    """Return amounts relative to their currency's mean, each cut at `MOST` times the median first.

    Parameters
    ----------
    amount : float64 array of shape (n,)
        NaN where not known; below 0 counts as 0.
    currency : tuple of n (str or None)

    Returns
    -------
    float64 array of shape (n,)
        On average 1 in each currency; NaN where the amount is not known, or nobody pays anything in the currency. The median is that of those above 0.
    """
    import numpy as np

    found = np.full(len(amount), np.nan)
    names = np.array([one or "" for one in currency])
    for name in np.unique(names):
        rows = (names == name) & ~np.isnan(amount)
        own = np.maximum(amount[rows], 0.0)
        if not (own > 0).any():
            continue
        cut = np.minimum(own, MOST * float(np.median(own[own > 0])))
        found[rows] = cut / cut.mean()
    return found
