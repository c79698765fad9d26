"""How one feature spreads over all customers at the end of the data: what a person looks at before a model learns from it."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Busy, NotReady
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec
from retainstream.services import revisions
from retainstream.services.as_of import facts, times

if TYPE_CHECKING:
    import pandas as pd

BINS = 20
MOST_LEVELS = 12
_TAILS = (0.01, 0.99)
_MOST_KEPT = 64
_kept: dict[Hashable, Spread] = {}
_alone = threading.Lock()
"""Each count holds the whole history in memory, so that they must not pile up."""
_PATIENCE, _AGAIN_IN = 5.0, 10
"""Seconds for which a caller waits for another, and after which a refused one may ask again."""


@dataclass(frozen=True)
class Bin:
    """Customers with a value in [low, high); the last bin of all is closed."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Spread:
    """A feature's values, one for each customer.

    Attributes
    ----------
    as_of : int
        Microseconds UTC: only what was known before it counts.
    n : int
        Customers.
    blanks : int
        Those of them without a value.
    quartiles : tuple of five floats, optional
        Least, lower quartile, median, upper quartile, greatest; None for texts, and without any value.
    bins : tuple of Bin
        Equally wide between the 1st and the 99th percentile, where what lies further out is counted in the first and the last one.
    levels : tuple of (str, int)
        Of texts: the most frequent ones and how many customers have each; ties by the alphabet.
    different : int
        How many different values there are.
    """

    as_of: int
    n: int
    blanks: int
    quartiles: tuple[float, float, float, float, float] | None
    bins: tuple[Bin, ...]
    levels: tuple[tuple[str, int], ...]
    different: int


def spread(session: Session, settings: Settings, spec: FeatureSpec) -> Spread:
    """Return how a feature, declared or not yet, spreads over all customers; kept in memory until the data changes.

    Parameters
    ----------
    spec : FeatureSpec
        With a recipe.

    Raises
    ------
    NotReady
        Without events and subscriptions, unless the feature is an attribute of profiles.
    Busy
        While this process counts another feature for longer than a caller waits.
    """
    moment = _moment(session, spec)
    counters = revisions.read(session)
    state = tuple(counters[name] for name in ("events", "removals", "customers"))
    day = moment // clock.DAY_US
    key = (str(session.get_bind().engine.url), state, day, spec.recipe, spec.kind)
    found = _kept.get(key)
    if found is not None:
        return found
    if not _alone.acquire(timeout=_PATIENCE):
        raise Busy("The values of another feature are being counted; ask again in a moment.", retry_after=_AGAIN_IN)
    try:
        found = _made(session, settings, spec, moment)
    finally:
        _alone.release()
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[key] = found
    return found


def _moment(session: Session, spec: FeatureSpec) -> int:
    try:
        return times.data_end(session)
    except NotReady:
        if spec.recipe is None or spec.recipe.source != "profile":
            raise
        return clock.now_us()  # profiles alone have no end: what is known now counts


def _made(session: Session, settings: Settings, spec: FeatureSpec, moment: int) -> Spread:
    from retainstream.ml.asof.builder import features
    from retainstream.services.as_of import reading

    # The columns on disk hold what the box counts; a property that nobody counted yet is asked for beside them.
    wanted = {
        *facts.counted_properties(session),
        *([spec.recipe.property] if spec.recipe and spec.recipe.property else []),
    }
    history = reading.read(session, settings, None, wanted)
    column = features(history, [spec], moment, history.customers)[spec.name]
    return _of_texts(column, moment) if spec.kind == "category" else _of_numbers(column, moment)


def _of_texts(column: pd.Series[Any], moment: int) -> Spread:
    counts = column.value_counts()
    ranked = sorted(((str(level), int(n)) for level, n in counts.items() if n), key=lambda item: (-item[1], item[0]))
    return Spread(moment, len(column), int(column.isna().sum()), None, (), tuple(ranked[:MOST_LEVELS]), len(ranked))


def _of_numbers(column: pd.Series[Any], moment: int) -> Spread:
    import numpy as np

    values = column.to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    blanks = len(values) - len(known)
    if not len(known):
        return Spread(moment, len(values), blanks, None, (), (), 0)
    least, lower, middle, upper, greatest = (float(value) for value in np.quantile(known, (0, 0.25, 0.5, 0.75, 1)))
    different = len(np.unique(known))
    return Spread(moment, len(values), blanks, (least, lower, middle, upper, greatest), _bins(known), (), different)


def _bins(known: Any) -> tuple[Bin, ...]:
    import numpy as np

    low, high = (float(value) for value in np.quantile(known, _TAILS))
    if low == high:
        low, high = float(known.min()), float(known.max())
    if low == high:
        return (Bin(low, high, len(known)),)
    whole = bool((known == np.round(known)).all())
    edges = np.linspace(low, high, BINS + 1)
    if whole:
        # Bins of whole figures are equally many figures wide: otherwise some hold one figure more and stand out for nothing.
        step = max(1, int(np.ceil((high - low + 1) / BINS)))
        edges = np.arange(np.floor(low), high + step + 1, step, dtype=np.float64)
        edges = edges[: np.searchsorted(edges, high, side="right") + 1]
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    return tuple(
        Bin(float(start), float(end), int(count)) for start, end, count in zip(edges, edges[1:], counts, strict=False)
    )
