"""``features(as_of)``: one builder for training, scoring, replay and a single customer.

Which features there are is `dictionary`; here each recipe becomes a column. A row of history counts when it occurred before the as-of time and
was received before it. Sums are exact (`windows.Total`), so nothing that anybody else did, and nothing later, changes a bit.

What is missing, for every customer whether anything is known of them or not:

- counts, sums, active days, distinct values, changes, kinds, plan changes and earlier subscriptions are 0 where there is nothing to count;
- means, greatest values, days since something, tenure, and everything about a current subscription are NaN where there is none;
- an attribute of a profile is missing without a version that was known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retainstream.ml.asof.columns import DAY_US, NEVER, History
from retainstream.ml.asof.dictionary import AGGREGATES, PRICE_WINDOW, WINDOWED
from retainstream.ml.asof.terms import ProfileTables, SubscriptionTables, Terms
from retainstream.ml.asof.windows import LONG_AGO, EventTables, Ints, Scope, Since, What, Windows, codes_of
from retainstream.ml.features import FeatureSpec, Recipe

if TYPE_CHECKING:
    import pandas as pd

MINOR_UNITS = 100.0
_TOTALS: dict[str, tuple[What, int]] = {
    # aggregate -> the table that it reads, and how many windows back
    "count": ("count", 1),
    "change": ("count", 2),
    "sum": ("sum", 1),
    "mean": ("sum", 1),
    "sum_change": ("sum", 2),
    "active_days": ("active_days", 1),
}


class Builder:
    """Makes the features of any customers at any time.

    Parameters
    ----------
    history : History
        Read, never copied or changed.
    specs : sequence of FeatureSpec
        Each with a recipe. A kind of event, a property or an attribute that this history does not know gives an empty column.

    Raises
    ------
    ValueError
        When a specification has no recipe, or one that nobody can build.

    Notes
    -----
    A call costs the events of the longest window and those since the call before; the first one, and one that goes back in time, all events
    before it, but only for what was first and last. A builder is not for several threads at once.
    """

    def __init__(self, history: History, specs: Sequence[FeatureSpec]) -> None:
        self.history, self.specs = history, tuple(specs)
        recipes = [_recipe(spec) for spec in self.specs]
        of_events = [recipe for recipe in recipes if recipe.source == "events"]
        kinds = sorted({recipe.event for recipe in of_events if recipe.event is not None})
        people = history.customers
        self._events = EventTables(history.events, people, kinds)
        self._since = Since(self._events) if any(recipe.window_days is None for recipe in of_events) else None
        self._subscriptions = SubscriptionTables(history.subscriptions, people)
        self._profiles = ProfileTables(history.profiles, people)
        self._longest = 1
        self._wanted: dict[tuple[What, Scope], set[int]] = defaultdict(set)
        for recipe in of_events:
            if recipe.window_days is None:
                continue
            table, back = _TOTALS.get(recipe.aggregate, (None, 1))
            if table is not None:
                lengths = {step * recipe.window_days for step in range(1, back + 1)}
                self._wanted[table, _scope(recipe)].update(lengths)
            self._longest = max(self._longest, back * recipe.window_days)

    def at(self, as_of: int, customers: npt.ArrayLike) -> pd.DataFrame:
        """Return the features as of a time.

        Parameters
        ----------
        as_of : int
            Microseconds UTC; times may be asked for in any order, rising is quickest.
        customers : int64 array of shape (n,)
            Ids. One that the history does not know has zeros and missing values.

        Returns
        -------
        DataFrame of shape (n, f)
            Columns in the order of `specs`, float32 with NaN for missing; categories as pandas Categorical with sorted levels, only
            those in use.
        """
        import pandas as pd

        place = codes_of(self.history.customers, np.asarray(customers, dtype=np.int64))
        moment = _Moment(self, as_of)
        columns: dict[str, Any] = {}
        for spec in self.specs:
            recipe = _recipe(spec)
            if spec.kind == "category":
                codes, levels = moment.category(recipe)
                columns[spec.name] = _categorical(codes[place], levels)
                continue
            with np.errstate(over="ignore"):
                column = moment.column(recipe)[place].astype(np.float32)
            column[np.isinf(column)] = np.nan  # larger than any matrix takes
            columns[spec.name] = column
        return pd.DataFrame(columns, index=pd.RangeIndex(len(place)), copy=False)


def features(history: History, specs: Sequence[FeatureSpec], as_of: int, customers: npt.ArrayLike) -> pd.DataFrame:
    """Return the features of some customers as of one time; parameters as `Builder` and `Builder.at`."""
    return Builder(history, specs).at(as_of, customers)


class _Moment:
    """One as-of time: tables are made when the first feature asks for them."""

    def __init__(self, builder: Builder, as_of: int) -> None:
        self.builder, self.as_of = builder, as_of
        self.events = builder._events  # noqa: SLF001 - a part of the builder
        self.windows = Windows(self.events, as_of, builder._wanted, builder._longest)  # noqa: SLF001
        self.since = builder._since  # noqa: SLF001
        if self.since is not None:
            self.since.move(as_of)
        self._terms: Terms | None = None
        self._profile: Ints | None = None

    @property
    def terms(self) -> Terms:
        if self._terms is None:
            self._terms = self.builder._subscriptions.at(self.as_of, PRICE_WINDOW)  # noqa: SLF001
        return self._terms

    @property
    def profile(self) -> Ints:
        if self._profile is None:
            self._profile = self.builder._profiles.at(self.as_of)  # noqa: SLF001
        return self._profile

    def column(self, recipe: Recipe) -> npt.NDArray[Any]:
        """Return a feature for all customers and nobody: shape (customers + 2,)."""
        if recipe.source == "events":
            return self._of_events(recipe)
        if recipe.source == "subscriptions":
            return self._of_subscriptions(recipe.aggregate)
        values = self.builder.history.profiles.values.get(str(recipe.event))
        if values is None:
            return np.full(self.events.width, np.nan)
        return np.where(self.profile >= 0, np.append(values, np.nan)[self.profile], np.nan)

    def category(self, recipe: Recipe) -> tuple[Ints, tuple[str, ...]]:
        """Return codes into levels, -1 for missing."""
        if recipe.source == "subscriptions":
            return self.terms.plan, self.builder.history.subscriptions.plans
        log, name = self.builder.history.profiles, str(recipe.event)
        codes = np.append(log.values.get(name, np.full(len(log), -1)), -1).astype(np.int64)
        return codes[self.profile], log.levels.get(name, ())

    def _of_events(self, recipe: Recipe) -> npt.NDArray[Any]:
        scope, aggregate = _scope(recipe), recipe.aggregate
        row = 0 if recipe.event is None else self.events.slots[recipe.event]
        if recipe.window_days is None:
            return self._of_all_time(aggregate, scope, row)
        days = recipe.window_days
        if aggregate in ("count", "active_days"):
            return np.asarray(self.windows.total("count" if aggregate == "count" else "active_days", scope, days)[row])
        if aggregate == "change":
            recent = self.windows.total("count", scope, days)[row]
            return np.asarray(2 * recent - self.windows.total("count", scope, 2 * days)[row])
        if aggregate == "max":
            return np.asarray(self.windows.largest(scope, days)[row])
        if aggregate in ("distinct", "kinds"):
            values, different = (
                self.events.dense(str(recipe.property))
                if aggregate == "distinct"
                else (self.events.log.kind, max(len(self.events.log.kinds), 1))
            )
            return self.windows.distinct(values, different, recipe.event, days)
        sums = self.windows.sums(scope, days).row(row)
        if aggregate == "sum":
            return sums.number()
        if aggregate == "sum_change":
            before = self.windows.sums(scope, 2 * days).row(row).minus(sums)
            return sums.minus(before).number()
        valued = self.windows.total("valued", scope, days)[row]
        return np.where(valued > 0, sums.number() / np.maximum(valued, 1), np.nan)

    def _of_all_time(self, aggregate: str, scope: Scope, row: int) -> npt.NDArray[np.float64]:
        assert self.since is not None
        if aggregate == "days_since_last":
            last = self.since.last(scope)[row]
            return _days(self.as_of, last, last != LONG_AGO)
        first = self.since.first(scope)[row]
        if aggregate == "tenure":
            events = self.since.first("kinds").min(axis=0)
            first = np.minimum(events, self.terms.first_start)
        return _days(self.as_of, first, first != NEVER)

    def _of_subscriptions(self, aggregate: str) -> npt.NDArray[np.float64]:
        terms = self.terms
        if aggregate == "price":
            return np.asarray(terms.price / MINOR_UNITS)
        if aggregate == "price_change_percent":
            known = np.isfinite(terms.price) & (terms.price_before > 0)
            return np.where(known, (terms.price_now / np.where(known, terms.price_before, 1.0) - 1.0) * 100.0, np.nan)
        plain = {
            "age_months": terms.age_months,
            "days_since_price_change": terms.price_changed,
            "plan_changes": terms.plan_changes,
            "earlier": terms.earlier,
        }
        return plain[aggregate]


def _recipe(spec: FeatureSpec) -> Recipe:
    """Return a specification's recipe, or say why nobody can build it."""
    recipe = spec.recipe
    if recipe is None:
        raise ValueError(f"Feature {spec.name!r} has no recipe, so it cannot be built from history.")
    if recipe.aggregate not in AGGREGATES.get(recipe.source, ()):
        raise ValueError(f"Feature {spec.name!r}: nothing is known of {recipe.aggregate!r} of {recipe.source}.")
    if recipe.source == "events" and (recipe.aggregate in WINDOWED) != (recipe.window_days is not None):
        raise ValueError(f"Feature {spec.name!r}: {recipe.aggregate} and its window do not fit.")
    return recipe


def _scope(recipe: Recipe) -> Scope:
    return "all" if recipe.event is None else "kinds"


def _days(as_of: int, instants: Ints, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.where(known, (as_of - np.where(known, instants, 0)) / DAY_US, np.nan)


def _categorical(codes: Ints, levels: Sequence[str]) -> pd.Categorical:
    """Return the texts of some codes as a Categorical with sorted levels, only those in use."""
    import pandas as pd

    used = np.unique(codes[codes >= 0])
    texts = sorted({levels[code] for code in used.tolist()})
    place = {text: position for position, text in enumerate(texts)}
    table = np.full(len(levels) + 1, -1)
    for code in used.tolist():
        table[code] = place[levels[code]]
    return pd.Categorical.from_codes(table[codes], categories=pd.Index(texts, dtype="object"))
