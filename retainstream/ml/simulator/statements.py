"""What the billing system says about subscriptions, and when each customer really left. Filled while the simulation is played."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from retainstream.ml.simulator.people import People
from retainstream.ml.simulator.setup import CAUSES, DAY_US, NEVER, PRICES_MINOR, RISE_MINOR, Service
from retainstream.ml.simulator.world import World

SECOND_US = 1_000_000
NO_REASON = -1


@dataclass(frozen=True)
class StatementColumns:
    """Statements about subscriptions, rising by `received`; `who` and `number` together are a subscription's key.

    Attributes
    ----------
    who : int32 array of shape (n,)
    plan : int8 array
        Position in PLANS.
    price_minor : int64 array
        Monthly.
    started, ended, received : int64 arrays
        Microseconds UTC; `ended` is NEVER for one that goes on, and may lie after `received`.
    reason : int8 array
        Position in CAUSES, -1 for one that goes on.
    number : int8 array
        0 for a customer's first subscription, the only one unless they come back.
    """

    who: np.ndarray
    plan: np.ndarray
    price_minor: np.ndarray
    started: np.ndarray
    ended: np.ndarray
    reason: np.ndarray
    received: np.ndarray
    number: np.ndarray

    def __len__(self) -> int:
        return len(self.who)


@dataclass(frozen=True)
class Departures:
    """Who really left, rising by `left_at`: known to the company or not. `cause` is a position in CAUSES."""

    who: np.ndarray
    left_at: np.ndarray
    cause: np.ndarray


@dataclass
class Ledger:
    """Collects statements and departures day by day."""

    service: Service
    world: World
    people: People
    _said: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    _left: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def joined(self, who: np.ndarray, day: int, rng: np.random.Generator) -> None:
        """Note customers who join on a day (or had joined before the first one): heard of within minutes."""
        plan = np.where(self.people.trial_days[who] > 0, 0, self.people.plan[who])
        self._say(who, plan, day, received=self._started(who) + rng.integers(1, 300, len(who)) * SECOND_US)

    def changed(self, who: np.ndarray, day: int, rng: np.random.Generator) -> None:
        """Note customers who pay another price from a day on: a trial that was continued, or a price rise."""
        at = np.full(len(who), self.service.start + day * DAY_US)
        self._say(who, self.people.plan[who], day, received=at + billing_lag(len(who), rng))

    def leave(
        self, who: np.ndarray, at: np.ndarray, cause: int, plan: np.ndarray, day: int, rng: np.random.Generator
    ) -> None:
        """Note customers who leave at instants of a day; the billing system tells it days later."""
        self._said_end(who, plan, day, at, cause, at + billing_lag(len(who), rng))
        self._left.append((who, at, np.full(len(who), cause, np.int8)))

    def cancel_later(self, who: np.ndarray, ends: np.ndarray, day: int, rng: np.random.Generator) -> None:
        """Note customers who cancel on a day for the end of the paid month."""
        said = self.service.start + day * DAY_US + billing_lag(len(who), rng)
        self._said_end(who, self.people.plan[who], day, ends, 0, said)

    def end_later(self, who: np.ndarray, at: np.ndarray) -> None:
        """Note customers whose cancelled subscription now ends; the billing system had said so before."""
        self._left.append((who, at, np.zeros(len(who), np.int8)))

    def price_minor(self, who: np.ndarray, plan: np.ndarray, day: int) -> np.ndarray:
        """Return what customers pay on a day: the new price after the rise, and for who joined after its notice."""
        raised = (day >= self.world.rise_day) | (self.people.joined[who] >= self.world.notice_day)
        price: np.ndarray = PRICES_MINOR[plan] + raised * RISE_MINOR[plan]
        return price

    def statements(self) -> StatementColumns:
        """Return what arrived before the end of the span."""
        columns = [np.concatenate(parts) for parts in zip(*self._said, strict=True)]
        received = columns[-2]
        arrived = np.flatnonzero(received < self.service.end)
        order = arrived[np.argsort(received[arrived], kind="stable")]
        return StatementColumns(*(column[order] for column in columns))

    def departures(self) -> Departures:
        """Return who left within the span."""
        empty = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int8))
        who, at, cause = (np.concatenate(parts) for parts in zip(empty, *self._left, strict=True))
        order = np.lexsort((who, at))
        return Departures(who[order], at[order], cause[order])

    def _started(self, who: np.ndarray) -> np.ndarray:
        days = self.people.joined[who].astype(np.int64) * DAY_US
        return np.asarray(self.service.start + days + self.people.second[who].astype(np.int64) * SECOND_US)

    def _say(self, who: np.ndarray, plan: np.ndarray, day: int, *, received: np.ndarray) -> None:
        self._said_end(who, plan, day, np.full(len(who), NEVER), NO_REASON, received)

    def _said_end(
        self, who: np.ndarray, plan: np.ndarray, day: int, ended: np.ndarray, reason: int, received: np.ndarray
    ) -> None:
        price = self.price_minor(who, plan, day)
        reasons = np.full(len(who), reason, np.int8)
        number = np.zeros(len(who), np.int8)
        self._said.append((who, plan.astype(np.int8), price, self._started(who), ended, reasons, received, number))


def billing_lag(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return how long billing news takes: int64 microseconds, one to four days."""
    return rng.integers(DAY_US, 4 * DAY_US, n)


assert CAUSES[0] == "voluntary"
