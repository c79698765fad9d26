"""Whether anything came in that a look back would see: on a busy feed events come all the time, and hardly any is of the time before today."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.models import Event, ImportBatch, Subscription

_KEPT = 32
_LOADED = ("events", "subscriptions")
_UNFINISHED = ("queued", "applying", "undoing")
"""States of loads that may have rows which are not seen yet; one that failed or was cancelled has none, and stays so."""


@dataclass(frozen=True)
class _Looked:
    """Up to which counter of arrivals and which rows it was looked; the token stays until something is found."""

    counter: int
    event: int
    statement: int
    token: int


_looked: dict[tuple[object, ...], _Looked] = {}
_tokens = itertools.count(1)


def state(session: Session, moment: int, counters: dict[str, int]) -> tuple[object, ...]:
    """Return what columns that look back from a moment depend on, beside who is there: it changes only when they may.

    Parameters
    ----------
    moment : int
        Microseconds UTC: what was received later counts for nothing. What a sender delivers of earlier times, as an import does, counts.
    counters : dict of str to int
        Of `revisions.read`, in this very session.
    """
    counter, place = counters["events"], (db.engine.url.database, moment, counters["removals"])
    # A row of an unfinished load may be taken over by a live one, and is then seen under its old number.
    unfinished = ImportBatch.target.in_(_LOADED), ImportBatch.state.in_(_UNFINISHED)
    if session.execute(select(ImportBatch.id).where(*unfinished).limit(1)).first() is not None:
        return (*place, "loading", counter)
    before = _looked.get(place)
    if before is not None and counter < before.counter:
        return (*place, "earlier", counter)  # a reader that began before the one who looked last
    if before is None or counter > before.counter:
        before = _look(session, moment, counter, before)
        if len(_looked) >= _KEPT:
            _looked.clear()
        _looked[place] = before
    return (*place, "looked", before.token)


def _look(session: Session, moment: int, counter: int, before: _Looked | None) -> _Looked:
    event, statement = (
        session.scalar(select(table.id).order_by(table.id.desc()).limit(1)) or 0 for table in (Event, Subscription)
    )
    if before is None or _older(session, moment, before):
        return _Looked(counter, event, statement, next(_tokens))
    return _Looked(counter, event, statement, before.token)


def _older(session: Session, moment: int, before: _Looked) -> bool:
    """Tell whether something new was received before the moment."""
    queries = (
        select(Event.id).where(Event.id > before.event, Event.received_at < moment),
        select(Subscription.id).where(Subscription.id > before.statement, Subscription.received_at < moment),
    )
    return any(session.execute(query.limit(1)).first() is not None for query in queries)
