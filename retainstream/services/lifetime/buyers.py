"""Value of customers who buy again, without any contract: how often they come back (BG/NBD) x what they spend (Gamma-Gamma) x margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.money import exponent
from retainstream.services.analyses import material
from retainstream.services.analyses.purchases import Purchases
from retainstream.services.lifetime.terms import DAYS_OF_A_MONTH, PURCHASES, Check, Terms, Valued, judged

if TYPE_CHECKING:
    from retainstream.ml.lifetime import BuyerValues, GammaGamma
    from retainstream.ml.repeat_buying import BetaGeometricNBD, RepeatSummary

UNIT_DAYS = 7.0
SHORTEST = 28
"""Days that a check needs on either side of its cut."""
_CELLS = 6_000_000  # draws x customers, of which an interval of one customer is made
_METHOD = "BG/NBD for purchases and Gamma-Gamma for amounts, fitted to the purchases before that day."


@dataclass(frozen=True)
class _Sales:
    """Purchases of complete days; int64 arrays of shape (m,), days since 1970-01-01. `amount` is in the main unit; `last` is the last day."""

    customer: np.ndarray
    day: np.ndarray
    amount: np.ndarray
    last: int

    def until(self, day: int) -> _Sales:
        rows = self.day <= day
        return _Sales(self.customer[rows], self.day[rows], self.amount[rows], day)


@dataclass(frozen=True)
class _Fit:
    summary: RepeatSummary
    average: np.ndarray
    buying: BetaGeometricNBD
    spending: GammaGamma

    def parameters(self) -> dict[str, Any]:
        buying, spending = self.buying, self.spending
        return {
            "bg_nbd": {
                **{name: getattr(buying, name) for name in ("r", "alpha", "a", "b", "log_likelihood", "n")},
                "unit_days": UNIT_DAYS,
            },
            "gamma_gamma": {
                name: getattr(spending, name) for name in ("p", "q", "v", "mean", "correlation", "log_likelihood", "n")
            },
        }


def valued(bought: Purchases, zone: ZoneInfo, end: int, terms: Terms) -> Valued:
    """Value every buyer as of the end of the data.

    Raises
    ------
    NotReady
        Where purchases carry no amounts, or too few customers came back for the models to say anything.
    """
    from retainstream.ml.repeat_buying import NotConvergedError

    if not bought.priced:
        raise NotReady("Purchases came without amounts, so what customers are worth cannot be told.")
    sales = _sales(bought, zone, end)
    if not len(sales.customer):
        raise NotReady("Nobody bought anything within the complete days of the data.")
    kept = _kept_share(bought, end)
    try:
        fit = _fit(sales)
    except NotConvergedError as why:
        raise NotReady(f"Repeat buying cannot be told from these purchases yet: {why}") from why
    found = _values(fit, terms.months, terms.margin * kept, terms.annual_discount)
    scale = 10.0 ** exponent(bought.currency)
    check, unchecked = _checked(sales, terms, kept, scale, end)
    return Valued(
        contract=PURCHASES,
        as_of=end,
        currency=bought.currency,
        customer=fit.summary.customer,
        values=_scaled(found, scale),
        alive=found.alive,
        purchases=found.purchases,
        parameters=fit.parameters() | {"kept_share": kept},
        notes=_notes(fit, kept, bought),
        check=check,
        unchecked=unchecked,
    )


def _sales(bought: Purchases, zone: ZoneInfo, end: int) -> _Sales:
    rows = ~bought.refund & (bought.occurred < end) & (bought.received < end)
    day = material.local_days(bought.occurred[rows], zone)
    last = int(material.local_days(np.asarray([end - 1]), zone)[0])
    return _Sales(bought.customer[rows], day, bought.amount[rows] / 10.0 ** exponent(bought.currency), last)


def _kept_share(bought: Purchases, end: int) -> float:
    """Return the share of what was bought that was not refunded: values to come are lowered by as much."""
    known = (bought.occurred < end) & (bought.received < end)
    gross = float(bought.amount[known & ~bought.refund].sum())
    back = -float(bought.amount[known & bought.refund].sum())
    return float(np.clip(1 - back / gross, 0.01, 1.0)) if gross > 0 else 1.0


def _fit(sales: _Sales) -> _Fit:
    from retainstream.ml.lifetime import GammaGamma, average_spend
    from retainstream.ml.repeat_buying import BetaGeometricNBD, summarise

    summary = summarise(sales.customer, sales.day, float(sales.last), unit_days=UNIT_DAYS)
    average = average_spend(sales.customer, sales.day, sales.amount)
    return _Fit(summary, average, BetaGeometricNBD.fit(summary), GammaGamma.fit(summary.frequency, average))


def _values(fit: _Fit, months: float, margin: float, discount: float) -> BuyerValues:
    from retainstream.ml.lifetime import value_buyers

    draws = int(np.clip(_CELLS // max(len(fit.summary.customer), 1), 100, 500))
    return value_buyers(
        fit.buying, fit.spending, fit.summary, fit.average, months=months, margin=margin, annual_discount=discount,
        unit_days=UNIT_DAYS, draws=draws,
    )  # fmt: skip


def _scaled(found: BuyerValues, scale: float) -> BuyerValues:
    from dataclasses import replace

    total = replace(found.total, **{name: value * scale for name, value in vars(found.total).items()})
    return replace(found, value=found.value * scale, low=found.low * scale, high=found.high * scale, total=total)


def _checked(sales: _Sales, terms: Terms, kept: float, scale: float, end: int) -> tuple[Check | None, str]:
    """Fit what was known by the middle of the history (or one period before its end) and compare with what came."""
    from retainstream.ml.lifetime import past_rate
    from retainstream.ml.repeat_buying import NotConvergedError
    from retainstream.ml.rfm import tied_parts

    first = int(sales.day.min())
    ahead = int(min((sales.last - first) // 2, terms.months * DAYS_OF_A_MONTH))
    if ahead < SHORTEST:
        return None, "The history is too short to hold a part of it out: a check needs four weeks on either side."
    cut = sales.last - ahead
    before = sales.until(cut)
    try:
        fit = _fit(before)
    except NotConvergedError as why:
        return None, f"What was known before the period held out is too little to learn from: {why}"
    units = ahead / UNIT_DAYS
    predicted = _values(fit, ahead / DAYS_OF_A_MONTH, terms.margin * kept, 0.0)
    times, paid = _came(sales, fit.summary.customer, cut)
    plain = past_rate(fit.summary, units)
    worth = terms.margin * kept * scale
    spend = np.where(np.isnan(fit.average), np.nanmean(fit.average), fit.average)
    money = judged(
        predicted.value * scale, paid * worth, plain * spend * worth, predicted.low * scale, predicted.high * scale
    )
    times_judged = judged(predicted.purchases, times, plain, predicted.purchases_low, predicted.purchases_high)
    part = tied_parts(predicted.value * scale, 10)
    start = end - (sales.last - cut) * clock.DAY_US
    return Check(start, end, _METHOD, money, times_judged, fit.summary.customer, part, fit.parameters()), ""


def _came(sales: _Sales, customer: np.ndarray, cut: int) -> tuple[np.ndarray, np.ndarray]:
    """Return on how many days each customer bought after the cut, and what they paid."""
    later = (sales.day > cut) & np.isin(sales.customer, customer)
    place = np.searchsorted(customer, sales.customer[later])
    days = np.unique(np.column_stack([place, sales.day[later]]), axis=0)[:, 0]
    n = len(customer)
    return np.bincount(days, minlength=n) * 1.0, np.bincount(place, weights=sales.amount[later], minlength=n)


def _notes(fit: _Fit, kept: float, bought: Purchases) -> tuple[str, ...]:
    said = []
    if kept < 0.9995:
        said.append(f"Refunds took back {1 - kept:.1%} of what was bought so far; values are lowered by as much.")
    if abs(fit.spending.correlation) >= 0.2:
        direction = "low" if fit.spending.correlation > 0 else "high"
        said.append(
            f"Who buys often does not spend as others do (correlation {fit.spending.correlation:+.2f}), which the model leaves out: values of frequent"
            f" buyers are rather too {direction}."
        )
    if bought.other_currency:
        said.append(f"{bought.other_currency:,} lines in other currencies than {bought.currency} are left out.")
    return tuple(said)
