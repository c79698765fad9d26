"""Writes chunks of events, each once, and counts what became of every row. Statements about subscriptions are written by `statements`.

The caller opens the unit, one for each chunk, and afterwards tells the feed (`feeds.arrived` with `arrival()`) and raises the revision `events`:
at once for rows that are seen at once, when the batch is applied for those of a load.
"""

# ruff: noqa: S608 (the statements are put together from our own column names only)
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, compress
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.lib import clock
from retainstream.services import feeds
from retainstream.services.events.fates import Fates
from retainstream.services.events.keys import EventKeys
from retainstream.services.events.people import Erased, People, Unknown
from retainstream.services.events.rows import LATE_US, TOLERATED_AHEAD_US, EventRows
from retainstream.services.events.statements import SubscriptionWriter

__all__ = ["MOST_KINDS", "EventWriter", "Fates", "SubscriptionWriter"]

MOST_KINDS: Final = 1_000
"""More kinds than any box needs: beyond them somebody sends identifiers in the place of kinds."""

_COLUMNS = ("customer_id", "kind_id", "occurred_at", "received_at", "value", "properties", "key")
_TOGETHER = 50
_NOTE_RANGE = text(
    "UPDATE import_batches SET last_event_id = (SELECT max(id) FROM events), "
    "first_event_id = coalesce(first_event_id, (SELECT min(id) FROM events WHERE id > :before)) WHERE id = :batch"
)


class EventWriter:
    """Writes the events of one load or request, chunk after chunk. One whose unit was rolled back must not be used again.

    Parameters
    ----------
    feed_name : str
        The source, at most 80 characters without control characters; keys are unique within it.
    batch_id : int, optional
        The load that the rows, and the customers that are made for them, belong to; they are invisible until it is applied.
    now : int
        Microseconds UTC.
    unknown : "create" or "skip"
        What happens to events of customers who are not on record.
    erased : callable
        Tells whether an identifier was erased; see `people.erased_test`.
    """

    def __init__(
        self, feed_name: str, *, batch_id: int | None = None, now: int, unknown: Unknown = "create", erased: Erased
    ) -> None:
        self.feed_name, self.batch_id, self.now = feed_name, batch_id, now
        self.people = People(batch_id, now, unknown, erased)
        self.keys = EventKeys(feed_name)
        self.counts: Counter[str] = Counter()
        self._feed: int | None = None
        self._newest = 0
        self._kinds: dict[str, int] = {}
        self._days: set[int] = set()
        self._first: int | None = None
        self._last: int | None = None
        self._received: int | None = None

    def write(self, session: Session, rows: EventRows) -> Fates:
        """Write one chunk. Ten thousand rows hold the write lock for about a tenth of a second."""
        if not len(rows):
            return Fates()
        if self.batch_id is not None:
            dialect.prepare_bulk_load(session)
        feed = self._ensure_feed(session)
        keys, made = self.keys.make(rows), self.people.made
        refused = self.people.resolve(session, rows.user_ids)
        new_kinds = self._resolve_kinds(session, rows.kinds)
        fates = self._refusals(rows, refused)
        columns: list[Sequence[Any]] = [
            list(map(self.people.ids.get, rows.user_ids)),
            list(map(self._kinds.get, rows.kinds)),
            rows.occurred,
            rows.received,
            rows.values,
            rows.properties,
            keys,
        ]
        if fates is not None:
            kept = [fate == "accepted" for fate in fates]
            columns = [list(compress(column, kept)) for column in columns]
        fresh = self._insert(session, feed, columns)
        fates = fates or ["accepted"] * len(rows)
        occurred, received = columns[2], columns[3]
        if fresh is not None:
            taken = iter(fresh)
            fates = [("accepted" if next(taken) else "duplicate") if fate == "accepted" else fate for fate in fates]
            occurred, received = list(compress(occurred, fresh)), list(compress(received, fresh))
        counts = Counter(fates) + Counter(new_customers=self.people.made - made, new_kinds=new_kinds)
        counts += self._look_at_times(occurred, received)
        self.counts += counts
        return Fates(fates, counts)

    def arrival(self) -> dict[str, Any]:
        """Return what `feeds.arrived` wants to know of all rows that were accepted so far, besides the name, `now` and `live`."""
        return {
            "n": self.counts["accepted"],
            "first_occurred": self._first,
            "last_occurred": self._last,
            "received": self._received,
            "days": sorted(self._days),
        }

    def _ensure_feed(self, session: Session) -> int:
        if self._feed is None:
            feed = feeds.ensure(session, self.feed_name, self.now)
            self._feed, self._newest = feed.id, feed.last_occurred_at or 0
        return self._feed

    def _resolve_kinds(self, session: Session, names: Sequence[str]) -> int:
        """Put the ids of kinds into the dictionary, and make those that are missing as long as there are not too many; return how many were made."""
        missing = set(names).difference(self._kinds)
        if not missing:
            return 0
        connection = session.connection()
        self._kinds = {row.name: row.id for row in connection.execute(text("SELECT id, name FROM event_kinds"))}
        room = max(0, MOST_KINDS - len(self._kinds))
        new = [name for name in dict.fromkeys(names) if name not in self._kinds][:room]
        for name in new:
            row = connection.execute(
                text("INSERT INTO event_kinds (name, created_at) VALUES (:name, :now) RETURNING id"),
                {"name": name, "now": self.now},
            )
            self._kinds[name] = row.scalar_one()
        return len(new)

    def _refusals(self, rows: EventRows, refused: dict[str, str]) -> list[str] | None:
        """Return a fate for each row, None when nothing stands against any of them."""
        kinds = self._kinds
        crowded = len(kinds) >= MOST_KINDS and not kinds.keys() >= set(rows.kinds)
        if not refused and not crowded:
            return None
        fates = [refused.get(user_id, "accepted") for user_id in rows.user_ids]
        if crowded:
            fates = [
                fate if fate != "accepted" or kind in kinds else "too_many_kinds"
                for fate, kind in zip(fates, rows.kinds, strict=True)
            ]
        return fates

    def _insert(self, session: Session, feed: int, columns: list[Sequence[Any]]) -> list[bool] | None:
        """Insert rows whose key is not on record; return which were inserted, None for all of them."""
        count = len(columns[0])
        before = dialect.last_id(session, "events")
        fixed = {"feed_id": feed} | ({"batch_id": self.batch_id} if self.batch_id is not None else {})
        inserted = _insert_new(session, fixed, columns) if count else 0
        if inserted and self.batch_id is not None:
            session.execute(_NOTE_RANGE, {"batch": self.batch_id, "before": before})
        if inserted == count:
            return None
        found = session.connection().exec_driver_sql("SELECT key FROM events WHERE id > ?", (before,))
        new = {row[0] for row in found.cursor.fetchall()}
        found.close()
        fresh = []
        for key in columns[-1]:
            fresh.append(key in new)
            new.discard(key)  # the first of equal keys was taken
        if self.batch_id is None:
            _take_over(session, [(key,) for key, is_new in zip(columns[-1], fresh, strict=True) if not is_new])
        return fresh

    def _look_at_times(self, occurred: Sequence[int], received: Sequence[int]) -> Counter[str]:
        """Count the accepted rows that came late, out of order, or for the future, and note what the feed will be told."""
        if not occurred:
            return Counter()
        horizon = self.now + TOLERATED_AHEAD_US
        past = occurred if max(occurred) <= horizon else [moment for moment in occurred if moment <= horizon]
        running = accumulate(past, max, initial=self._newest)
        counts = Counter(
            late=sum(after - moment > LATE_US for moment, after in zip(occurred, received, strict=True)),
            future=len(occurred) - len(past),
            out_of_order=sum(moment < newest for moment, newest in zip(past, running, strict=False)),
        )
        if past:
            first, last = min(past), max(past)
            self._newest = max(self._newest, last)
            self._first = first if self._first is None else min(self._first, first)
            self._last = last if self._last is None else max(self._last, last)
        newest = max(received)
        self._received = newest if self._received is None else max(self._received, newest)
        self._days |= {moment // clock.DAY_US for moment in received}
        return +counts


def _take_over(session: Session, keys: list[tuple[bytes]]) -> None:
    """Keep events that a load brought and that came again by themselves, whatever becomes of the load: they are no longer its own."""
    connection = session.connection()
    loads = "SELECT 1 FROM import_batches WHERE first_event_id IS NOT NULL LIMIT 1"
    if keys and connection.exec_driver_sql(loads).first() is not None:
        connection.exec_driver_sql("UPDATE events SET batch_id = NULL WHERE key = ? AND batch_id IS NOT NULL", keys)


def _insert_new(session: Session, fixed: dict[str, int], columns: list[Sequence[Any]]) -> int:
    """Insert rows column by column, leave out those whose key is on record, and return how many went in."""
    count, width = len(columns[0]), len(columns)
    row = f"({', '.join([*'?' * width, *map(str, fixed.values())])})"
    start = f"INSERT INTO events ({', '.join([*_COLUMNS, *fixed])}) VALUES "
    cells: list[Any] = [None] * (count * width)
    for at, column in enumerate(columns):
        cells[at::width] = column
    connection, together, inserted = session.connection(), count - count % _TOGETHER, 0
    for rows, first, last in ((_TOGETHER, 0, together), (1, together, count)):
        if first < last:
            size = rows * width
            parameters = [tuple(cells[at : at + size]) for at in range(first * width, last * width, size)]
            statement = start + ", ".join([row] * rows) + " ON CONFLICT (key) DO NOTHING"
            inserted += connection.exec_driver_sql(statement, parameters).rowcount
    return inserted
