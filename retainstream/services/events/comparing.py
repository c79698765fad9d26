"""What would become of rows that were read from a file, by what is on record, and how they would be kept. Writes nothing; for previews."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.services.events.keys import EventKeys
from retainstream.services.events.loading import DEFAULT_FEEDS
from retainstream.services.events.mapping import EventMapping
from retainstream.services.events.people import Erased, erased_test
from retainstream.services.events.rows import LATE_US, TOLERATED_AHEAD_US, EventRows, SubscriptionRows

_AT_ONCE = 30_000


def times(rows: EventRows | SubscriptionRows, now: int) -> Counter[str]:
    """Count the rows that became known late, and those that lie ahead."""
    if isinstance(rows, SubscriptionRows):
        return Counter(future=sum(moment > now + TOLERATED_AHEAD_US for moment in rows.started))
    late = sum(known - when > LATE_US for known, when in zip(rows.received, rows.occurred, strict=True))
    return Counter(late=late, future=sum(moment > now + TOLERATED_AHEAD_US for moment in rows.occurred))


class Comparer:
    """Tells what would become of rows by what is on record; of subscriptions only whose they are."""

    def __init__(self, session: Session, mapping: EventMapping, feed: str | None, unknown: str, key: bytes) -> None:
        self._session, self._unknown = session, unknown
        self._keys = EventKeys(feed or DEFAULT_FEEDS[mapping.target])
        self._erased: Erased = erased_test(session, key)
        self._known: dict[str, bool] = {}
        self._seen: set[bytes] = set()

    def compare(self, rows: EventRows | SubscriptionRows) -> Counter[str]:
        """Return the fates of a chunk."""
        self._look_up([user_id for user_id in set(rows.user_ids) if user_id not in self._known])
        fates: Counter[str] = Counter()
        found: set[bytes] = set()
        keys: list[bytes] = []
        if isinstance(rows, EventRows):
            keys = self._keys.make(rows)
            found = self._on_record(keys)
        for at, user_id in enumerate(rows.user_ids):
            if not self._known[user_id]:
                fate = "erased" if self._erased(user_id) else "unknown_customer" if self._unknown == "skip" else None
                if fate is not None:
                    fates[fate] += 1
                    continue
                fates["new_customers"] += 1
                self._known[user_id] = True
            if keys and (keys[at] in found or keys[at] in self._seen):
                fates["duplicate"] += 1
                continue
            self._seen.update(keys[at : at + 1])
            fates["accepted"] += 1
        return fates

    def _look_up(self, user_ids: list[str]) -> None:
        on_record: set[str] = set()
        for start in range(0, len(user_ids), _AT_ONCE):
            part = user_ids[start : start + _AT_ONCE]
            query = f"SELECT user_id FROM identities WHERE user_id IN ({', '.join('?' * len(part))})"  # noqa: S608 (question marks only)
            rows = self._session.connection().exec_driver_sql(query, tuple(part))
            on_record.update(row[0] for row in rows.cursor.fetchall())
            rows.close()
        self._known.update((user_id, user_id in on_record) for user_id in user_ids)

    def _on_record(self, keys: list[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            query = f"SELECT key FROM events WHERE key IN ({', '.join('?' * len(part))})"  # noqa: S608 (question marks only)
            rows = self._session.connection().exec_driver_sql(query, tuple(part))
            found.update(row[0] for row in rows.cursor.fetchall())
            rows.close()
        return found


def as_read(rows: EventRows | SubscriptionRows, count: int) -> list[dict[str, Any]]:
    """Return the first rows as they would be kept."""
    shown = range(min(count, len(rows)))
    if isinstance(rows, EventRows):
        return [
            {
                "user_id": rows.user_ids[at],
                "kind": rows.kinds[at],
                "occurred_at": clock.iso(rows.occurred[at]),
                "received_at": clock.iso(rows.received[at]),
                "value": rows.values[at],
                "properties": rows.properties[at],
                "key": rows.keys[at],
            }
            for at in shown
        ]
    return [
        {
            "user_id": rows.user_ids[at],
            "key": rows.keys[at],
            "plan": rows.plans[at],
            "monthly_revenue_minor": rows.revenue_minor[at],
            "currency": rows.currencies[at],
            "started_at": clock.iso(rows.started[at]),
            "ended_at": clock.iso(rows.ended[at]),
            "end_reason": rows.reasons[at],
        }
        for at in shown
    ]
