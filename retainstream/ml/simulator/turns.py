"""A played service whose customers also change their plan, and some of whom come back after they left.

Drawn apart from the lives themselves: nobody's hazard changes, and what :class:`Simulation` plays without it stays as it is, to the bit. Whoever comes
back lives a second life under the same hazards, with the same traits, as one who has just joined. There is no oracle of it: for a demo, not to judge
models by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from retainstream.ml.simulator.emission import FAILED, NOTICE, PAID, EventColumns
from retainstream.ml.simulator.people import CustomerColumns, People
from retainstream.ml.simulator.play import Simulation
from retainstream.ml.simulator.setup import DAY_S, DAY_US, NEVER, PLANS, PRICES_MINOR, RISE_MINOR, TRIAL, Service
from retainstream.ml.simulator.statements import SECOND_US, StatementColumns

RETURN_SHARE = 0.15
"""Of those who left a subscription that they paid for."""
_AWAY_DAYS, _SHORTEST_AWAY = 45.0, 15
_DAYS_TO_CHANGE = 1_400.0
"""Mean wait for a change of plan; each customer changes it once at the most."""
_UP = 0.6
_SETTLED_DAYS = 30  # after joining or the trial, before which nobody changes plan
_SECOND_KEYS = 10**12
_SECOND_SEED = 2**40


Columns = TypeVar("Columns", StatementColumns, EventColumns)


@dataclass(frozen=True)
class PlanChanges:
    """Who changes to which plan and when: arrays of shape (n,), at most one row for each customer, rising by `who`.

    Attributes
    ----------
    who : int32 array
    plan : int8 array
        Position in PLANS.
    at, received : int64 arrays
        When it happens and when it is heard of, microseconds UTC.
    row : int64 array
        Of the first lives' statements, the one that held until then.
    """

    who: np.ndarray
    plan: np.ndarray
    at: np.ndarray
    received: np.ndarray
    row: np.ndarray


class Turns:
    """A service with changes of plan and returns; the same service gives the same history, to the bit.

    Parameters
    ----------
    simulation : Simulation
        Its own history; events and statements of it come first.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.first = simulation

    @property
    def service(self) -> Service:
        """What was asked for."""
        return self.first.service

    def customers(self, rows: slice = slice(None)) -> CustomerColumns:
        """Return the customers as the company knows them at sign-up, in the order of joining."""
        return self.first.customers(rows)

    @cached_property
    def returners(self) -> tuple[np.ndarray, np.ndarray]:
        """Who comes back, and on which day of the span, rising by that day."""
        gone, rng = self.first.departures, self._rng(8)
        left = np.flatnonzero(gone.cause != TRIAL)
        some = left[rng.random(len(left)) < RETURN_SHARE]
        away = _SHORTEST_AWAY + rng.exponential(_AWAY_DAYS, len(some))
        day = np.floor((gone.left_at[some] - self.first.start) / DAY_US + away).astype(np.int32)
        order = np.argsort(day, kind="stable")
        order = order[day[order] < self.service.days - 1]
        return gone.who[some][order], day[order]

    @cached_property
    def second(self) -> Simulation | None:
        """The lives of those who come back, played as if they joined then; None where nobody does."""
        who, day = self.returners
        if not len(who):
            return None
        traits = {part.name: getattr(self.first.people, part.name)[who] for part in fields(People)}
        seconds = self._rng(9).integers(0, DAY_S - 600, len(who), dtype=np.int32)
        people = People(**{**traits, "joined": day, "second": seconds, "trial_days": np.zeros(len(who), np.int32)})
        service = replace(self.service, customers=len(who), seed=(self.service.seed + _SECOND_SEED) % 2**63)
        return Simulation(service, people=people, world=self.first.world)

    @cached_property
    def changes(self) -> PlanChanges:
        """The changes of plan of those who pay for one when their time has come, and whose end is not stated by then."""
        people, rng, n = self.first.people, self._rng(10), self.service.customers
        settled = np.maximum(people.joined, 0) + people.trial_days + _SETTLED_DAYS
        days = np.minimum(settled + rng.exponential(_DAYS_TO_CHANGE, n), self.service.days)
        plan = (people.plan + np.where(rng.random(n) < _UP, 1, -1)).astype(np.int8)
        at = self.first.start + np.floor(days * DAY_S).astype(np.int64) * SECOND_US
        received = at + rng.integers(60, 300, n) * SECOND_US
        left = np.full(n, NEVER)
        left[self.first.departures.who] = self.first.departures.left_at
        said = self.first.statements()
        order = np.lexsort((said.received, said.who))
        stated = _by_customer(self.first, said.who[order], said.received[order])
        place = np.searchsorted(stated, _by_customer(self.first, np.arange(n), received))
        row = order[np.maximum(place - 1, 0)]
        goes_on = (said.who[row] == np.arange(n)) & (said.ended[row] == NEVER) & (said.plan[row] > 0)
        there = (days < self.service.days - 1) & (at < left) & (plan >= 1) & (plan < len(PLANS))
        who = np.flatnonzero(there & goes_on)
        return PlanChanges(who.astype(np.int32), plan[who], at[who], received[who], row[who])

    def statements(self) -> StatementColumns:
        """Return the statements about subscriptions, rising by `received`; a second subscription has the `number` 1."""
        said = self._changed(self.first.statements())
        if self.second is not None:
            again = self.second.statements()
            again = replace(again, who=self.returners[0][again.who], number=np.ones(len(again), np.int8))
            said = _joined(said, again)
        return _with_ends_kept(_by_arrival(said))

    def events(self) -> Iterator[EventColumns]:
        """Yield the events of about a month at a time, rising by `received` within it; what is paid follows the plan."""
        again = iter(()) if self.second is None else self.second.events()
        for month in self.first.events():
            found = replace(month, value=self._paid(month))
            late = next(again, None)
            if late is not None and len(late):
                late = replace(late, who=self.returners[0][late.who], key=late.key + _SECOND_KEYS)
                found = _joined(found, late)
                found = _by_arrival(found)
            yield found

    def _changed(self, said: StatementColumns) -> StatementColumns:
        """Return statements with a further one for each change, and the plan and price of it in all that arrive after it."""
        changes, world = self.changes, self.first.world
        day = (changes.at - self.first.start) // DAY_US
        raised = (day >= world.rise_day) | (self.first.people.joined[changes.who] >= world.notice_day)
        news = StatementColumns(*(getattr(said, part.name)[changes.row] for part in fields(said)))
        price = PRICES_MINOR[changes.plan] + raised * RISE_MINOR[changes.plan]
        news = replace(news, plan=changes.plan, price_minor=price, received=changes.received)
        since, new_plan = self._since(changes.received)
        later, plan = said.received > since[said.who], new_plan[said.who]
        price = np.where(later, _price_of(said.price_minor, said.plan, plan), said.price_minor)
        return _joined(replace(said, plan=np.where(later, plan, said.plan), price_minor=price), news)

    def _since(self, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return from when on each customer has another plan (NEVER for most), and which."""
        since, plan = np.full(self.service.customers, NEVER), np.zeros(self.service.customers, np.int8)
        since[self.changes.who], plan[self.changes.who] = moments, self.changes.plan
        return since, plan

    def _paid(self, month: EventColumns) -> np.ndarray:
        """Return the values of events, with the price of the new plan in those that name a price after a change."""
        since, new_plan = self._since(self.changes.at)
        rows = np.flatnonzero(np.isin(month.kind, (PAID, FAILED, NOTICE)) & (month.occurred > since[month.who]))
        who, value = month.who[rows], month.value.copy()
        minor = np.round(value[rows] * 100).astype(np.int64)
        value[rows] = _price_of(minor, self.first.people.plan[who], new_plan[who]) / 100
        return value

    def _rng(self, use: int) -> np.random.Generator:
        return np.random.default_rng([self.service.seed, use])


def _price_of(price: np.ndarray, plan: np.ndarray, new_plan: np.ndarray) -> np.ndarray:
    """Return the price of another plan, raised where the present one is."""
    return np.asarray(PRICES_MINOR[new_plan] + (price > PRICES_MINOR[plan]) * RISE_MINOR[new_plan])


def _by_customer(simulation: Simulation, who: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Return numbers that rise by customer, then by time in seconds."""
    century = 100 * 366 * DAY_S
    return np.asarray(who.astype(np.int64) * century + (moment - simulation.start) // SECOND_US + century // 2)


def _with_ends_kept(said: StatementColumns) -> StatementColumns:
    """Return statements, rising by `received`, in which an end that was stated stays: news of a price that overtakes it takes nothing back."""
    order = np.lexsort((np.arange(len(said)), said.number, said.who))
    key = said.who[order].astype(np.int64) * 2 + said.number[order]
    rows = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(np.append(True, np.diff(key) != 0), rows, 0))
    stated = np.maximum.accumulate(np.where(said.ended[order] != NEVER, rows, -1))
    again = (stated >= begin) & (said.ended[order] == NEVER)
    ended, reason = said.ended.copy(), said.reason.copy()
    ended[order[again]], reason[order[again]] = ended[order[stated[again]]], reason[order[stated[again]]]
    return replace(said, ended=ended, reason=reason)


def _joined(one: Columns, other: Columns) -> Columns:
    """Return the rows of one, then those of the other; what is no array is that of the first."""
    more = _arrays(other)
    parts: dict[str, Any] = {name: np.concatenate([column, more[name]]) for name, column in _arrays(one).items()}
    return replace(one, **parts)


def _by_arrival(found: Columns) -> Columns:
    order = np.argsort(found.received, kind="stable")
    parts: dict[str, Any] = {name: column[order] for name, column in _arrays(found).items()}
    return replace(found, **parts)


def _arrays(found: StatementColumns | EventColumns) -> dict[str, np.ndarray]:
    return {name: column for name, column in vars(found).items() if isinstance(column, np.ndarray)}
