"""What one feature, or one kind of event, comes to for every customer as of a time.

Only the rows that it asks for are taken from the columns on disk: those of its window and its kind. So it takes a tenth of a second where all of
history would take several.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.ml.asof.columns import DAY_US, NEVER, EventLog, History
from retainstream.ml.asof.windows import codes_of
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.services.as_of import cache, facts, reading

Figure = Literal["count", "sum", "days_since"]
Array = npt.NDArray[Any]
_BACK = {"change": 2, "sum_change": 2}
"""Aggregates that look at the window before theirs, too."""


def lacking(session: Session, settings: Settings, spec: FeatureSpec | None = None) -> int:
    """Return how many events, at most, a look would have to read from the tables because the columns on disk do not have them.

    Parameters
    ----------
    spec : FeatureSpec, optional
        A look for this feature, which may need none; by default for a kind of event.
    """
    if spec is not None and not _of_events(spec):
        return 0
    return cache.lacking(session, settings, reading.kinds(session), _properties(spec))


def fetch(session: Session, settings: Settings) -> None:
    """Bring the columns on disk up to date with all events that are visible. Takes seconds for each million of new ones."""
    cache.read(session, settings, reading.kinds(session), facts.counted_properties(session))


def of_kind(
    session: Session, settings: Settings, people: Array, figure: Figure, kind: str, days: int | None, moment: int
) -> npt.NDArray[np.float64]:
    """Return a figure of the events of one kind for everybody.

    Parameters
    ----------
    people : int64 array of shape (n,)
        Ids, rising.
    figure : {"count", "sum", "days_since"}
        How many, the sum of their values, or the days since the last one.
    days : int or None
        Length of the window that ends at the moment; None for the whole past.
    moment : int
        Microseconds UTC: only what happened and was received before it counts.

    Returns
    -------
    float64 array of shape (n,)
        Without any event 0 for a count and a sum, NaN for the days since the last one.
    """
    start = None if days is None else moment - days * DAY_US
    found, last = np.zeros(len(people) + 1), np.full(len(people) + 1, -NEVER)
    for part in cache.parts(session, settings, reading.kinds(session), ()):
        rows = _rows(part, start, moment, kind)
        place = codes_of(people, rows.customer)  # the last place takes whoever is not there
        if figure == "days_since":
            here = np.full(len(last), -NEVER)
            here[place] = rows.occurred  # they are in the order of time, and the last one stays
            last = np.maximum(last, here)
        else:
            weights = None if figure == "count" else np.nan_to_num(rows.value)
            found += np.bincount(place, weights, len(found))
    if figure == "days_since":
        known = last > -NEVER
        found = np.where(known, (moment - np.where(known, last, moment)) / DAY_US, np.nan)
    return found[:-1]


def feature(
    session: Session, settings: Settings, people: Array, spec: FeatureSpec, moment: int
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return a feature for everybody, by the builder that training and scoring use.

    Parameters
    ----------
    people : int64 array of shape (n,)
        Ids, rising.
    spec : FeatureSpec
        With a recipe.
    moment : int
        Microseconds UTC: only what was known before it counts.

    Returns
    -------
    values : array of shape (n,)
        float32 with NaN for missing; of a category int32 codes into `levels`, -1 for missing.
    levels : tuple of str
        Empty for numbers.
    """
    from retainstream.ml.asof.builder import features

    made = features(_history(session, settings, people, spec, moment), [spec], moment, people)[spec.name]
    if spec.kind == "category":
        return made.cat.codes.to_numpy(np.int32), tuple(map(str, made.cat.categories))
    return made.to_numpy(np.float32), ()


def _history(session: Session, settings: Settings, people: Array, spec: FeatureSpec, moment: int) -> History:
    """Return as much of history as a feature asks for; what it does not ask for is empty."""
    recipe = _recipe(spec)
    nobody: tuple[int, ...] = ()
    known, properties = reading.kinds(session), _properties(spec)
    if _of_events(spec):
        # The time as a customer is that since anything at all.
        kind = None if recipe.aggregate == "tenure" else recipe.event
        back = _BACK.get(recipe.aggregate, 1) * (recipe.window_days or 0)
        start = moment - back * DAY_US if back else None
        parts = [_rows(part, start, moment, kind) for part in cache.parts(session, settings, known, properties)]
        events = cache.joined(parts, known.names)
    else:
        events = reading.read_events(session, known, properties, customer_ids=nobody)
    subscribed = recipe.source == "subscriptions" or recipe.aggregate == "tenure"
    beside = reading.beside_events(session, people, subscriptions=subscribed, profiles=recipe.source == "profile")
    return History(people, events, *beside)


def _rows(log: EventLog, start: int | None, end: int, kind: str | None) -> EventLog:
    """Return the events from a start, or from the first one, that had happened and were known before an end; of one kind, or of all."""
    low = 0 if start is None else int(np.searchsorted(log.occurred, start))
    log = log.take(slice(low, int(np.searchsorted(log.occurred, end))))  # type: ignore[arg-type]  # a view, and no copy
    wanted = log.received < end
    if kind is not None:
        wanted &= log.kind == (log.kinds.index(kind) if kind in log.kinds else -1)
    return log if wanted.all() else log.take(np.flatnonzero(wanted))


def _of_events(spec: FeatureSpec) -> bool:
    return _recipe(spec).source == "events"


def _recipe(spec: FeatureSpec) -> Recipe:
    if spec.recipe is None:
        raise ValueError(f"Feature {spec.name!r} has no recipe, so it cannot be built from history.")
    return spec.recipe


def _properties(spec: FeatureSpec | None) -> tuple[str, ...]:
    wanted = None if spec is None else _recipe(spec).property
    return () if wanted is None else (wanted,)
