"""Customers with a past, written through the product's own writers: events and subscriptions of a year, and who leaves when activity falls."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.lib import clock
from retainstream.models import ChurnDefinition
from retainstream.security.actor import SYSTEM
from retainstream.services import churn_definitions, feeds, revisions
from retainstream.services.events import standing
from retainstream.services.events.rows import EventRows, SubscriptionRows
from retainstream.services.events.writing import EventWriter, SubscriptionWriter

DAY = clock.DAY_US
START = 19_723 * DAY
"""1 January 2024: the history lies in the past, and is closed."""
MONTHS = 12
_CHUNK = 5_000


@dataclass(frozen=True)
class Past:
    """What was made: rows as the writers take them, sorted by when they happened; `end` is the first instant after it."""

    events: EventRows
    subscriptions: SubscriptionRows
    end: int

    @property
    def data_end(self) -> int:
        """The end of the last day that is over by the newest row."""
        return self.end - DAY


def make_past(n: int = 700, months: int = MONTHS, seed: int = 1) -> Past:
    """Make customers who log in and watch; every month some lose interest, and whoever did leaves more easily the months after.

    One in twenty announces the end a fortnight before it comes; failed payments come at random.
    """
    rng = np.random.default_rng(seed)
    days = months * 30
    events: list[tuple[int, str, str, float | None, str | None]] = []
    periods: list[tuple[str, int, int | None, str | None, int]] = []
    for i in range(n):
        name = f"p{seed}-{i:05d}"
        begin = int(rng.integers(0, days - 60)) if rng.random() < 0.7 else 0
        keen, day, left = rng.gamma(6.0, 0.06), begin, None
        while day < days and left is None:
            leaving = rng.random() < (0.4 if keen < 0.1 else 0.01)
            if rng.random() < 0.15:
                keen *= 0.2
            stop = min(day + (int(rng.integers(8, 30)) if leaving else 30), days)
            for one in range(day, stop):
                if rng.random() < min(keen, 0.95):
                    at = START + one * DAY + int(rng.integers(0, DAY))
                    events.append((at, name, "login", None, f'{{"device":"d{int(rng.integers(0, 3))}"}}'))
                    events.append((at + 60_000_000, name, "watch", round(float(rng.gamma(2.0, 0.7)), 3), None))
            if rng.random() < 0.05:
                events.append((START + day * DAY + 5, name, "payment_failed", None, None))
            left = stop if leaving else None
            day += 30
        started = START + begin * DAY
        periods.append((name, started, None, None, started))
        if left is not None and left < days:
            ended = START + left * DAY
            announced = ended - 14 * DAY if rng.random() < 0.05 else ended
            reason = "voluntary" if rng.random() < 0.9 else "payment_failed"
            periods.append((name, started, ended, reason, max(announced, started + 1)))
    events = sorted(event for event in events if event[0] < START + days * DAY)
    periods.sort(key=lambda one: one[4])
    return Past(_event_rows(events), _period_rows(periods), START + days * DAY)


def _event_rows(events: list[tuple[int, str, str, float | None, str | None]]) -> EventRows:
    at, names, kinds, values, properties = (list(column) for column in zip(*events, strict=True))
    return EventRows(names, kinds, at, list(at), values, properties, [None] * len(at))


def _period_rows(periods: list[tuple[str, int, int | None, str | None, int]]) -> SubscriptionRows:
    names, started, ended, reasons, received = (list(column) for column in zip(*periods, strict=True))
    n = len(names)
    return SubscriptionRows(
        user_ids=names, keys=[None] * n, plans=["standard"] * n, revenue_minor=[999] * n, currencies=["EUR"] * n, started=started,
        ended=ended, reasons=reasons, received=list(received),
    )  # fmt: skip


def write_past(session: Session, past: Past, feed: str = "test") -> None:
    """Write a past in one unit, as calls of the API would have."""
    now = clock.now_us()
    write_events(session, past.events, feed)
    writer = SubscriptionWriter(feed, now=now, erased=lambda _: False)
    writer.write(session, past.subscriptions)
    feeds.arrived(session, feed, **writer.arrival(), now=now, live=False)
    standing.refresh_all(session, now)
    revisions.bump(session, "events", "customers")


def write_events(session: Session, rows: EventRows, feed: str = "test") -> None:
    """Write events and tell the feed."""
    now = clock.now_us()
    writer = EventWriter(feed, now=now, erased=lambda _: False)
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        columns = (rows.user_ids, rows.kinds, rows.occurred, rows.received, rows.values, rows.properties, rows.keys)
        writer.write(session, EventRows(*(column[part] for column in columns)))
    feeds.arrived(session, feed, **writer.arrival(), now=now, live=False)
    revisions.bump(session, "events")


def define(session: Session, kind: str = "cancel", *, horizon_days: int = 30, **parameters: object) -> ChurnDefinition:
    """Put a churn definition in force."""
    wanted = {"name": f"{kind} in {horizon_days} days", "kind": kind, "horizon_days": horizon_days, **parameters}
    return churn_definitions.create(session, SYSTEM, wanted)


def make_box(folder: Path, migrated_file: Path, past: Past, **definition: object) -> Path:
    """Return a database file with a past and a churn definition in force, and nothing else; copy it for each test."""
    settings = Settings(instance=str(folder), bcrypt_cost=4, jobs=False)
    shutil.copy(migrated_file, settings.database_file)
    with create_minimal_app(settings).app_context():
        with unit_of_work() as session:
            write_past(session, past)
            define(session, **definition)  # type: ignore[arg-type]
        db.engine.dispose()  # the last connection to go folds the write-ahead log into the file
    return settings.database_file
