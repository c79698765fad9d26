"""How often plays were tried, what people noted down, and who had left a month later. Counts of what followed, never of what a play caused.

Whoever got a play was chosen for being at risk, so these counts say nothing about the play until an experiment does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import Customer, Task
from retainstream.models.desk import OUTCOMES
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission

AFTER_DAYS = 30


@dataclass(frozen=True)
class Tried:
    """What followed where a play was tried.

    Attributes
    ----------
    open, done, dropped : int
        Tasks with the play.
    outcomes : dict of str to int
        Done tasks by what people noted; every outcome has a count.
    judged : int
        Done tasks that ended 30 days ago or longer, of customers of whom it is known whether, and when, they left.
    left : int
        How many of those had left within the 30 days after, by the definition in force.
    too_early, not_known : int
        Done tasks that ended later than that, and those of whom it is not known.
    causal : bool
        Always False.
    """

    open: int
    done: int
    dropped: int
    outcomes: dict[str, int]
    judged: int
    left: int
    too_early: int
    not_known: int
    causal: bool = False

    @property
    def left_share(self) -> float | None:
        """Return the share (0..1) of those judged who had left; None without any."""
        return self.left / self.judged if self.judged else None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {**vars(self), "left_share": self.left_share}


NEVER = Tried(0, 0, 0, dict.fromkeys(OUTCOMES, 0), 0, 0, 0, 0)
"""What there is to say of a play that nobody tried."""


def of_plays(session: Session, actor: Actor) -> dict[int, Tried]:
    """Return the counts by play; one that nobody tried is absent (see `NEVER`)."""
    actor.require(Permission.TASKS_READ)
    matured = clock.now_us() - AFTER_DAYS * clock.DAY_US
    states: dict[int, Counter[str]] = defaultdict(Counter)
    rows = session.execute(
        select(Task.play_id, Task.state, Task.outcome, Task.ended_at, Customer.churned, Customer.churned_at)
        .join(Customer, Customer.id == Task.customer_id)
        .where(Task.play_id.is_not(None), Customer.visible())
    )
    for play_id, state, outcome, ended_at, churned, churned_at in rows:
        assert play_id is not None  # the condition says so
        counted = states[play_id]
        counted[state] += 1
        if outcome is not None and ended_at is not None:
            counted[outcome] += 1
            counted[_what_followed(ended_at, churned, churned_at, matured)] += 1
    return {
        play_id: Tried(
            open=counted["open"],
            done=counted["done"],
            dropped=counted["dropped"],
            outcomes={outcome: counted[outcome] for outcome in OUTCOMES},
            judged=counted["had_left"] + counted["had_stayed"],
            left=counted["had_left"],
            too_early=counted["too_early"],
            not_known=counted["not_known"],
        )
        for play_id, counted in states.items()
    }


def _what_followed(ended_at: int, churned: bool | None, churned_at: int | None, matured: int) -> str:
    if ended_at > matured:
        return "too_early"
    if churned is None or (churned and churned_at is None):
        return "not_known"
    left = churned and churned_at is not None and churned_at <= ended_at + AFTER_DAYS * clock.DAY_US
    return "had_left" if left else "had_stayed"
