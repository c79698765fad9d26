"""What one customer is worth and how they come, for the customer's page: lifetime value with its interval, and the RFM group."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.lib.money import money
from retainstream.models import AnalysisRun, LifetimeValue, RfmScore
from retainstream.services.lifetime import reading as lifetime
from retainstream.services.lifetime.terms import PURCHASES as BUYS
from retainstream.services.rfm import reading as rfm
from retainstream.services.rfm.values import PURCHASES
from retainstream.web import rfm_view
from retainstream.web.template_tools import cash, last_day, percent


@dataclass(frozen=True)
class Line:
    """A figure with what stands beneath it; `address` opens those who share it, empty where nobody asked for them."""

    label: str
    figure: str
    note: str
    address: str = ""


@dataclass(frozen=True)
class Worth:
    """The panel."""

    lines: tuple[Line, ...]
    as_of: str


def read(session: Session, customer_id: int) -> Worth | None:
    """Return the panel; None while neither was made for this customer."""
    valued, scored = lifetime.of_customer(session, customer_id), rfm.of_customer(session, customer_id)
    lines = (*(_value(*valued) if valued else ()), *(_habits(*scored) if scored else ()))
    newest = max((one[0].as_of for one in (valued, scored) if one), default=0)
    return Worth(lines, last_day(clock.iso(newest))) if lines else None


def _value(run: AnalysisRun, found: LifetimeValue) -> tuple[Line, ...]:
    months, currency = int(run.inputs["months"]), found.currency
    value, low, high = (cash(money(one, currency)) for one in (found.value_minor, found.low_minor, found.high_minor))
    period = "the next month" if months == 1 else f"the next {months} months"
    first = Line("Lifetime value", value, f"{low} to {high}, 95% interval, over {period}")
    if found.alive is None:
        return (first,)
    bought = run.summary["contract"] == BUYS
    label = "Still a buyer" if bought else f"There in {counted(months, 'month')}"
    ahead = (
        "" if found.purchases is None else f"{found.purchases:.1f} {'purchases' if bought else 'months paid'} expected"
    )
    return (first, Line(label, percent(found.alive, 0), ahead))


def _habits(run: AnalysisRun, found: RfmScore) -> tuple[Line, ...]:
    days = int(found.recency_days)
    ago = f"{counted(days, 'day')} ago" if days else "within the last day"
    scores = f"recency {found.r}, frequency {found.f}" + ("" if found.m is None else f", money {found.m}") + " of 5"
    paid = "" if found.monetary_minor is None else cash(money(found.monetary_minor, str(run.inputs["currency"])))
    if run.inputs["meaning"] == PURCHASES:
        habits = f"last bought {ago}, {counted(found.frequency, 'purchase')}" + (f", {paid} paid" if paid else "")
    else:
        active = f"{counted(found.frequency, 'day')} with activity of the last {run.inputs['active_days']}"
        habits = f"last active {ago}, {active}" + (f", {paid} a month" if paid else "")
    return (Line("RFM group", found.name, f"{scores}: {habits}", rfm_view.address(found.name)),)
