"""From when on the material tells of everybody: what lies before is known of those only who were still there, and must not pass for all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.services.analyses import material

if TYPE_CHECKING:
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.services.analyses.material import Material

MONDAY = 4  # day of the epoch
_DAYS_OF_WEEK = 7


def begins(found: Material, settings: Settings) -> int:
    """Return the Monday, microseconds UTC, of the first week with an event or a departure: from then on departures are on record.

    A contract may have begun years before; those who had begun with it and left are not in the data of a box that was filled later.
    """
    weeks = [int(found.week_period.min())] if len(found.week_period) else []
    ended = found.stay_end[found.stay_end != material.NEVER]
    if len(ended):
        day = material.local_days(np.asarray([ended.min()]), ZoneInfo(settings.time_zone))
        weeks.append(int((day[0] - MONDAY) // _DAYS_OF_WEEK))
    return (
        week_start(min(weeks), ZoneInfo(settings.time_zone))
        if weeks
        else int(found.stay_start.min(initial=found.as_of))
    )


def certain_from(begin: int, rule: ChurnRule) -> int:
    """Return from when on a first activity under a rule of inactivity is that of a new customer: nobody can be silent for longer and not have left."""
    return begin + (rule.inactive_days or 0) * clock.DAY_US


def week_start(week: int, zone: ZoneInfo) -> int:
    """Return the first instant, microseconds UTC, of a week that counts from Monday, 1970-01-05."""
    day = datetime(1970, 1, 5, tzinfo=zone) + timedelta(days=_DAYS_OF_WEEK * week)
    return clock.to_us(day)


def first_of_each(customer: np.ndarray) -> np.ndarray:
    """Return the places of each customer's first row, of rows sorted by customer."""
    return np.flatnonzero(np.append(True, customer[1:] != customer[:-1])) if len(customer) else np.zeros(0, np.int64)
