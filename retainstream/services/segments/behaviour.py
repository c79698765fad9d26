"""What customers did, as columns: figures of one kind of event, and features as a model that looks ahead would see them.

Both are taken from the columns of events on disk, which scoring and the analyses keep up to date. Where these lack very many events, a figure is
summed up by the database, and a feature waits for the analyses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.db import settings_in_use
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import Event, EventKind
from retainstream.services.as_of import everybody
from retainstream.services.events.listing import visible

if TYPE_CHECKING:
    from retainstream.ml.features import FeatureSpec

PATIENCE = 250_000
"""New events that somebody who tries out a rule waits for: they are read in about half a second."""


def figures(session: Session, ids: np.ndarray, key: str, kind: str, days: int | None, end: int) -> np.ndarray:
    """Return what was known before the as-of of the events of a kind: none is a count and a sum of 0, and no last one (NaN)."""
    settings = settings_in_use()
    if everybody.lacking(session, settings) > PATIENCE:
        return _summed(session, ids, key, kind, days, end)
    figure = cast(everybody.Figure, key.removeprefix("events."))
    return everybody.of_kind(session, settings, ids, figure, kind, days, end)


def feature(
    session: Session, ids: np.ndarray, spec: FeatureSpec, title: str, end: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a feature for everybody: float64 with NaN for missing, or int32 codes into levels (-1: missing) and those.

    Raises
    ------
    NotReady
        While very many events are not in the columns on disk.
    """
    settings = settings_in_use()
    lacking = everybody.lacking(session, settings, spec)
    if lacking > PATIENCE:
        raise NotReady(
            f"The rule asks for “{title}”, which cannot be told yet: {lacking:,} events came in that the analyses have not worked up. "
            "They do so every night, and whenever somebody starts them."
        )
    values, levels = everybody.feature(session, settings, ids, spec, end)
    return (values if spec.kind == "category" else _as_written(values)), levels


def prepare(session: Session) -> None:
    """Bring the columns on disk up to date where they lack so many events that a rule would be refused: for jobs, which have the time."""
    settings = settings_in_use()
    if everybody.lacking(session, settings) > PATIENCE:
        everybody.fetch(session, settings)


def _as_written(values: np.ndarray) -> np.ndarray:
    """Return float32 as the numbers that people write: a price of 9.99 is at least 9.99, which its float32 is not."""
    different, places = np.unique(values, return_inverse=True)
    return different.astype(str).astype(np.float64)[places]


def _summed(session: Session, ids: np.ndarray, key: str, kind: str, days: int | None, end: int) -> np.ndarray:
    values = np.full(len(ids), np.nan if key == "events.days_since" else 0.0)
    rows = session.execute(_events(key, kind, days, end)).all()
    if rows:
        whose = np.array([row[0] for row in rows], np.int64)
        found = np.array([row[1] for row in rows], np.float64)
        places = np.minimum(np.searchsorted(ids, whose), max(0, len(ids) - 1))
        there = ids[places] == whose if len(ids) else np.zeros(len(whose), np.bool_)
        values[places[there]] = found[there]
    return values


def _events(key: str, kind: str, days: int | None, end: int) -> Select[tuple[int, Any]]:
    of_kind = select(EventKind.id).where(EventKind.name == kind).scalar_subquery()
    figure: dict[str, ColumnElement[Any]] = {
        "events.count": func.count(),
        "events.sum": func.coalesce(func.sum(Event.value), 0.0),
        "events.days_since": (end - func.max(Event.occurred_at)) / float(clock.DAY_US),
    }
    query = select(Event.customer_id, figure[key]).where(
        Event.kind_id == of_kind, Event.occurred_at < end, Event.received_at < end, visible(Event)
    )
    if days is not None:
        query = query.where(Event.occurred_at >= end - days * clock.DAY_US)
    # A kind is in no index: all rows one after the other take a tenth of the time that the order of customers does.
    return query.group_by(dialect.unindexed(Event.customer_id))
