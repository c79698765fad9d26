"""Value of those who pay by the month: the chance of still being there at the end of each month x the month's margin.

The chance comes from the churn model where its probabilities may be shown, else from the Kaplan-Meier curve of the customer's plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, NotReady
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, Customer, LatestScore, ModelVersion, ScoringRun
from retainstream.services.analyses import material, spans
from retainstream.services.analyses.material import Material
from retainstream.services.lifetime.terms import MONTH_US, SUBSCRIPTION, Check, Terms, Valued, judged
from retainstream.services.performance import figures
from retainstream.services.survival import lives
from retainstream.services.survival.lives import Lives

if TYPE_CHECKING:
    from retainstream.ml.lifetime import Staying

NO_PRICES = (
    "No price of a subscription is on record, so what customers are worth cannot be told. Import what they pay by the month, and values follow by"
    " themselves."
)
TOO_FEW = "Too few customers have left to say how long others stay, and no model with probabilities is in service."
_SHORTEST = 1  # month held out at least


@dataclass(frozen=True)
class _Payers:
    """Who pays at a time, by rising id: minor units a month, months stayed so far, and the plan by which curves are told apart (-1: none)."""

    customer: np.ndarray
    revenue: np.ndarray
    tenure: np.ndarray
    plan: np.ndarray


@dataclass(frozen=True)
class _Chances:
    """Probabilities of leaving within a horizon, by rising id, with the interval of each."""

    customer: np.ndarray
    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray
    horizon_days: int
    version: int


def valued(session: Session, settings: Settings, terms: Terms) -> Valued:
    """Value everybody who pays at the end of the data.

    Raises
    ------
    NotReady
        Without prices, and where neither a model nor departures tell how long customers stay.
    """
    from retainstream.ml.lifetime import value_subscribers

    found, everybody = material.read(session, settings), lives.read(session, settings)
    first_plan = _first_plans(session, found)
    if found.kind == material.SNAPSHOT:
        payers, currency = _of_table(session, settings, found, first_plan)
    else:
        payers, currency = _at(found, found.as_of, first_plan), found.currency
    if not len(payers.customer):
        raise NotReady(NO_PRICES)
    chances = _present_chances(session) if found.kind == material.FORWARD else None
    staying, by_model = _staying(payers, everybody, first_plan, chances, terms.months)
    values = value_subscribers(staying, payers.revenue * terms.margin, annual_discount=terms.annual_discount)
    check, unchecked = _checked(session, found, everybody, first_plan, terms)
    return Valued(
        contract=SUBSCRIPTION,
        as_of=found.as_of,
        currency=currency,
        customer=payers.customer,
        values=values,
        alive=staying.share[:, -1],
        purchases=staying.share.sum(axis=1),
        parameters={
            "by_model": by_model,
            "by_curve": len(payers.customer) - by_model - values.unknown,
            "model_version": None if chances is None or not by_model else chances.version,
            "horizon_days": None if chances is None or not by_model else chances.horizon_days,
            "carried_on": float(np.mean(staying.carried_on)),
        },
        notes=_notes(found, staying, values.unknown, chances if by_model else None),
        check=check,
        unchecked=unchecked,
    )


def _first_plans(session: Session, found: Material) -> dict[int, int]:
    """Return the plan of each customer's first subscription (of a table: the one on record), as a number; -1 where there is none."""
    if found.kind == material.SNAPSHOT:
        rows = session.execute(select(Customer.id, Customer.plan).where(Customer.visible())).all()
        names = {name: at for at, name in enumerate(sorted({row[1] for row in rows if row[1]}))}
        return {one: names.get(plan or "", -1) for one, plan in rows}
    plans: dict[int, int] = {}
    for one, plan in zip(found.span_customer.tolist(), found.span_plan.tolist(), strict=True):
        plans.setdefault(one, plan)
    return plans


def _plans_of(customer: np.ndarray, plans: dict[int, int]) -> np.ndarray:
    return np.fromiter((plans.get(one, -1) for one in customer.tolist()), np.int64, len(customer))


def _at(found: Material, moment: int, plans: dict[int, int]) -> _Payers:
    """Return who paid at an instant: the sum of the subscriptions that ran, and how long the stay had lasted."""
    running = (found.span_start < moment) & (found.span_end >= moment)
    who, place = np.unique(found.span_customer[running], return_inverse=True)
    revenue = np.bincount(place, weights=found.span_revenue[running], minlength=len(who))
    since = np.full(len(who), moment)
    np.minimum.at(since, place, spans.unbroken(found.span_customer, found.span_start, found.span_end)[running])
    staying = (found.stay_start < moment) & (found.stay_end >= moment) & np.isin(found.stay_customer, who)
    np.minimum.at(since, np.searchsorted(who, found.stay_customer[staying]), found.stay_start[staying])
    return _Payers(who, revenue, (moment - since) / MONTH_US, _plans_of(who, plans))


def _of_table(session: Session, settings: Settings, found: Material, plans: dict[int, int]) -> tuple[_Payers, str]:
    """Return those of a labelled table who have not left: revenue and tenure are the table's own columns."""
    rows = session.execute(
        select(Customer.id, Customer.revenue_minor, Customer.currency)
        .where(Customer.visible(), Customer.churned.is_not(True), Customer.revenue_minor.is_not(None))
        .order_by(Customer.id)
    ).all()
    held = [row[2] or settings.currency for row in rows]
    currency = max(sorted(set(held)), key=held.count) if held else settings.currency
    rows = [row for row, its in zip(rows, held, strict=True) if its == currency]
    who = np.array([row[0] for row in rows], np.int64)
    months = dict(zip(found.tenure_customer.tolist(), found.tenure_months.tolist(), strict=True))
    tenure = np.array([max(months.get(one, np.nan), 0.0) for one in who.tolist()], np.float64)
    revenue = np.array([row[1] for row in rows], np.float64)
    return _Payers(who, revenue, tenure, _plans_of(who, plans)), currency


def _present_chances(session: Session) -> _Chances | None:
    """Return the latest probabilities of a model that looks ahead; None where they are withheld."""
    rows = session.execute(
        select(LatestScore.customer_id, LatestScore.probability, LatestScore.p0, LatestScore.p1, LatestScore.run_id)
        .where(LatestScore.probability.is_not(None))
        .order_by(LatestScore.customer_id)
    ).all()
    if not rows:
        return None
    run = session.get_one(ScoringRun, rows[-1][4])
    horizon = session.get_one(ChurnDefinition, run.definition_id).horizon_days
    if horizon is None:
        return None
    table = np.array([row[1:4] for row in rows], np.float64)
    low, high = np.minimum(table[:, 1], table[:, 2]), np.maximum(table[:, 1], table[:, 2])
    who = np.array([row[0] for row in rows], np.int64)
    return _Chances(who, table[:, 0], low, high, horizon, run.model_version_id)


def _staying(
    payers: _Payers, everybody: Lives, plans: dict[int, int], chances: _Chances | None, months: int
) -> tuple[Staying, int]:
    """Return the chances of staying, and for how many customers a model said them; the curve of the plan speaks for the others."""
    from retainstream.ml.lifetime import UnknownStayingError, staying_by_churn

    try:
        curve = _by_curve(payers, everybody, plans, months)
    except UnknownStayingError:
        curve = None
    if chances is None:
        if curve is None:
            raise NotReady(TOO_FEW)
        return curve, 0
    at = np.minimum(np.searchsorted(chances.customer, payers.customer), len(chances.customer) - 1)
    known = chances.customer[at] == payers.customer
    columns = [np.where(known, column[at], np.nan) for column in (chances.probability, chances.low, chances.high)]
    model = staying_by_churn(columns[0], chances.horizon_days, months, low=columns[1], high=columns[2])
    if curve is None or known.all():
        return model, int(known.sum())
    rest = ~known[:, None]
    return replace(
        model,
        share=np.where(rest, curve.share, model.share),
        low=np.where(rest, curve.low, model.low),
        high=np.where(rest, curve.high, model.high),
        carried_on=np.where(known, model.carried_on, curve.carried_on),
        method=f"{model.method} Whoever has no score goes by the Kaplan-Meier curve of the plan." if known.any() else curve.method,
    ), int(known.sum())  # fmt: skip


def _by_curve(payers: _Payers, everybody: Lives, plans: dict[int, int], months: int) -> Staying:
    """Read chances off the curve of each customer's plan, or off that of everybody where a plan has seen too few leave."""
    from retainstream.ml.lifetime import staying_by_curve
    from retainstream.ml.survival import kaplan_meier

    mine = _plans_of(everybody.customer, plans)
    curves = [kaplan_meier(everybody.months, everybody.left, everybody.entry)]
    which = np.zeros(len(payers.customer), np.int64)
    for plan in np.unique(payers.plan[payers.plan >= 0]):
        rows = mine == plan
        curve = kaplan_meier(everybody.months[rows], everybody.left[rows], everybody.entry[rows])
        if curve.evidence.enough:
            which[payers.plan == plan] = len(curves)
            curves.append(curve)
    return staying_by_curve(curves, which, payers.tenure, months)


def _checked(
    session: Session, found: Material, everybody: Lives, plans: dict[int, int], terms: Terms
) -> tuple[Check | None, str]:
    """Predict from a past day what came until now: with the probabilities of that day where there are any, else with the curves as of then."""
    from retainstream.ml.lifetime import value_subscribers
    from retainstream.ml.rfm import tied_parts

    if found.kind == material.SNAPSHOT:
        return None, "A table without dates holds nothing out: there is no later month to compare with."
    cut, chances = _past_chances(session, found, terms)
    if chances is None:
        history = (found.as_of - (everybody.recorded_from or found.as_of)) / MONTH_US
        months = min(int(history // 3), terms.months)
        cut = found.as_of - months * MONTH_US
    else:
        months = (found.as_of - cut) // MONTH_US
    if months < _SHORTEST:
        return None, "The history is too short to hold a part of it out: a check needs three months."
    payers = _at(found, cut, plans)
    if not len(payers.customer):
        return None, "Nobody paid on the day from which a check would look ahead."
    try:
        staying, by_model = _staying(payers, _as_of(everybody, cut), plans, chances, months)
    except NotReady:
        return None, "Too few had left before the period held out to learn from."
    margin = payers.revenue * terms.margin
    values = value_subscribers(staying, margin, annual_discount=0.0)
    paid = _paid(found, payers.customer, cut, months) * terms.margin
    money = judged(values.value, paid, margin * months, values.low, values.high)
    parameters: dict[str, Any] = {
        "months": months,
        "by_model": by_model,
        "model_version": None if chances is None else chances.version,
    }
    known = ~np.isnan(values.value)
    part = tied_parts(values.value[known], 10)
    end = cut + months * MONTH_US
    return Check(cut, end, staying.method, money, None, payers.customer[known], part, parameters), ""


def _past_chances(session: Session, found: Material, terms: Terms) -> tuple[int, _Chances | None]:
    """Return the earliest run within the stated period whose model knew of nothing after it, and its probabilities."""
    run, version = ScoringRun, ModelVersion
    query = (
        select(run, version)
        .join(version, version.id == run.model_version_id)
        .where(
            run.state == "complete",
            run.definition_id == found.definition_id,
            version.calibrated.is_(True),
            version.as_of <= run.as_of,
            run.as_of >= found.as_of - terms.months * MONTH_US - clock.DAY_US,
            run.as_of <= found.as_of - MONTH_US,
        )
        .order_by(run.as_of, run.id.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    if row is None:
        return 0, None
    past, made_by = row
    horizon = session.get_one(ChurnDefinition, past.definition_id).horizon_days
    try:
        rows = figures.rows_of(session, past.id, made_by.id)
    except Conflict:
        return 0, None
    if horizon is None or rows.probability is None or not len(rows.ids):
        return 0, None
    chance = rows.probability
    return past.as_of, _Chances(rows.ids, chance, chance, chance, horizon, made_by.id)


def _as_of(everybody: Lives, cut: int) -> Lives:
    """Return lives as they were known at an earlier time: who came later is not there, and who left later has not left."""
    then = everybody.came < cut
    lived = (cut - everybody.came[then]) / (lives.DAYS_PER_MONTH * clock.DAY_US)
    months, entry = everybody.months[then], everybody.entry[then]
    seen = entry < lived
    return replace(
        everybody,
        customer=everybody.customer[then][seen],
        came=everybody.came[then][seen],
        months=np.minimum(months, lived)[seen],
        entry=entry[seen],
        left=(everybody.left[then] & (months <= lived))[seen],
    )


def _paid(found: Material, customer: np.ndarray, cut: int, months: int) -> np.ndarray:
    """Return what each customer's subscriptions came to at the ends of the months after the cut, minor units."""
    total = np.zeros(len(customer))
    mine = np.isin(found.span_customer, customer)
    who = np.searchsorted(customer, found.span_customer[mine])
    start, end, revenue = found.span_start[mine], found.span_end[mine], found.span_revenue[mine]
    for month in range(1, months + 1):
        moment = cut + month * MONTH_US
        running = (start < moment) & (end >= moment)
        total += np.bincount(who[running], weights=revenue[running], minlength=len(customer))
    return total


def _notes(found: Material, staying: Staying, unknown: int, chances: _Chances | None) -> tuple[str, ...]:
    said = []
    share = float(np.mean(staying.carried_on))
    if chances is not None:
        said.append(
            f"The model looks {chances.horizon_days} days ahead; beyond that each customer is taken to go on leaving at that rate."
        )
    elif share >= 0.005:
        said.append(
            f"{share:.0%} of the months lie beyond what could be observed: there a constant rate of leaving is assumed."
        )
    if unknown:
        said.append(f"{unknown:,} customers have no value: nothing says how long they stay.")
    if found.other_currency:
        said.append(f"{found.other_currency:,} subscriptions in other currencies than {found.currency} are left out.")
    return tuple(said)
