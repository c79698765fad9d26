"""A customer's past by whole days: what happened stands singly, and the events of a day together, with counts by kind.

A page ends where a day does, so a count is never that of a part of a day. One entry after another is `timeline.read`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import decode_cursor, encode_cursor
from retainstream.models import Customer, Event, EventKind
from retainstream.security.actor import Actor
from retainstream.services import timeline
from retainstream.services.customers import record
from retainstream.services.events.listing import visible
from retainstream.services.paging import reading_cursor
from retainstream.services.timeline import Entry

LINES: Final = 25
"""A page ends with the day in which it reaches so many lines; the events of a day are one."""
_READ: Final = {"event": 400}
_READ_OF_OTHERS: Final = 60
_ALL_OF_A_DAY: Final = 1_000
_NAME: Final = "timeline-days"


@dataclass(frozen=True)
class Day:
    """A day of the past in the box's time zone: [`start`, `end`) in microseconds UTC.

    Attributes
    ----------
    entries : tuple of Entry
        Everything but events, newest first.
    events : tuple of Entry
        The newest events of the day, newest first; all of them unless there are hundreds.
    counts : tuple of (str, int)
        How many events of each kind the whole day has, most first.
    """

    start: int
    end: int
    entries: tuple[Entry, ...]
    events: tuple[Entry, ...]
    counts: tuple[tuple[str, int], ...]

    @property
    def event_count(self) -> int:
        """Return how many events the whole day has."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Days:
    """Days that have something, newest first, and the cursor of the earlier ones (None at the end)."""

    days: tuple[Day, ...]
    next_cursor: str | None


def read(
    session: Session,
    actor: Actor,
    user_id: str,
    time_zone: str,
    *,
    cursor: str | None = None,
    sources: Collection[str] = (),
) -> Days:
    """Return a page of whole days of what the actor may see of a customer's past.

    Parameters
    ----------
    time_zone : str
        In which days begin.
    sources : collection of str
        Those of `timeline.SOURCES` to read; none means all.

    Raises
    ------
    NotFound
        For an unknown customer.
    InvalidInput
        For a cursor of another list, and for an unknown source.
    """
    customer, _ = record.require(session, user_id)
    before: int | None = None
    if cursor:
        with reading_cursor():
            (at,) = decode_cursor(cursor, _NAME, 1)
            if not isinstance(at, int) or isinstance(at, bool) or abs(at) >= 2**62:
                raise ValueError("not a cursor of this list")
            before = at
    wanted, zone = timeline.allowed(actor, sources), ZoneInfo(time_zone)
    found: list[Entry] = []
    known_from = None
    for source in wanted:
        most = _READ.get(source, _READ_OF_OTHERS)
        read_ = timeline.part(session, customer, source, before, most)
        found += read_
        if len(read_) == most:  # there may be more of the day of the last one
            _, end = _bounds(zone, read_[-1].moment[0])
            known_from = end if known_from is None else max(known_from, end)
    found.sort(key=lambda entry: entry.moment, reverse=True)
    days = _whole_days(found, zone, known_from)
    if not days and found:
        days = [_crowded_day(session, customer, wanted, *_bounds(zone, found[0].moment[0]))]
    if not days:
        return Days((), None)
    more = any(timeline.part(session, customer, source, days[-1].start, 1) for source in wanted)
    return Days(tuple(days), encode_cursor(_NAME, [days[-1].start]) if more else None)


def bounds_of(day: str, time_zone: str) -> tuple[int, int]:
    """Return where a day (`2026-03-31`) begins and ends, microseconds UTC; raises ValueError for what is no day."""
    zone = ZoneInfo(time_zone)
    start = datetime.combine(datetime.strptime(day, "%Y-%m-%d").date(), time.min, tzinfo=zone)  # noqa: DTZ007 - the zone follows
    return _bounds(zone, clock.to_us(start))


def _bounds(zone: ZoneInfo, instant: int) -> tuple[int, int]:
    """Return where the day of an instant begins, and the next one."""
    day = clock.from_us(instant).astimezone(zone).date()
    start, end = (datetime.combine(day + timedelta(days=more), time.min, tzinfo=zone) for more in (0, 1))
    return clock.to_us(start), clock.to_us(end)


def _whole_days(found: list[Entry], zone: ZoneInfo, known_from: int | None) -> list[Day]:
    """Return the days of sorted entries up to a page; those before `known_from` may not be whole, and are left out."""
    days: list[Day] = []
    lines = 0
    for (start, end), entries in groupby(found, key=lambda entry: _bounds(zone, entry.moment[0])):
        if lines >= LINES or (known_from is not None and start < known_from):
            break
        every = list(entries)
        events = tuple(entry for entry in every if entry.source == "event")
        others = tuple(entry for entry in every if entry.source != "event")
        counts = Counter(str(entry.facts["kind"]) for entry in events)
        days.append(Day(start, end, others, events, _by_count(counts)))
        lines += len(others) + bool(events)
    return days


def _crowded_day(session: Session, customer: Customer, wanted: Collection[str], start: int, end: int) -> Day:
    """Return a day of which there is more than a page reads at once: its events are counted in the database, the newest are told."""
    parts = {source: timeline.part(session, customer, source, end, _ALL_OF_A_DAY) for source in wanted}
    inside = {source: [entry for entry in part if entry.moment[0] >= start] for source, part in parts.items()}
    counts: dict[str, int] = {}
    if "event" in wanted:
        rows = session.execute(
            select(EventKind.name, func.count())
            .join(Event, Event.kind_id == EventKind.id)
            .where(
                Event.customer_id == customer.id, visible(Event), Event.occurred_at >= start, Event.occurred_at < end
            )
            .group_by(EventKind.name)
        )
        counts.update((name, count) for name, count in rows)
    others = sorted(
        (one for source in inside if source != "event" for one in inside[source]), key=_moment, reverse=True
    )
    return Day(start, end, tuple(others), tuple(inside.get("event", ())[: _READ["event"]]), _by_count(counts))


def _moment(entry: Entry) -> tuple[int, int, int]:
    return entry.moment


def _by_count(counts: Counter[str] | dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
