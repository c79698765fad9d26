"""Plays a service from its first day to its last: who joins, who leaves, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retainstream.ml.simulator import life
from retainstream.ml.simulator.emission import EventColumns, Month
from retainstream.ml.simulator.life import State, Today
from retainstream.ml.simulator.oracle import Oracle, look_ahead
from retainstream.ml.simulator.people import CustomerColumns, People
from retainstream.ml.simulator.setup import DAY_S, DAY_US, PAYMENT, TRIAL, VOLUNTARY, Service
from retainstream.ml.simulator.statements import SECOND_US, Departures, Ledger, StatementColumns
from retainstream.ml.simulator.world import World

_CHUNK_DAYS = 30


@dataclass(frozen=True)
class PlayedDay:
    """One day: who joined in its course, who lived it and how, and whose last bill failed (with the instant of leaving)."""

    day: int
    joiners: np.ndarray
    state: State
    today: Today
    lost: np.ndarray
    lost_at: np.ndarray
    lost_broken: np.ndarray


class Simulation:
    """A service that is played on demand; the same service gives the same history, to the bit.

    Parameters
    ----------
    service : Service
    people : People, optional
        As many as the service has customers, rising by `joined`; drawn from the seed by default.
    world : World, optional
        Of a service with the same span; drawn from the seed by default.
    """

    def __init__(self, service: Service, people: People | None = None, world: World | None = None) -> None:
        self.service = service
        self.world = world or World.of(service)
        self.people = people or People.of(service)
        self._ledger: Ledger | None = None

    @property
    def start(self) -> int:
        """Microseconds UTC of the first midnight."""
        return self.service.start

    @property
    def end(self) -> int:
        """Microseconds UTC of the midnight after the last day."""
        return self.service.end

    def customers(self, rows: slice = slice(None)) -> CustomerColumns:
        """Return the customers as the company knows them at sign-up, in the order of joining."""
        return self.people.columns(self.service, rows)

    def events(self) -> Iterator[EventColumns]:
        """Yield the events of about a month at a time, rising by `received` within it; what arrives after the end is left out."""
        ledger = Ledger(self.service, self.world, self.people)
        month = Month(self.service, self.world, self.people, 0)
        for played in self._days(ledger):
            month.add(played, ledger)
            if (played.day + 1) % _CHUNK_DAYS == 0 or played.day + 1 == self.service.days:
                yield month.columns()
                month = Month(self.service, self.world, self.people, month.number + 1)
        self._ledger = ledger

    def statements(self) -> StatementColumns:
        """Return the statements about subscriptions, rising by `received`."""
        return self._whole.statements()

    @cached_property
    def departures(self) -> Departures:
        """Who really left, and of what cause; the truth, not what the company knows."""
        return self._whole.departures()

    def oracle(self, as_of: int, horizon_days: int, lead_days: int = 0, replicates: int = 32) -> Oracle:
        """Return the true chance of leaving for every customer who is there at a midnight.

        Parameters
        ----------
        as_of : int
            Microseconds UTC of a midnight within the span.
        horizon_days, lead_days : int
            The window (as_of + lead, as_of + lead + horizon].
        replicates : int
            Futures that are played for each customer. The chance is a mean of expected hazards, not of outcomes, so few suffice.

        Returns
        -------
        Oracle

        Raises
        ------
        ValueError
            When the moment is no midnight of the span, or the window reaches beyond its end.
        """
        day, rest = divmod(as_of - self.start, DAY_US)
        if rest or not 0 <= day <= self.service.days - lead_days - horizon_days:
            raise ValueError(
                "as_of: expected a midnight of the span, early enough for the window to close before its end"
            )
        return look_ahead(
            self.state_at(day), self.people, self.world, day, (horizon_days, lead_days), (self.service.seed, replicates)
        )

    def state_at(self, day: int) -> State:
        """Return the hidden state of those who are there on the morning of a day."""
        ledger = Ledger(self.service, self.world, self.people)
        for played in self._days(ledger, until=day):
            state = played
        return self._arrive(state.state, state.joiners, day) if day else self._arrive(None, np.empty(0, np.int32), 0)

    @property
    def _whole(self) -> Ledger:
        if self._ledger is None:
            ledger = Ledger(self.service, self.world, self.people)
            for _ in self._days(ledger):
                pass
            self._ledger = ledger
        return self._ledger

    def _rng(self, day: int, use: int) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64([self.service.seed, use, day]))

    def _arrive(self, state: State | None, joiners: np.ndarray, day: int) -> State:
        """Return the state of a morning: those who were there, and those who joined the day before."""
        rng = self._rng(day, 5)
        if state is None:
            old = np.arange(np.searchsorted(self.people.joined, 0), dtype=np.int32)
            return life.begin(old, self.people, rng)
        return state.joined_by(life.begin(joiners, self.people, rng)) if len(joiners) else state

    def _days(self, ledger: Ledger, until: int | None = None) -> Iterator[PlayedDay]:
        joined = self.people.joined
        state = self._arrive(None, np.empty(0, np.int32), 0)
        ledger.joined(state.who, 0, self._rng(0, 6))
        joiners = state.who[:0]
        for day in range(self.service.days if until is None else until):
            rng = self._rng(day, 3)
            if day:
                state = self._arrive(state, joiners, day)
            state, lost = self._leave(state, day, ledger, rng)
            if day == self.world.rise_day:
                ledger.changed(
                    state.who[(joined[state.who] < self.world.notice_day) & (state.trial_until < 0)], day, rng
                )
            ledger.changed(state.who[state.trial_until == day], day, rng)
            today = life.live(state, self.people, self.world, day, rng)
            low, high = np.searchsorted(joined, [day, day + 1])
            joiners = np.arange(low, high, dtype=np.int32)
            ledger.joined(joiners, day, rng)
            yield PlayedDay(day, joiners, state, today, *lost)

    def _leave(
        self, state: State, day: int, ledger: Ledger, rng: np.random.Generator
    ) -> tuple[State, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Draw who leaves on a day; returns those who stay, and whose last bill failed: who, when, why."""
        chances = life.hazards(state, self.people, self.world, day)
        draws = rng.random((3, len(state)), dtype=np.float32)
        midnight = self.start + day * DAY_US
        instants = midnight + rng.integers(1200, DAY_S, len(state)) * SECOND_US
        plan = np.where(state.trial_until >= 0, 0, self.people.plan[state.who])

        over = state.ends_on == day
        cancels = draws[0] < chances.voluntary
        later = cancels & (state.tries == 0) & (state.trial_until < 0) & (state.due > day)
        later &= rng.random(len(state), dtype=np.float32) < life.LATER_SHARE
        now = cancels & ~later
        lost = ~cancels & (draws[1] < chances.payment)
        lapsed = ~cancels & (draws[2] < chances.trial)
        for mask, cause in ((now, VOLUNTARY), (lost, PAYMENT), (lapsed, TRIAL)):
            ledger.leave(state.who[mask], instants[mask], cause, plan[mask], day, rng)
        ledger.end_later(state.who[over], midnight + self.people.second[state.who[over]].astype(np.int64) * SECOND_US)
        state.ends_on[later] = state.due[later]
        ends = self.start + state.due[later].astype(np.int64) * DAY_US
        ledger.cancel_later(
            state.who[later], ends + self.people.second[state.who[later]].astype(np.int64) * SECOND_US, day, rng
        )
        gone = over | now | lost | lapsed
        return state.take(~gone), (state.who[lost], instants[lost], state.broken[lost])
