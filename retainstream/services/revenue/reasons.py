"""Why a closed month changed: which statements about subscriptions arrived after it was looked at last, from where, and what was taken away since.

Late is what arrived late, whatever time it says of itself: a load of history may say that all of it was known long ago.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.models import Customer, ErasureEntry, Feed, ImportBatch, Subscription
from retainstream.services.analyses import spans
from retainstream.services.events.listing import visible
from retainstream.services.revenue import calendar
from retainstream.services.revenue.bridge import Book

_NAMED, _LONGEST_NAME = 3, 48
_OTHERWISE = "the data on record changed in another way"
Figures = Mapping[str, int]


@dataclass(frozen=True)
class _Restated:
    """The statements about a subscription that were known (perhaps none) and those that are; where the newest of them came from."""

    before: list[Subscription]
    after: list[Subscription]
    source: str


class Reasons:
    """Tells of one book why its figures are not those of an earlier look."""

    def __init__(self, session: Session, settings: Settings, book: Book) -> None:
        self._session, self._settings, self._book = session, settings, book
        self._restated: dict[tuple[Any, ...], list[_Restated]] = {}

    def of(self, period: int, seen: Mapping[str, Any], before: Figures, after: Figures) -> str:
        """Return the reason, as words.

        Parameters
        ----------
        period : int
            The month.
        seen : mapping
            What the earlier look knew of: `as_of` (end of its data), `at` (when it was made), `statement` (the newest id), `time_zone`.
        before, after : mapping
            The month's figures, then and now.
        """
        book = self._book
        opening, closing = calendar.begin(period, book.zone), calendar.begin(period + 1, book.zone)
        sources: Counter[str] = Counter()
        explained = [0, 0]
        for one in self._late(seen):
            was, is_now = (self._paid(said, opening, closing) for said in (one.before, one.after))
            if was != is_now:
                sources[one.source] += 1
                explained = [total + is_now[at] - was[at] for at, total in enumerate(explained)]
        parts = [_late_words(sources)] if sources else []
        wanted = [after[name] - before[name] for name in ("opening", "closing")]
        if not parts or explained != wanted:
            parts += self._taken_away(seen) or ([] if parts else [_OTHERWISE])
        said = "; ".join(parts)
        return said[:1].upper() + said[1:]

    def _paid(self, said: Sequence[Subscription], opening: int, closing: int) -> tuple[int, int, bool]:
        """Revenue at the beginning and the end of a month, and whether it ever paid before, by these statements about one subscription."""
        found = [] if not said else spans.of_one(said, self._settings.currency, self._book.as_of)
        paying = [span for span in found if span.revenue and span.currency == self._book.currency]
        first, last = (
            sum(span.revenue for span in paying if span.start < moment <= span.end) for moment in (opening, closing)
        )
        return first, last, any(span.start < opening for span in paying)

    def _late(self, seen: Mapping[str, Any]) -> list[_Restated]:
        key = (seen["as_of"], seen["at"], seen["statement"])
        if key not in self._restated:
            self._restated[key] = self._read_late(*key)
        return self._restated[key]

    def _read_late(self, as_of: int, made_at: int, statement: int) -> list[_Restated]:
        session = self._session
        loaded = set(session.scalars(select(ImportBatch.id).where(ImportBatch.applied_at > made_at)))
        come_late = or_(
            Subscription.id > statement,
            Subscription.received_at >= as_of,
            Subscription.batch_id.in_(select(ImportBatch.id).where(ImportBatch.applied_at > made_at)),
        )
        rows = session.scalars(
            select(Subscription)
            .where(
                Subscription.key.in_(select(Subscription.key).where(come_late)),
                visible(Subscription),
                Subscription.received_at < self._book.as_of,
                Subscription.customer_id.in_(select(Customer.id).where(Customer.visible())),
            )
            .order_by(Subscription.key, Subscription.received_at, Subscription.id)
        )
        found, names = [], self._names(as_of)
        for _, group in groupby(rows, key=lambda row: row.key):
            said = list(group)
            known = [
                row for row in said
                if row.id <= statement and row.received_at < as_of and row.batch_id not in loaded
            ]  # fmt: skip
            if len(known) < len(said):
                newest = max((row for row in said if row not in known), key=lambda row: row.id)
                found.append(_Restated(known, said, names(newest)))
        return found

    def _names(self, as_of: int) -> Callable[[Subscription], str]:
        """Return a function that says where a statement came from, and when it came; `as_of` is the end of the data that the earlier look knew."""
        batches = {
            row.id: (row.filename, row.applied_at)
            for row in self._session.execute(select(ImportBatch.id, ImportBatch.filename, ImportBatch.applied_at))
        }
        feeds = dict(self._session.execute(select(Feed.id, Feed.name)).all())

        def name(row: Subscription) -> str:
            filename, applied = batches.get(row.batch_id or 0, (None, None))
            if filename is not None:
                return f"import {filename[:_LONGEST_NAME]} on {self._day(applied or row.received_at)}"
            # A script may say that something was known long ago; when it said so is not on record.
            when = "on" if row.received_at >= as_of else "with the date"
            return f"feed {feeds.get(row.feed_id, '')[:_LONGEST_NAME]} {when} {self._day(row.received_at)}"

        return name

    def _taken_away(self, seen: Mapping[str, Any]) -> list[str]:
        session, since = self._session, seen["at"]
        parts = []
        if seen["time_zone"] != self._book.zone:
            parts.append(f"the time zone of the months changed from {seen['time_zone']} to {self._book.zone}")
        undone = session.scalars(
            select(ImportBatch).where(ImportBatch.undone_at > since).order_by(ImportBatch.undone_at).limit(_NAMED)
        )
        parts += [
            f"import {batch.filename[:_LONGEST_NAME]} was taken back on {self._day(batch.undone_at or 0)}"
            for batch in undone
        ]
        erased = session.scalar(select(func.count()).select_from(ErasureEntry).where(ErasureEntry.erased_at > since))
        if erased:
            parts.append(f"{erased:,} {'customer was' if erased == 1 else 'customers were'} erased")
        return parts

    def _day(self, instant: int) -> str:
        local = clock.from_us(instant).astimezone(ZoneInfo(self._book.zone))
        return f"{local.day} {local:%b %Y}"


def _late_words(sources: Counter[str]) -> str:
    n = sum(sources.values())
    named = [source for source, _ in sources.most_common(_NAMED)]
    more = len(sources) - len(named)
    beside = f" and {more} more" if more else ""
    return f"{n:,} subscription{'' if n == 1 else 's'} stated late: {', '.join(named)}{beside}"
