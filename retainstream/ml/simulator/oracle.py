"""The truth about the future: the chance of leaving by cause, given the hidden state of a morning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.simulator import life
from retainstream.ml.simulator.life import State
from retainstream.ml.simulator.people import People
from retainstream.ml.simulator.world import World

_BATCH = 400_000


@dataclass(frozen=True)
class Oracle:
    """True chances of leaving within a window, for customers who are there and whose end is not yet decided.

    Attributes
    ----------
    who : int32 array of shape (n,)
        Rising.
    voluntary, payment, trial : float64 arrays of shape (n,)
        Chance that the subscription ends in (as_of + lead, as_of + lead + horizon] of this cause and no other before, given that
        it did not end within the lead.
    """

    who: np.ndarray
    voluntary: np.ndarray
    payment: np.ndarray
    trial: np.ndarray


def look_ahead(
    state: State, people: People, world: World, day: int, window: tuple[int, int], draws: tuple[int, int]
) -> Oracle:
    """Return the chances of leaving from a morning on.

    Parameters
    ----------
    state : State
        Of the morning of `day`.
    window : (int, int)
        Horizon and lead in days.
    draws : (int, int)
        Seed, and number of futures per customer.

    Notes
    -----
    Each future is played with nobody leaving; a customer's hazards along it are turned into the chance of having survived until a day and
    leaving then, and averaged over the futures (Rao-Blackwell: only what the hidden state may become is drawn, not the outcome).
    A share of those who cancel leave at the end of the month they paid for, which may lie beyond the window.
    """
    horizon, lead = window
    seed, replicates = draws
    open_end = state.take(state.ends_on < 0)
    totals = np.zeros((4, len(open_end)))
    chunk = max(1, min(replicates, _BATCH // max(1, len(open_end))))
    done = 0
    while done < replicates:
        copies = min(chunk, replicates - done)
        rng = np.random.Generator(np.random.SFC64([seed, 7, day, done]))
        found = _future(
            open_end.take(np.tile(np.arange(len(open_end)), copies)), people, world, day, horizon, lead, rng
        )
        totals += found.reshape(4, copies, len(open_end)).sum(axis=1)
        done += copies
    stayed = np.maximum(totals[3], 1e-12)
    voluntary, payment, trial = (row / stayed for row in totals[:3])
    return Oracle(open_end.who, voluntary, payment, trial)


def _future(
    state: State, people: People, world: World, day: int, horizon: int, lead: int, rng: np.random.Generator
) -> np.ndarray:
    """Return, for each copy, the chances of leaving in the window by cause and of outlasting the lead: float64 of shape (4, copies)."""
    first, last = day + lead, day + lead + horizon
    survival = np.ones(len(state))
    later_in_lead = np.zeros(len(state))
    masses = np.zeros((4, len(state)))
    for today in range(day, last):
        if today == first:
            masses[3] = survival
        chances = life.hazards(state, people, world, today)
        cancels = survival * chances.voluntary
        can_wait = (state.tries == 0) & (state.trial_until < 0) & (state.due > today)
        waits = np.where(can_wait, life.LATER_SHARE, 0.0) * cancels
        ends_in = (state.due >= first) & (state.due < last)
        masses[0] += ends_in * waits
        later_in_lead += (state.due >= first) * (today < first) * waits
        if today >= first:
            masses[0] += cancels - waits
        left = survival - cancels
        for row, chance in ((1, chances.payment), (2, chances.trial)):
            if today >= first:
                masses[row] += left * chance
            left = left * (1 - chance)
        survival = left
        life.live(state, people, world, today, rng)
    masses[3] += later_in_lead  # who cancelled in the lead for a day after it is still there when the window opens
    return masses
