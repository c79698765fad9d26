"""What a training that looks ahead was asked for, and what stops it before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.models import ChurnDefinition
from retainstream.services import as_of, churn_definitions, datasets, feeds

EVERY_DAYS = 30


@dataclass(frozen=True)
class Asked:
    """What a training that looks ahead was asked for.

    Attributes
    ----------
    definition_id : int, optional
        The one in force by default.
    as_of : int, optional
        The moment to train as of, microseconds UTC at the start of a day; the end of the data by default.
    exclude, keep : tuple of str
        Features to leave out, and suspicious ones that a person decided to keep, by name or title.
    every_days : int
        Days between observation dates.
    ignore_silent_feeds : bool
        Train although a feed went silent.
    """

    definition_id: int | None = None
    as_of: int | None = None
    seed: int = 0
    trials: int = 25
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    every_days: int = EVERY_DAYS
    ignore_silent_feeds: bool = False

    @classmethod
    def of(cls, payload: dict[str, Any], settings: Settings) -> Asked:
        """Return what a job's payload asks for, with the settings' number of trials as default."""
        return cls(
            definition_id=payload.get("definition_id"),
            as_of=payload.get("as_of"),
            seed=int(payload.get("seed") or 0),
            trials=int(payload.get("trials") or settings.train_trials),
            exclude=tuple(payload.get("exclude") or ()),
            keep=tuple(payload.get("keep") or ()),
            every_days=int(payload.get("every_days") or EVERY_DAYS),
            ignore_silent_feeds=bool(payload.get("ignore_silent_feeds", False)),
        )


def definition_for(session: Session, definition_id: int | None) -> ChurnDefinition | None:
    """Return the churn definition that a training would use: the one asked for or the one in force; raises NotFound for an unknown one."""
    return (
        churn_definitions.in_force(session) if definition_id is None else churn_definitions.get(session, definition_id)
    )


def check(session: Session, asked: Asked) -> int:
    """Return the moment that a training would be as of; reads no customer.

    Raises
    ------
    NotReady
        Without history, while an import is being applied, and when a feed went silent.
    InvalidInput
        When the moment lies beyond the end of the data.
    """
    datasets.refuse_unfinished_import(session)
    end = as_of.data_end(session)
    if asked.as_of is not None:
        return past_day(asked.as_of, end)
    if not asked.ignore_silent_feeds:
        feeds.require_alive(session)
    return end


def past_day(moment: int, data_end: int) -> int:
    """Return the start of the day of a moment; raises InvalidInput for one that the data do not reach to.

    The end of the last day on record can be looked at as soon as that day is over, though nothing tells that it is complete.
    """
    day = moment // clock.DAY_US * clock.DAY_US
    last = max(data_end, min(data_end + clock.DAY_US, clock.now_us() // clock.DAY_US * clock.DAY_US))
    if day > last:
        said = str(clock.iso(last))[:10]
        raise InvalidInput(
            f"The data reach to {said}; a later day cannot be looked at.", fields={"as_of": [f"not after {said}"]}
        )
    return day
