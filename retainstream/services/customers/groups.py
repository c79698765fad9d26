"""Named groups of active customers that answer "who needs me": made once for each state of the scores and then kept.

A group is an ordered list of customers, so that the cards that show its first few, its count, and the list that opens behind it always agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, Select, String, and_, bindparam, case, column, func, or_, select
from sqlalchemy.orm import Session

from retainstream.db import db, settings_in_use
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import Customer, Event, EventKind, LatestScore, ModelVersion, ScoreHistory, ScoringRun, Task
from retainstream.services import revisions
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.events.listing import visible

TITLES = {
    "leaving_soon": "Leaving soon, worth most",
    "risen": "Risen since last week",
    "payment_trouble": "Payment trouble",
    "new_drifting": "New and drifting",
    "saved": "Saved this month",
}
"""Every group with its title, in the order in which they are shown."""
ORDERS = {
    "leaving_soon": "most expected loss first",
    "risen": "the largest rise first",
    "payment_trouble": "the riskiest first",
    "new_drifting": "the riskiest first",
    "saved": "the latest first",
}
"""How each group is ordered, in words."""
MEDIUM, HIGH = 1, 2
RISE = 0.10
"""From how many places in a hundred on a rank has risen."""
NEW_DAYS = 92
_WEEK = (6 * clock.DAY_US, 21 * clock.DAY_US)
_KEPT = 4
_TROUBLE_DAYS = 30
_FAILED = re.compile(
    r"(payment|charge|invoice|card).*(fail|declin|reject|unpaid)|(fail|declin|reject|unpaid).*(payment|charge|invoice|card)|dunning|chargeback"
)
_PAID = re.compile(r"(payment|charge|invoice).*(succe|paid|complet|receiv)|^paid")


@dataclass(frozen=True)
class Groups:
    """The groups of one state of the data.

    Attributes
    ----------
    members : dict of str to tuple of int
        Ids of customers, those who need somebody most first.
    rises : dict of int to float
        How far the rank of those in `risen` rose, 0 to 1.
    failed : dict of int to int
        When the last payment of those in `payment_trouble` failed, microseconds UTC.
    compared_with : int or None
        As-of, microseconds UTC, of the scores that a rise is told from; None when there are none from a week before.
    saved : dict of int to int
        When the task of those in `saved` ended, microseconds UTC: the customer said that they stay, which is no proof that the task kept them.
    """

    members: dict[str, tuple[int, ...]]
    rises: dict[int, float]
    failed: dict[int, int]
    compared_with: int | None
    saved: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scored:
    """One active, scored customer."""

    id: int
    margin: float
    probability: float | None
    percentile: float
    band: int
    revenue_minor: int | None
    tenure_months: float | None
    signup_at: int | None


_MOVED_BY = ("customers", "scores", "removals")
"""The counters of what groups are made of: all of it was known when the scores in force were made."""
_kept: Kept[Groups] = Kept(_KEPT)
_kept_trouble: Kept[dict[int, int]] = Kept(_KEPT)
_kept_saved: Kept[dict[int, int]] = Kept(_KEPT)


def read(session: Session) -> Groups:
    """Return the groups as of the scores in force; empty ones before anybody was scored. Who was saved this month is that of now."""
    counters = revisions.read(session)
    key = (db.engine.url.database, *(counters[name] for name in _MOVED_BY))
    found, saved = _kept.of(key, lambda: _made(session)), _saved(session, counters)
    return replace(found, members=found.members | {"saved": tuple(saved)}, saved=saved)


def _saved(session: Session, counters: Mapping[str, int]) -> dict[int, int]:
    """Return who of the active customers said this month that they stay, as their last task ended, and when; the latest first."""
    here = clock.now().astimezone(ZoneInfo(settings_in_use().time_zone))
    since = clock.to_us(here.combine(here.date().replace(day=1), time.min, tzinfo=here.tzinfo))
    key = (db.engine.url.database, since, revisions.one(session, "desk"), counters["customers"], counters["removals"])
    return _kept_saved.of(key, lambda: _said_to_stay(session, since))


def _said_to_stay(session: Session, since: int) -> dict[int, int]:
    rows = session.execute(
        select(Task.customer_id, Task.ended_at, Task.outcome)
        .join(Customer, Customer.id == Task.customer_id)
        .where(Task.state == "done", Task.ended_at >= since, Customer.visible(), Customer.churned.is_not(True))
        .order_by(Task.ended_at.desc(), Task.id.desc())
    )
    last: dict[int, tuple[int, str | None]] = {}
    for customer, ended_at, outcome in rows:
        last.setdefault(customer, (ended_at or 0, outcome))
    return {customer: ended_at for customer, (ended_at, outcome) in last.items() if outcome == "saved"}


def narrowed(session: Session, wanted: CustomerFilter, name: str) -> CustomerFilter:
    """Return a filter that picks a group's members only, and knows their order; the same filter where no group is named.

    Raises
    ------
    InvalidInput
        For an unknown name.
    """
    if not name:
        return wanted
    if name not in TITLES:
        raise InvalidInput(f"There is no group {name[:60]!r}.", fields={"group": [f"one of {', '.join(TITLES)}"]})
    ids = read(session).members[name]
    members = Customer.id.in_(_listed(ids))
    ranked = json.dumps(ids, separators=(",", ":"))
    # Who was saved changes with the desk, which the state that lengths of lists are kept by knows nothing of: without a name it is counted anew.
    named = wanted.named if name == "saved" else (*wanted.named, f"group {name}")
    return replace(wanted, extra=(*wanted.extra, members), named=named, ranked=ranked)


def _listed(ids: Sequence[int]) -> Select[tuple[int]]:
    """Return a query for ids that are known, however many they are."""
    rows = func.json_each(bindparam(None, json.dumps(ids), String)).table_valued(column("value", Integer))
    return select(rows.c.value)


def _made(session: Session) -> Groups:
    run = session.scalars(
        select(ScoringRun)
        .where(ScoringRun.state == "complete", ScoringRun.role == "champion")
        .order_by(ScoringRun.id.desc())
        .limit(1)
    ).first()
    if run is None:
        return Groups(dict.fromkeys(TITLES, ()), {}, {}, None)
    trouble = _failed_to_pay(session, run)
    scored = _scored(session, trouble)
    rises, compared_with = _rises(session, run, scored)
    new_since = run.as_of - NEW_DAYS * clock.DAY_US
    drifting = [one for one in scored if one.band >= MEDIUM]
    return Groups(
        {
            "leaving_soon": _ids(sorted((one for one in scored if one.band >= HIGH), key=_worth)),
            "risen": _ids(sorted((one for one in drifting if one.id in rises), key=lambda one: -rises[one.id])),
            "payment_trouble": _ids([one for one in scored if one.id in trouble]),
            "new_drifting": _ids([one for one in drifting if _is_new(one, new_since)]),
        },
        rises,
        trouble,
        compared_with,
    )


def _scored(session: Session, trouble: Mapping[int, int]) -> list[_Scored]:
    """Return who can be in any group, the riskiest first: those at medium risk or more, and those in trouble. Most of a base is neither."""
    rows = session.execute(
        select(
            Customer.id,
            LatestScore.margin,
            LatestScore.probability,
            LatestScore.percentile,
            LatestScore.band,
            Customer.revenue_minor,
            Customer.tenure_months,
            Customer.signup_at,
        )
        .join(Customer, Customer.id == LatestScore.customer_id)
        .where(
            Customer.visible(),
            Customer.churned.is_not(True),
            or_(LatestScore.band >= MEDIUM, LatestScore.customer_id.in_(_listed(list(trouble)))),
        )
        .order_by(LatestScore.margin.desc(), Customer.id)
    )
    return [_Scored(*row) for row in rows]


def _ids(found: Sequence[_Scored]) -> tuple[int, ...]:
    return tuple(one.id for one in found)


def _worth(one: _Scored) -> tuple[float, float]:
    """Order by the revenue that is expected to be lost; where probabilities are withheld, by rank times revenue."""
    chance = one.percentile if one.probability is None else one.probability
    return (-chance * (one.revenue_minor or 0), -one.margin)


def _is_new(one: _Scored, since: int) -> bool:
    if one.signup_at is not None:
        return one.signup_at >= since
    return one.tenure_months is not None and one.tenure_months * 30.44 <= NEW_DAYS


def _rises(session: Session, run: ScoringRun, scored: Sequence[_Scored]) -> tuple[dict[int, float], int | None]:
    """Return by how much ranks rose since the newest honest run of about a week before, where it is much, and that run's as-of."""
    before = session.scalars(
        select(ScoringRun)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .where(
            ScoringRun.state == "complete",
            ScoringRun.scope == "all",
            ScoringRun.definition_id == run.definition_id,
            ScoringRun.as_of.between(run.as_of - _WEEK[1], run.as_of - _WEEK[0]),
            or_(ModelVersion.as_of.is_(None), ModelVersion.as_of <= ScoringRun.as_of),
        )
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
        .limit(1)
    ).first()
    if before is None:
        return {}, None
    history = session.execute(
        select(ScoreHistory.customer_id, ScoreHistory.margin)
        .where(ScoreHistory.run_id == before.id)
        .order_by(ScoreHistory.margin)
    ).all()
    if not history:
        return {}, None
    rank = {row[0]: (place + 0.5) / len(history) for place, row in enumerate(history)}
    found = {one.id: one.percentile - rank[one.id] for one in scored if one.id in rank}
    return {customer: rise for customer, rise in found.items() if rise >= RISE}, before.as_of


def _failed_to_pay(session: Session, run: ScoringRun) -> dict[int, int]:
    """Return whose payment failed in the month before a run, and when, with none since that went through, as far as was known then."""
    key = (db.engine.url.database, run.id, revisions.read(session)["removals"])
    return _kept_trouble.of(key, lambda: _trouble(session, run.as_of))


def _trouble(session: Session, moment: int) -> dict[int, int]:
    kinds = session.execute(select(EventKind.id, EventKind.name)).all()
    failed = {number for number, name in kinds if _FAILED.search(name)}
    paid = {number for number, name in kinds if _PAID.search(name)} - failed
    if not failed:
        return {}
    last = {
        name: func.max(case((Event.kind_id.in_(ids), Event.occurred_at)))
        for name, ids in (("failed", failed), ("paid", paid))
    }
    rows = session.execute(
        select(LatestScore.customer_id, last["failed"])
        .join(
            Event,
            and_(
                Event.customer_id == LatestScore.customer_id,
                Event.occurred_at >= moment - _TROUBLE_DAYS * clock.DAY_US,
                Event.occurred_at < moment,
            ),
        )
        .where(Event.received_at < moment, Event.kind_id.in_(failed | paid), visible(Event))
        .group_by(LatestScore.customer_id)
        .having(last["failed"].is_not(None), or_(last["paid"].is_(None), last["paid"] < last["failed"]))
    )
    return {row[0]: row[1] for row in rows}
