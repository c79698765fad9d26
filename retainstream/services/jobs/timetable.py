"""Jobs by the clock: which schedules exist, and which are due. Telling the time to look is `retainstream.jobs.background`'s affair."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import AliasMove, Customer, Schedule, ScoringRun
from retainstream.security.actor import SYSTEM
from retainstream.services.jobs import queue

SEEDS = (
    ("nightly-scoring", "score", "02:30"),
    ("nightly-judging", "judge", "03:30"),
    ("nightly-analyses", "analyse", "04:00"),
)
"""Name, kind of job, and local time of the schedules that every box has."""

_NEEDED = {"score": AliasMove.id, "judge": ScoringRun.id, "analyse": Customer.id}
"""Without a row of these a kind has nothing to work on: no model was ever in service, nobody was ever scored, or there is nobody at all."""


def seed_schedules(session: Session) -> int:
    """Add the schedules that are missing and return how many; a second call adds none and changes none.

    A new schedule counts as done until now, so that a fresh box waits for the first night.
    """
    present = set(session.scalars(select(Schedule.name)))
    missing = [seed for seed in SEEDS if seed[0] not in present]
    for name, kind, at in missing:
        session.add(Schedule(name=name, kind=kind, at=at, payload={}, enabled=True, last_queued_at=clock.now_us()))
    session.flush()
    return len(missing)


def latest_due(at: str, time_zone: str, now: int) -> int:
    """Return the latest instant (microseconds) not after `now` at which the zone's clocks showed `at` (HH:MM).

    A time that a change of clocks skips counts at the moment of the jump; one that comes twice counts the first time.
    """
    zone = ZoneInfo(time_zone)
    local = clock.from_us(now).astimezone(zone)
    hour, minute = (int(part) for part in at.split(":"))
    for days_ago in (0, 1):
        day = (local - timedelta(days=days_ago)).date()
        due = clock.to_us(datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone))
        if due <= now:
            return due
    raise AssertionError("the day before's time has passed")


def queue_due(session: Session, time_zone: str) -> list[int]:
    """Queue a job for every schedule that fell due since it was last queued, once however long the box was off; returns the ids.

    Work that is still queued or running from the last time counts as this time's.
    """
    now = clock.now_us()
    queued: list[int] = []
    for schedule in session.scalars(select(Schedule).where(Schedule.enabled)).all():
        last = schedule.last_queued_at
        if last is not None and last >= latest_due(schedule.at, time_zone, now):
            continue
        taken = session.execute(
            update(Schedule)
            .where(Schedule.id == schedule.id, Schedule.last_queued_at.is_not_distinct_from(last))
            .values(last_queued_at=now),
            execution_options={"synchronize_session": False},
        )
        if cast("CursorResult[Any]", taken).rowcount != 1:
            continue
        needed = _NEEDED.get(schedule.kind)
        if needed is not None and session.scalar(select(needed).limit(1)) is None:
            continue  # a job every night that fails, or finds nothing, would tell nobody anything
        try:
            queued.append(
                queue.enqueue(session, SYSTEM, schedule.kind, dict(schedule.payload), f"schedule:{schedule.name}").id
            )
        except Conflict:
            continue
    return queued
