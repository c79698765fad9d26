"""What a box holds besides its customers: events by kind, statements about subscriptions, and how far they go. Kept until the data changes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import Subscription
from retainstream.services import as_of, revisions
from retainstream.services.as_of.facts import applied, on_record


@dataclass(frozen=True)
class KindHeld:
    """One kind of event: how many there are, and of how many customers."""

    name: str
    events: int
    customers: int


@dataclass(frozen=True)
class Holdings:
    """What is on record.

    Attributes
    ----------
    kinds : tuple of KindHeld
        The commonest first.
    subscriptions : int
        Statements about subscriptions; a subscription that was told to have ended has two.
    data_end : str or None
        The start of the day up to which the data is complete, ISO 8601; None without events and subscriptions.
    received : str or None
        When the newest row came in, ISO 8601.
    """

    kinds: tuple[KindHeld, ...]
    subscriptions: int
    data_end: str | None
    received: str | None

    @property
    def events(self) -> int:
        """All events."""
        return sum(kind.events for kind in self.kinds)


_kept: dict[str, tuple[tuple[int, ...], int]] = {}


def read(session: Session) -> Holdings:
    """Return what is on record; counts of a large box may be some minutes old."""
    facts = on_record(session)
    kinds = [KindHeld(name, fact.n, fact.customers) for name, fact in facts.kinds.items()]
    try:
        data_end, received = clock.iso(as_of.data_end(session)), clock.iso(as_of.data_as_of(session))
    except NotReady:
        data_end = received = None
    told = _statements(session) if facts.subscriptions else 0
    return Holdings(tuple(sorted(kinds, key=lambda kind: (-kind.events, kind.name))), told, data_end, received)


def _statements(session: Session) -> int:
    place, counters = str(session.get_bind().engine.url), revisions.read(session)
    version = (counters["events"], counters["removals"], counters["customers"])
    kept = _kept.get(place)
    if kept is None or kept[0] != version:
        count = session.scalar(select(func.count()).select_from(Subscription).where(applied(Subscription.batch_id)))
        kept = _kept[place] = (version, count or 0)
    return kept[1]
