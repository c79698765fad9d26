"""Writes statements about subscriptions: each one that says something new, after all that was known of the subscription when it became known.

What follows for the customers themselves is `standing`; the caller tells the feed and raises the revision as after `writing`.
"""

# ruff: noqa: S608 (question marks only)
from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.lib import clock
from retainstream.services import feeds
from retainstream.services.events.fates import Fates
from retainstream.services.events.keys import of_subscription
from retainstream.services.events.people import Erased, People, Unknown
from retainstream.services.events.rows import LATE_US, TOLERATED_AHEAD_US, SubscriptionRows
from retainstream.services.imports.bulk import insert

_AT_ONCE = 30_000
_VISIBLE = (
    "(batch_id IS NULL OR batch_id = ? OR batch_id NOT IN (SELECT id FROM import_batches WHERE state <> 'applied'))"
)
_TAKE_OVER = (
    "UPDATE subscriptions SET batch_id = NULL WHERE key = ? AND received_at = ? AND batch_id IS NOT NULL AND plan IS ? AND revenue_minor IS ? "
    "AND currency IS ? AND started_at = ? AND ended_at IS ? AND end_reason IS ?"
)
_COLUMNS = (
    "key",
    "customer_id",
    "plan",
    "revenue_minor",
    "currency",
    "started_at",
    "ended_at",
    "end_reason",
    "received_at",
)


class Said(NamedTuple):
    """What a statement says."""

    plan: str | None
    revenue_minor: int | None
    currency: str | None
    started: int
    ended: int | None
    reason: str | None


@dataclass
class _Past:
    """What is on record of one subscription: whose it is, and its statements in the order in which they became known."""

    customer_id: int | None = None
    received: list[int] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def add(self, received: int, said: Said) -> int | None:
        """Add a statement unless it says what was known already; return when that was said, None for a statement that was added."""
        at = bisect_right(self.received, received)
        if at and self.said[at - 1] == said:
            return self.received[at - 1]
        if any(self.said[one] == said for one in range(at - 1, -1, -1) if self.received[one] == received):
            return received
        self.received.insert(at, received)
        self.said.insert(at, said)
        return None


class SubscriptionWriter:
    """Writes the statements of one load or request, chunk after chunk; parameters as those of `EventWriter`."""

    def __init__(
        self, feed_name: str, *, batch_id: int | None = None, now: int, unknown: Unknown = "create", erased: Erased
    ) -> None:
        self.feed_name, self.batch_id, self.now = feed_name, batch_id, now
        self.people = People(batch_id, now, unknown, erased)
        self.counts: Counter[str] = Counter()
        self._feed: int | None = None
        self._newest = 0
        self._first: int | None = None
        self._last: int | None = None
        self._received: int | None = None
        self._days: set[int] = set()

    def write(self, session: Session, rows: SubscriptionRows) -> Fates:
        """Write one chunk; a row of history with an end makes two statements, which are counted as `statements`."""
        if not len(rows):
            return Fates()
        if self.batch_id is not None:
            dialect.prepare_bulk_load(session)
        if self._feed is None:
            feed = feeds.ensure(session, self.feed_name, self.now)
            self._feed, self._newest = feed.id, feed.last_occurred_at or 0
        made = self.people.made
        refused = self.people.resolve(session, rows.user_ids)
        ids = self.people.ids
        keys = [
            of_subscription(self.feed_name, key, user_id, started)
            for key, user_id, started in zip(rows.keys, rows.user_ids, rows.started, strict=True)
        ]
        pasts = self._pasts(session, {key for key, user_id in zip(keys, rows.user_ids, strict=True) if user_id in ids})
        fates: list[str] = []
        new: list[tuple[Any, ...]] = []
        again: list[tuple[Any, ...]] = []
        for at, (key, user_id) in enumerate(zip(keys, rows.user_ids, strict=True)):
            fate = refused.get(user_id)
            if fate is None:
                past, customer_id = pasts[key], ids[user_id]
                if past.customer_id not in (None, customer_id):
                    fate = "other_customer"
                else:
                    past.customer_id = customer_id
                    fate = "duplicate"
                    for when, said in self._told(rows, at):
                        known = past.add(when, said)
                        if known is None:
                            new.append((key, customer_id, *said, when))
                            fate = "accepted"
                        else:
                            again.append((key, known, *said))
            fates.append(fate)
        if new:
            fixed = {"feed_id": self._feed} | ({"batch_id": self.batch_id} if self.batch_id is not None else {})
            insert(session, "subscriptions", fixed, dict(zip(_COLUMNS, zip(*new, strict=True), strict=True)))
        if again and self.batch_id is None:
            # What a load said too is no longer its own: it stays when the load is undone.
            session.connection().exec_driver_sql(_TAKE_OVER, again)
        counts = Counter(fates) + Counter(statements=len(new), new_customers=self.people.made - made)
        counts += self._look_at_times(new)
        self.counts += counts
        return Fates(fates, counts)

    def arrival(self) -> dict[str, Any]:
        """Return what `feeds.arrived` wants to know of all statements that were written so far, besides the name, `now` and `live`."""
        return {
            "n": self.counts["statements"],
            "first_occurred": self._first,
            "last_occurred": self._last,
            "received": self._received,
            "days": sorted(self._days),
        }

    def _told(self, rows: SubscriptionRows, at: int) -> Iterable[tuple[int, Said]]:
        """Yield the statements of a row, each with when it became known."""
        started, ended, received = rows.started[at], rows.ended[at], rows.received[at]
        said = Said(rows.plans[at], rows.revenue_minor[at], rows.currencies[at], started, ended, rows.reasons[at])
        if received is not None:
            yield received, said
        elif not rows.known_at_time:
            yield self.now, said
        else:
            began = min(started, self.now)
            yield began, said._replace(ended=None, reason=None)
            if ended is not None:
                yield max(began, min(ended, self.now)), said

    def _pasts(self, session: Session, keys: set[bytes]) -> dict[bytes, _Past]:
        """Return what is on record of some subscriptions; an empty past for one that is new."""
        pasts = {key: _Past() for key in keys}
        names, connection = list(keys), session.connection()
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            found = connection.exec_driver_sql(
                f"SELECT {', '.join(_COLUMNS)} FROM subscriptions WHERE key IN ({', '.join('?' * len(part))}) AND {_VISIBLE} "
                "ORDER BY key, received_at, id",
                (*part, self.batch_id),
            )
            for key, customer_id, *said, received in found.cursor.fetchall():
                past = pasts[key]
                past.customer_id = customer_id
                past.received.append(received)
                past.said.append(Said(*said))
            found.close()
        return pasts

    def _look_at_times(self, new: list[tuple[Any, ...]]) -> Counter[str]:
        """Count statements by when what they tell of happened: the end where there is one, else the start."""
        counts: Counter[str] = Counter()
        for *_, started, ended, _reason, received in new:
            moment = started if ended is None else ended
            self._received = max(self._received or 0, received)
            self._days.add(received // clock.DAY_US)
            ahead = moment > self.now + TOLERATED_AHEAD_US
            counts["future"] += ahead
            if ahead and started > self.now + TOLERATED_AHEAD_US:
                continue
            if ahead:
                moment = started  # the end was only announced, the start is past
            else:
                counts["late"] += received - moment > LATE_US
                counts["out_of_order"] += moment < self._newest
            self._newest = max(self._newest, moment)
            self._first = moment if self._first is None else min(self._first, moment)
            self._last = moment if self._last is None else max(self._last, moment)
        return +counts
