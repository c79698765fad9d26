"""How far the data goes: the end of its last complete day, and when its newest row came in."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import Event, Feed, Subscription
from retainstream.services import revisions
from retainstream.services.as_of.facts import applied

_KEPT = 64
_AHEAD_US = 5 * clock.MINUTE_US
"""By so much a sender's clock may go ahead: what is dated further ahead of its arrival was announced. As where rows come in."""
_found: dict[Hashable, int | None] = {}
"""What was read from the rows, by the state of the data and the hour; only past rows count, and the hour decides which those are."""
_NOTHING = "There are no events and no subscriptions yet: send some, or load a file of them."


def data_end(session: Session, now: int | None = None) -> int:
    """Return the instant up to which the data is complete: the start of a day, microseconds UTC.

    It is the day of the newest thing that happened, or of the wall clock if that is earlier, rounded down: a history that was closed
    ends with its last complete day. What is dated in the future has not happened.

    Raises
    ------
    NotReady
        Without events and subscriptions.
    """
    present = clock.now_us() if now is None else now
    newest = _newest(session, present, (Event.occurred_at, Subscription.started_at, Subscription.ended_at))
    return min(present, newest + 1) // clock.DAY_US * clock.DAY_US


def data_as_of(session: Session) -> int:
    """Return when the newest event or statement was received, microseconds UTC; raises NotReady without any."""
    return _newest(session, clock.now_us(), (Event.received_at, Subscription.received_at))


def _newest(session: Session, present: int, columns: tuple[InstrumentedAttribute[Any], ...]) -> int:
    """Return the newest past instant of some columns: from the feeds, which know it while nothing was taken away, else from the rows."""
    happened = columns[0] is Event.occurred_at
    counters = revisions.read(session)
    if counters["removals"] == 0:
        known = session.scalar(select(func.max(Feed.last_occurred_at if happened else Feed.last_received_at)))
        if known is not None and known <= present:
            return int(known)
    key = (
        str(session.get_bind().engine.url),
        counters["events"],
        counters["removals"],
        columns,
        present // clock.HOUR_US,
    )
    if key in (kept := _found.copy()):  # another thread may be clearing it
        newest = kept[key]
    else:
        rows = [session.execute(_newest_of(column, present)).one() for column in columns]
        newest = max((int(instant) for (instant,) in rows if instant is not None), default=None)
        if len(_found) >= _KEPT:
            _found.clear()
        _found[key] = newest
    if newest is None:
        raise NotReady(_NOTHING)
    return newest


def _newest_of(column: InstrumentedAttribute[Any], present: int) -> Select[tuple[Any]]:
    """What was announced, as the end of a contract, tells nothing of how far the data goes when its day has passed."""
    model = column.class_
    happened = column <= model.received_at + _AHEAD_US
    return select(func.max(column)).where(column <= present, happened, applied(model.batch_id))
