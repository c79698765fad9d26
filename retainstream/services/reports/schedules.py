"""When a report is due: schedules in words and as instants, and queuing what fell due. Telling the time to look is `retainstream.jobs.background`'s affair."""

from __future__ import annotations

from calendar import day_name, monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput
from retainstream.lib import clock
from retainstream.models import JobRun, Report
from retainstream.security.actor import SYSTEM, Actor
from retainstream.services import jobs

EVERY = ("day", "week", "month")
KIND = "report"
_SUFFIXES = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_RANGES = {"hour": (0, 23), "weekday": (0, 6), "day": (1, 31)}


def checked(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a schedule with what it needs and nothing else; None stays None, for a report that is made by hand.

    Parameters
    ----------
    given : mapping or None
        `every` (day, week or month), `hour` 0 to 23 of the box's clocks, `weekday` 0 (Monday) to 6, and `day` of the month, 1 to 31: a month that is
        shorter has it on its last day.

    Raises
    ------
    InvalidInput
        Naming what is not as expected.
    """
    if given is None:
        return None
    every = given.get("every")
    if every not in EVERY:
        raise InvalidInput("There is no such schedule.", fields={"every": [f"one of {', '.join(EVERY)}"]})
    found: dict[str, Any] = {"every": every}
    for name in ("hour", *({"week": ["weekday"], "month": ["day"]}.get(every, []))):
        value, (low, high) = given.get(name), _RANGES[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidInput("The schedule is not complete.", fields={name: [f"a whole number from {low} to {high}"]})
        found[name] = value
    return found


def next_after(schedule: Mapping[str, Any], time_zone: str, moment: int) -> int:
    """Return the first instant after `moment` (both microseconds UTC) at which a report is due.

    An hour that a change of clocks skips counts at the moment of the jump; one that comes twice counts the first time.
    """
    zone = ZoneInfo(time_zone)
    today = clock.from_us(moment).astimezone(zone).date()
    for ahead in range(63):  # the last days of two months lie at most 31 days apart
        day = today + timedelta(days=ahead)
        if _falls_on(schedule, day):
            due = clock.to_us(datetime(day.year, day.month, day.day, int(schedule["hour"]), tzinfo=zone))
            if due > moment:
                return due
    raise AssertionError("every schedule falls on a day within two months")


def _falls_on(schedule: Mapping[str, Any], day: date) -> bool:
    if schedule["every"] == "week":
        return bool(day.weekday() == schedule["weekday"])
    if schedule["every"] == "month":
        return bool(day.day == min(schedule["day"], monthrange(day.year, day.month)[1]))
    return True


def words(schedule: Mapping[str, Any] | None) -> str:
    """Return a schedule as people say it."""
    if schedule is None:
        return "By hand"
    at = f"at {schedule['hour']:02d}:00"
    if schedule["every"] == "week":
        return f"Every {day_name[schedule['weekday']]} {at}"
    if schedule["every"] == "month":
        day = int(schedule["day"])
        if day == 31:
            return f"On the last day of the month {at}"
        return f"On the {day}{_SUFFIXES.get(day, 'th')} of the month {at}"
    return f"Every day {at}"


def queue_due(session: Session, time_zone: str) -> list[int]:
    """Queue a job for every report that fell due, once however long the box was off, and return the jobs' ids.

    A report that is still being made from the last time counts as this time's.
    """
    now = clock.now_us()
    queued: list[int] = []
    for report in session.scalars(select(Report).where(Report.next_at <= now)).all():
        if report.schedule is None:
            report.next_at = None
            continue
        report.next_at = next_after(report.schedule, time_zone, now)
        try:
            queued.append(queue(session, report.id).id)
        except Conflict:
            continue
    session.flush()
    return queued


def queue(session: Session, report_id: int, actor: Actor = SYSTEM) -> JobRun:
    """Queue the making of one report; raises Conflict while it is already queued or being made."""
    return jobs.enqueue(session, actor, KIND, {"report_id": report_id}, dedupe_key=f"report:{report_id}")
