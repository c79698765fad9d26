"""The only door from the database to time: history as columns, how far the data goes, and what features can be made of it.

    reading    visible rows into the arrays of `retainstream.ml.asof.columns`
    cache      columns of events on disk, so that a box with millions reads only what is new
    times      how far the data goes
    facts      what kinds of event there are, and the features that this box can make
    singly     the features of one customer
    spread     how one feature spreads over all customers
    everybody  one feature, or the events of one kind, for every customer

numpy is imported on use, so that a web worker starts without it. Nothing here trains, scores, or writes to the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services.as_of.facts import dictionary
from retainstream.services.as_of.singly import customer_features
from retainstream.services.as_of.spread import Spread, spread
from retainstream.services.as_of.times import data_as_of, data_end

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import History

__all__ = [
    "Spread", "customer_features", "data_as_of", "data_end", "dictionary", "forget_columns", "forget_outdated_columns", "history",
    "spread",
]  # fmt: skip


_MANY = 5_000
"""For more customers it is quicker to read everybody's history from disk than theirs from the tables."""


def history(
    session: Session,
    settings: Settings,
    *,
    customer_ids: Sequence[int] | None = None,
    properties: Iterable[str] | None = None,
) -> History:
    """Return all that is known of some customers, or of everybody.

    Rows of an import that is not applied do not exist, and neither do customers who are hidden or erased.

    Parameters
    ----------
    customer_ids : sequence of int, optional
        Unknown and hidden ids are passed over; everybody by default, through the column cache.
    properties : iterable of str, optional
        Properties of events whose texts are coded; by default those that some feature of this box counts.

    Returns
    -------
    History
        Equal to the bit whether or not the cache held a part of it.
    """
    from retainstream.services.as_of import reading

    if customer_ids is not None and len(customer_ids) > _MANY:
        return reading.narrowed(reading.read(session, settings, None, properties), customer_ids)
    return reading.read(session, settings, customer_ids, properties)


def forget_columns(settings: Settings) -> None:
    """Remove the columns of events that are kept on disk. Called after the commit that erases somebody; the next reader makes them anew."""
    from retainstream.services.as_of import cache

    cache.forget(settings)


def forget_outdated_columns(session: Session, settings: Settings) -> None:
    """Remove columns of events that may hold somebody who was erased since: what a process that was killed in the middle of it left."""
    if not (settings.instance_path / "columns").exists():
        return  # a start without them does not import numpy
    from retainstream.services.as_of import cache

    cache.forget_outdated(session, settings)
