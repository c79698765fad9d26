"""What the lifetime run in force says: the total, tenths of customers by value, plans, who is worth most, and how good the check was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.lib.money import money
from retainstream.models import AnalysisRun, Customer, LifetimeValue
from retainstream.services.analyses import kept, runs, skipped
from retainstream.services.lifetime.making import KIND, WORDS, checked_customers

TENTHS = 10
NOT_YET = "Lifetime values have not been made yet; the first look takes a minute."
_MOST_PLANS = 12


@dataclass(frozen=True)
class Rows:
    """Visible customers of the run in force by rising id; arrays of shape (n,).

    Attributes
    ----------
    customer, value, low, high : int64
        Amounts in minor units.
    tenth : int64, 1 (least) to 10
        Equal values share one, so tenths may be unequal or missing.
    plan : int64
        Place in `plans`, -1 where none is on record.
    plans : tuple of str
    """

    customer: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tenth: np.ndarray
    plan: np.ndarray
    plans: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Some customers: how many, what they are worth together, and between which values each of them lies; minor units."""

    key: str
    title: str
    n: int
    value_minor: int
    least_minor: int
    most_minor: int


@dataclass(frozen=True)
class Standing:
    """The run in force.

    Attributes
    ----------
    run_id, as_of, made_at : int
        Times are microseconds UTC.
    terms : dict
        `months`, `margin`, `annual_discount`.
    summary : dict
        What the run found, as `making` wrote it.
    currency : str
    n : int
        Customers with a value.
    total_minor : int
    tenths : tuple of Part
        From the least to the most.
    top : Part
        The tenth of customers who are worth most; more of them where values are equal.
    plans : tuple of Part
        By the plan on record today, the most valuable first; keys are `plan/<name>`.
    checked : tuple of tuple (int, int)
        Tenth and how many visible customers it holds, of the check; empty where that is not kept.
    """

    run_id: int
    as_of: int
    made_at: int
    terms: dict[str, Any]
    summary: dict[str, Any]
    currency: str
    n: int
    total_minor: int
    tenths: tuple[Part, ...]
    top: Part
    plans: tuple[Part, ...]
    checked: tuple[tuple[int, int], ...]

    @property
    def check(self) -> dict[str, Any] | None:
        """What the check found; None where there was none."""
        found: dict[str, Any] | None = self.summary["check"]
        return found


_rows: Kept[Rows] = Kept(2)
_standings: Kept[Standing] = Kept(2)


def standing(session: Session, settings: Settings) -> Standing:
    """Return the figures of the run in force; raises NotReady, saying why, where there is none."""
    run = in_force(session)
    return _standings.of((*kept.state(session), run.id), lambda: _standing(session, settings, run))


def in_force(session: Session) -> AnalysisRun:
    """Return the run in force; raises NotReady, saying why, where there is none."""
    run = runs.in_force(session, KIND)
    if run is None:
        raise NotReady(skipped.reason(session, WORDS, NOT_YET))
    return run


def rows(session: Session, run_id: int) -> Rows:
    """Return the values of a run."""
    return _rows.of((*kept.state(session), run_id), lambda: _read(session, run_id))


def top(found: Rows) -> np.ndarray:
    """Return which customers are the tenth that is worth most, bool of shape (n,): more where values are equal, so that the same are always picked."""
    if not len(found.value):
        return np.zeros(0, np.bool_)
    place = max(1, round(len(found.value) / TENTHS))
    return np.asarray(found.value >= np.sort(found.value)[-place])


def checked(session: Session, settings: Settings, run_id: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the visible customers of a run's check and the tenth of each; None where that is not kept any more."""
    held = checked_customers(settings, run_id)
    if held is None:
        return None
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    seen = np.isin(held[0], there)
    return held[0][seen], held[1][seen]


def of_customer(session: Session, customer_id: int) -> tuple[AnalysisRun, LifetimeValue] | None:
    """Return a customer's value in the run in force, with the run; None where there is none."""
    run = runs.in_force(session, KIND)
    found = None if run is None else session.get(LifetimeValue, (run.id, customer_id))
    return None if run is None or found is None else (run, found)


def present(found: Standing) -> dict[str, object]:
    """Return the API's form."""
    currency, check = found.currency, found.check
    total = found.summary["total"]
    return {
        "as_of": clock.iso(found.as_of),
        "made_at": clock.iso(found.made_at),
        "contract": found.summary["contract"],
        "currency": currency,
        "terms": found.terms,
        "customers": found.n,
        "unknown": found.summary["unknown"],
        "level": found.summary["level"],
        "total": {name: money(round(total[name]), currency) for name in ("value", "low", "high")},
        "method": found.summary["method"],
        "parameters": found.summary["parameters"],
        "notes": found.summary["notes"],
        "tenths": [_part(one, currency) for one in found.tenths],
        "top_tenth": _part(found.top, currency),
        "plans": [_part(one, currency) for one in found.plans],
        "hold_out": None
        if check is None
        else {**check, "from": clock.iso(check["from"]), "to": clock.iso(check["to"])},
        "no_hold_out_because": found.summary["unchecked"],
    }


def _part(one: Part, currency: str) -> dict[str, object]:
    return {
        "cell": f"lifetime:{one.key}",
        "title": one.title,
        "n": one.n,
        "value": money(one.value_minor, currency),
        "mean": money(round(one.value_minor / one.n) if one.n else 0, currency),
        "least": money(one.least_minor, currency),
        "most": money(one.most_minor, currency),
    }


def _read(session: Session, run_id: int) -> Rows:
    from retainstream.ml.rfm import tied_parts

    one = LifetimeValue
    found = session.execute(
        select(one.customer_id, one.value_minor, one.low_minor, one.high_minor, Customer.plan)
        .join(Customer, Customer.id == one.customer_id)
        .where(one.run_id == run_id, Customer.visible())
        .order_by(one.customer_id)
    ).all()
    plans = tuple(sorted({row[4] for row in found if row[4]}))
    place = {plan: at for at, plan in enumerate(plans)}
    table = np.array(
        [(row[0], row[1], row[2] or 0, row[3] or 0, place.get(row[4] or "", -1)) for row in found], np.int64
    ).reshape(-1, 5)
    customer, value, low, high, plan = table.T
    return Rows(customer, value, low, high, tied_parts(value, TENTHS), plan, plans)


def _standing(session: Session, settings: Settings, run: AnalysisRun) -> Standing:
    found = rows(session, run.id)

    def part(key: str, title: str, inside: np.ndarray) -> Part:
        values = found.value[inside]
        ends = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        return Part(key, title, len(values), int(values.sum()), *ends)

    tenths = tuple(
        part(f"decile-{tenth}", _TENTHS[tenth - 1], found.tenth == tenth) for tenth in np.unique(found.tenth).tolist()
    )
    plans = [part(f"plan/{plan}", plan, found.plan == at) for at, plan in enumerate(found.plans)]
    if (found.plan < 0).any() and plans:
        plans.append(part("plan/", "No plan on record", found.plan < 0))
    plans.sort(key=lambda one: (-one.value_minor, one.title))
    held = checked(session, settings, run.id)
    counts = (
        () if held is None else zip(*(side.tolist() for side in np.unique(held[1], return_counts=True)), strict=True)
    )
    return Standing(
        run_id=run.id,
        as_of=run.as_of,
        made_at=run.made_at,
        terms=run.inputs,
        summary=run.summary,
        currency=str(run.summary["currency"]),
        n=len(found.customer),
        total_minor=int(found.value.sum()),
        tenths=tenths,
        top=part("top10", "The tenth of customers worth most", top(found)),
        plans=tuple(plans[:_MOST_PLANS]),
        checked=tuple(counts),
    )


_TENTHS = (
    "Lowest tenth",
    *(f"{n} tenth" for n in ("2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th")),
    "Highest tenth",
)
