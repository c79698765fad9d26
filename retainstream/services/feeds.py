"""Feeds and their heartbeat: "the data stopped" must not be taken for "the customers stopped".

A feed is live once something reached it at the moment when it was sent: a call with fresh rows, or a heartbeat. A live feed is silent when the wall
clock has moved on for longer than it usually pauses. A feed that was only ever loaded from files is measured by the newest row of all feeds instead,
since a closed history ends where it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import Feed
from retainstream.security.actor import Actor
from retainstream.services import audit, findings

FINDING = "feed_silent"
KEPT_DAYS = 90
LEARNT_FROM_DAYS = 7
"""Days with an arrival that a feed's own pace is learnt from; with fewer, only a person's setting tells that it is late."""
SHORTEST_US = 2 * clock.DAY_US


@dataclass(frozen=True)
class Silence:
    """A feed that has been silent for longer than it may."""

    name: str
    since: int
    allowed_us: int
    by_person: bool

    def sentence(self) -> str:
        """Say what stopped, when, and what may be done."""
        pause, last = _days(self.allowed_us), clock.from_us(self.since)
        usual = f"may pause for {pause}" if self.by_person else f"has not been known to pause for more than {pause}"
        return (
            f"The feed {self.name!r} went silent: nothing came since {last.day} {last:%b %Y, %H:%M} UTC, and it {usual}. "
            "Customers of whom the data stopped look like customers who stopped."
        )


def arrived(
    session: Session,
    name: str,
    *,
    n: int,
    first_occurred: int | None,
    last_occurred: int | None,
    received: int | None,
    now: int,
    days: Iterable[int] = (),
    live: bool = True,
) -> Feed:
    """Note that rows reached a feed, and return it; it is made on first use.

    Parameters
    ----------
    n : int
        Rows that were taken; 0 for a call that brought nothing new.
    first_occurred, last_occurred : int, optional
        Microseconds UTC, of rows that are not dated in the future.
    received : int, optional
        The newest time at which a row was received, microseconds UTC.
    now : int
        The wall clock.
    days : iterable of int
        Days since 1970 on which rows were received, when they were not all received at `received`.
    live : bool
        False for a file: what it brings may be old, so it is no sign of life.
    """
    feed = ensure(session, name, now)
    feed.n_rows += n
    if first_occurred is not None:
        feed.first_occurred_at = min(feed.first_occurred_at or first_occurred, first_occurred)
    if last_occurred is not None:
        feed.last_occurred_at = max(feed.last_occurred_at or last_occurred, last_occurred)
    if received is not None:
        feed.last_received_at = max(feed.last_received_at or received, received)
    if live:
        feed.heartbeat_at = max(feed.heartbeat_at or now, now)
    came = {*days, *([] if received is None else [received // clock.DAY_US])}
    if came - set(feed.arrivals):
        feed.arrivals = sorted({*feed.arrivals, *came})[-KEPT_DAYS:]
    session.flush()
    return feed


def ensure(session: Session, name: str, now: int) -> Feed:
    """Return a feed, made on first use."""
    feed = session.scalar(select(Feed).where(Feed.name == name))
    if feed is None:
        feed = Feed(name=name, created_at=now, n_rows=0, muted=False, arrivals=[])
        session.add(feed)
        session.flush()
    return feed


def heartbeat(session: Session, actor: Actor, name: str) -> dict[str, object]:
    """Note that a feed is alive though it had nothing to send; raises NotFound for one that never sent anything."""
    feed = required(session, name)
    now = clock.now_us()
    feed.heartbeat_at = now
    if now // clock.DAY_US not in feed.arrivals:
        feed.arrivals = sorted({*feed.arrivals, now // clock.DAY_US})[-KEPT_DAYS:]
    audit.record(session, actor, "feed.heartbeat", "feed", feed.id)
    watch(session)
    return present(feed, now, _newest(session))


def change(session: Session, actor: Actor, name: str, changes: dict[str, object]) -> dict[str, object]:
    """Set how long a feed may pause (`expected_seconds`, None for its own pace) and whether its silence counts (`muted`); raises NotFound."""
    feed = required(session, name)
    for field in ("expected_seconds", "muted"):
        if field in changes:
            setattr(feed, field, changes[field])
    audit.record(session, actor, "feed.change", "feed", feed.id, fields=changes)
    session.flush()
    watch(session)
    return present(feed, clock.now_us(), _newest(session))


def required(session: Session, name: str) -> Feed:
    """Return a feed by name; raises NotFound."""
    feed = session.scalar(select(Feed).where(Feed.name == name))
    if feed is None:
        raise NotFound(f"There is no feed called {name[:80]!r}; feeds are made by the first rows that name them.")
    return feed


def listed(session: Session) -> list[dict[str, object]]:
    """Return all feeds by name, each with its silence if it is silent."""
    now, newest = clock.now_us(), _newest(session)
    return [present(feed, now, newest) for feed in session.scalars(select(Feed).order_by(Feed.name))]


def present(feed: Feed, now: int, newest: int | None) -> dict[str, object]:
    """Return a feed as the API shows it."""
    silence = None if feed.muted else silence_of(feed, now, newest)
    allowed = allowed_pause(feed)
    return {
        "name": feed.name,
        "rows": feed.n_rows,
        "first_occurred_at": clock.iso(feed.first_occurred_at),
        "last_occurred_at": clock.iso(feed.last_occurred_at),
        "last_received_at": clock.iso(feed.last_received_at),
        "heartbeat_at": clock.iso(feed.heartbeat_at),
        "live": feed.heartbeat_at is not None,
        "expected_seconds": feed.expected_seconds,
        "allowed_pause_seconds": None if allowed is None else allowed // clock.SECOND_US,
        "muted": feed.muted,
        "silent": silence is not None,
        "silent_since": None if silence is None else clock.iso(silence.since),
    }


def allowed_pause(feed: Feed) -> int | None:
    """Return for how long a feed may be silent, microseconds: a person's figure, else twice its longest pause plus a day; None while that is not known."""
    if feed.expected_seconds is not None:
        return feed.expected_seconds * clock.SECOND_US
    days = sorted(feed.arrivals)
    if len(days) < LEARNT_FROM_DAYS:
        return None
    longest = max(later - earlier for earlier, later in pairwise(days))
    return max(SHORTEST_US, (2 * longest + 1) * clock.DAY_US)


def silence_of(feed: Feed, now: int, newest: int | None) -> Silence | None:
    """Return a feed's silence, or None when it is alive or not known well enough; whether it is muted is not asked.

    Parameters
    ----------
    newest : int, optional
        When the newest row of any feed was received: what a feed without a heartbeat is measured by.
    """
    allowed = allowed_pause(feed)
    if allowed is None:
        return None
    if feed.heartbeat_at is not None:
        last, until = max(feed.heartbeat_at, feed.last_received_at or 0), now
    elif feed.last_received_at is not None and newest is not None:
        last, until = feed.last_received_at, newest
    else:
        return None
    return None if until - last <= allowed else Silence(feed.name, last, allowed, feed.expected_seconds is not None)


def silent(session: Session) -> list[Silence]:
    """Return every feed that has gone silent, muted ones left out."""
    return [silence for feed, silence in _silences(session) if not feed.muted]


def _silences(session: Session) -> list[tuple[Feed, Silence]]:
    now, newest = clock.now_us(), _newest(session)
    feeds = session.scalars(select(Feed).order_by(Feed.name))
    return [(feed, found) for feed in feeds if (found := silence_of(feed, now, newest)) is not None]


def watch(session: Session) -> list[Silence]:
    """Open a finding for each silent feed, a muted one where the feed is muted, close those of feeds that came back; return the silences that count."""
    found = _silences(session)
    for feed, silence in found:
        detail = {"feed": silence.name, "since": clock.iso(silence.since)}
        message, muted = silence.sentence(), feed.muted
        findings.hold(session, FINDING, silence.name, message, severity="error", detail=detail, muted=muted)
    findings.close_others(session, FINDING, {silence.name for _, silence in found})
    return [silence for feed, silence in found if not feed.muted]


def require_alive(session: Session) -> None:
    """Raise NotReady, naming them, when feeds went silent: a model must not learn that everybody left."""
    found = silent(session)
    if found:
        raise NotReady(
            f"{' '.join(silence.sentence() for silence in found)} Mend the feed, mute it, or train all the same (ignore_silent_feeds).",
            detail={"silent_feeds": [silence.name for silence in found]},
        )


def _newest(session: Session) -> int | None:
    return session.scalar(select(func.max(Feed.last_received_at)).where(Feed.muted.is_(False)))


def _days(microseconds: int) -> str:
    days = microseconds / clock.DAY_US
    if days < 2:
        hours = round(days * 24, 1)
        return f"{hours:g} hour{'' if hours == 1 else 's'}"
    return f"{days:.0f} days"
