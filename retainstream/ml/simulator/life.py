"""A day of the customers: the hazards of leaving that morning, and how those who stay then live it.

Everything here acts on whole arrays and changes the state in place. What the company sees of a day is `emission`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from retainstream.ml.simulator.people import MEAN_HABIT, People
from retainstream.ml.simulator.setup import GENRES
from retainstream.ml.simulator.world import World

BILLING_DAYS = 30
LATER_SHARE = 0.15
"""Of those who cancel, for the end of the month they paid for."""
FINAL_TRY = 3
"""Tries that failed before the last one."""
_WAIT = np.array([0, 3, 4, 7], dtype=np.int32)  # days until the next try, by tries that failed
CARD, FUNDS = 1, 2

_BASE = -8.95
_MOOD, _FATIGUE, _SOUR, _NOVELTY, _DUNNED = 2.2, 0.75, 0.8, 1.0, 0.5
_NOVELTY_DAYS = 75.0
_IN_TRIAL = 0.3  # who pays nothing has little reason to cancel before the trial ends
_HIGHEST = 0.12
_SHOCKS_PER_DAY = 1 / 270


@dataclass
class State:
    """The hidden state of the customers who are there, arrays of shape (n,).

    Attributes
    ----------
    who : int32
        Position in `People`, rising.
    mood : float32
        Present liking of the service, 0 is the customer's own normal; it follows `target`, which life pushes down and time heals.
    fatigue : float32, 0 or more
        How far the catalogue is worn out.
    sour : float32, 0 or more
        What is left of the anger about slow support.
    due : int32
        Day of the next billing try.
    tries : int8, 0 to 3
        Tries of the present bill that failed, because of `broken`: 1 the card, 2 the account.
    card_until : int32
        Day on which the card expires.
    trial_until : int32
        Day on which the trial ends, -1 outside one.
    ends_on : int32
        Day on which a subscription that was cancelled for later ends, -1 for none.
    """

    who: np.ndarray
    mood: np.ndarray
    target: np.ndarray
    fatigue: np.ndarray
    sour: np.ndarray
    due: np.ndarray
    tries: np.ndarray
    broken: np.ndarray
    card_until: np.ndarray
    trial_until: np.ndarray
    ends_on: np.ndarray

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: np.ndarray) -> Self:
        """Return copies of the rows of a mask or of positions."""
        return type(self)(*(getattr(self, part.name)[rows] for part in fields(self)))

    def joined_by(self, others: Self) -> Self:
        """Return these customers followed by others."""
        return type(self)(
            *(np.concatenate([getattr(self, part.name), getattr(others, part.name)]) for part in fields(self))
        )


@dataclass(frozen=True)
class Hazards:
    """Chances of leaving on a day, by cause, float32 arrays of shape (n,); each given that the ones before it did not happen."""

    voluntary: np.ndarray
    payment: np.ndarray
    trial: np.ndarray


@dataclass(frozen=True)
class Today:
    """What the customers did on a day, arrays of shape (n,) in the order of the state; `hours` and `solving` are 0 for who did not."""

    watched: np.ndarray
    hours: np.ndarray
    solving: np.ndarray
    paid: np.ndarray
    failed: np.ndarray


def begin(who: np.ndarray, people: People, rng: np.random.Generator) -> State:
    """Return the state in which customers enter the simulation: new ones pleased and fresh, established ones somewhere in their course."""
    n = len(who)
    joined = people.joined[who]
    old = joined < 0
    in_trial = people.trial_days[who] > 0
    low = np.where(rng.random(n) < 0.35, -rng.random(n) * 2.0, 0.0) * old
    return State(
        who=who.astype(np.int32),
        mood=(np.where(old, low, 0.5) + 0.2 * rng.standard_normal(n)).astype(np.float32),
        target=low.astype(np.float32),
        fatigue=(rng.gamma(2.0, 0.3, n) * old).astype(np.float32),
        sour=np.zeros(n, np.float32),
        due=np.where(old, rng.integers(0, BILLING_DAYS, n), joined + 1 + people.trial_days[who]).astype(np.int32),
        tries=np.zeros(n, np.int8),
        broken=np.zeros(n, np.int8),
        card_until=(np.maximum(joined, 0) + people.card[who]).astype(np.int32),
        trial_until=np.where(in_trial, joined + 1 + people.trial_days[who], -1).astype(np.int32),
        ends_on=np.full(n, -1, np.int32),
    )


def hazards(state: State, people: People, world: World, day: int) -> Hazards:
    """Return the chances of leaving on a day, given the state of that morning.

    Notes
    -----
    Cancelling: exp(-8.95 + loyalty - 2.2 mood + 0.75 fatigue + 0.8 sour + exp(-age / 75 days) + sensitivity x anger about the price
    + 0.5 while a bill is unpaid), at most 0.12 a day; in a trial 0.3 of it. Payment: on the last try of a bill, the chance that it
    fails, too. Trial: on its last day, the chance that it is not continued.
    """
    who = state.who
    joined = people.joined[who]
    log = people.loyalty[who] - _MOOD * state.mood + _FATIGUE * state.fatigue + _SOUR * state.sour
    log += _BASE + _NOVELTY * np.exp((joined - day) / np.float32(_NOVELTY_DAYS)) + _DUNNED * (state.tries > 0)
    anger = world.price_anger(day)
    if anger:
        log += np.float32(anger) * people.sensitivity[who] * (joined < world.notice_day)
    voluntary = np.minimum(np.exp(log, dtype=np.float32), np.float32(_HIGHEST))
    voluntary[state.trial_until >= 0] *= np.float32(_IN_TRIAL)
    voluntary[state.ends_on >= 0] = 0
    payment, trial = np.zeros_like(voluntary), np.zeros_like(voluntary)
    last = np.flatnonzero((state.tries == FINAL_TRY) & (state.due == day) & (state.ends_on < 0))
    payment[last] = 1 - _recovers(state, people, last)
    ending = np.flatnonzero(state.trial_until == day)
    liking = 0.7 + 1.2 * state.mood[ending] + 0.5 * (people.habit[who[ending]] - MEAN_HABIT)
    trial[ending] = 1 - _chance(liking)
    return Hazards(voluntary, payment, trial)


def live(state: State, people: People, world: World, day: int, rng: np.random.Generator) -> Today:
    """Let the customers who stayed live a day; changes the state to that of the next morning."""
    n, who = len(state), state.who
    draws = rng.random((4, n), dtype=np.float32)
    log_odds = people.habit[who] + 2.4 * state.mood - 0.35 * state.fatigue + world.season[day]
    if world.weekend[day]:
        log_odds = log_odds + people.weekend[who]
    watched = draws[0] < _chance(log_odds)
    hours = np.zeros(n, np.float32)
    at = np.flatnonzero(watched)
    spread = rng.standard_normal(len(at), dtype=np.float32)
    hours[at] = np.exp(people.hours[who[at]] + 0.7 * state.mood[at] + 0.4 * spread).clip(0.05, 14)

    solving = np.zeros(n, np.float32)
    asked = np.flatnonzero(draws[1] < 0.004)
    solving[asked] = np.exp(2.1 + 1.1 * rng.standard_normal(len(asked))).clip(0.2, 400)
    state.sour *= np.float32(0.97)
    state.sour[asked] += 0.8 * np.log(solving[asked] / 8).clip(0, 3)

    _wear_out(state, people, world, day, hours)
    shocked = np.flatnonzero(draws[2] < _SHOCKS_PER_DAY)
    state.target *= np.float32(0.99)
    state.target[shocked] -= 1.0 + 1.4 * rng.random(len(shocked), dtype=np.float32)
    np.maximum(state.target, -2.6, out=state.target)
    state.mood += 0.09 * (state.target - state.mood) + 0.05 * rng.standard_normal(n, dtype=np.float32)

    state.trial_until[state.trial_until == day] = -1
    paid, failed = _bill(state, people, day, draws[3], rng)
    return Today(watched, hours, solving, paid, failed)


def _wear_out(state: State, people: People, world: World, day: int, hours: np.ndarray) -> None:
    who = state.who
    state.fatigue *= np.float32(0.985)
    state.fatigue += 0.04 * hours / people.breadth[who]
    out = world.released[day]
    if out.any():
        fresh = np.where(out, 0.7, 1.0).astype(np.float32) * np.float32(0.97 ** out.sum())
        state.fatigue *= fresh[people.favourite[who]]
    np.minimum(state.fatigue, 3.0, out=state.fatigue)
    assert len(out) == len(GENRES)


def _bill(
    state: State, people: People, day: int, draw: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Try the bills of a day; returns masks of those paid and of those that failed. A last try succeeds: who failed it has left."""
    billed = (state.due == day) & (state.ends_on < 0)
    at = np.flatnonzero(billed)
    first = state.tries[at] == 0
    expired = state.card_until[at] <= day
    chance = np.where(first, np.where(expired, 0.0, 1 - people.funds[state.who[at]]), _recovers(state, people, at))
    good = (draw[at] < chance) | (state.tries[at] == FINAL_TRY)
    new_card = at[good & (state.broken[at] == CARD)]
    state.card_until[new_card] = day + rng.integers(700, 1095, len(new_card))
    state.broken[at] = np.where(good, 0, np.where(first, np.where(expired, CARD, FUNDS), state.broken[at]))
    state.tries[at] = np.where(good, 0, state.tries[at] + 1)
    state.due[at] = day + np.where(good, BILLING_DAYS, _WAIT[state.tries[at]])
    paid, failed = np.zeros_like(billed), np.zeros_like(billed)
    paid[at[good]] = True
    failed[at[~good]] = True
    return paid, failed


def _recovers(state: State, people: People, rows: np.ndarray) -> np.ndarray:
    """Return the chance that another try of a bill succeeds: who cares for the service enters a new card sooner."""
    mood = state.mood[rows]
    card = -0.6 + 0.9 * mood + 0.3 * (people.habit[state.who[rows]] - MEAN_HABIT)
    return _chance(np.where(state.broken[rows] == CARD, card, -0.1 + 0.3 * mood))


def _chance(log_odds: np.ndarray) -> np.ndarray:
    chance: np.ndarray = 1 / (1 + np.exp(-log_odds))
    return chance
