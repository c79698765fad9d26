"""History as columns: events, statements about subscriptions, and profiles, each cut at a time by one rule.

Reading them from the database is `retainstream.services.as_of`; making features of them is `builder`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from retainstream.ml.asof.ordering import distinct
from retainstream.ml.features import FeatureSpec

DAY_US = 86_400_000_000
NEVER = np.iinfo(np.int64).max
"""Stands for "has not ended" and "is not known"; later than any instant."""
REASONS = ("voluntary", "payment_failed", "trial_ended", "other")
NO_CODE = -1


@dataclass(frozen=True)
class EventLog:
    """Events, one row each, sorted by (occurred, order).

    Attributes
    ----------
    customer, occurred, received, order : int64 arrays of shape (n,)
        `order` is the row's id: unique, rising with arrival; it breaks ties.
    kind : int16 array of shape (n,)
        Position in `kinds`.
    value : float64 array of shape (n,)
        NaN where an event has none.
    kinds : tuple of str
    properties : dict of str to int64 array of shape (n,)
        For each property that a feature counts: a stable 64-bit code of the event's text, -1 where it has none.
    """

    customer: np.ndarray
    kind: np.ndarray
    occurred: np.ndarray
    received: np.ndarray
    value: np.ndarray
    order: np.ndarray
    kinds: tuple[str, ...]
    properties: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.customer)

    @cached_property
    def known(self) -> np.ndarray:
        """When each event could first be used: int64 of shape (n,); it counts for every later as-of."""
        return np.asarray(np.maximum(self.occurred, self.received))

    def take(self, rows: np.ndarray) -> Self:
        """Return the rows of a mask or of rising positions; the order stays."""
        return replace(
            self,
            customer=self.customer[rows],
            kind=self.kind[rows],
            occurred=self.occurred[rows],
            received=self.received[rows],
            value=self.value[rows],
            order=self.order[rows],
            properties={name: codes[rows] for name, codes in self.properties.items()},
        )

    def cut(self, moment: int) -> Self:
        """Return what was known before an instant: the log itself, and no copy of it, where that is everything."""
        before = self.known < moment
        return self if before.all() else self.take(before)

    @classmethod
    def of(cls, log: Self) -> Self:
        """Return the same events sorted by (occurred, order)."""
        return log.take(np.lexsort((log.order, log.occurred)))


@dataclass(frozen=True)
class SubscriptionLog:
    """Statements about subscriptions, one row each, sorted by (received, order).

    Attributes
    ----------
    customer, received, order : int64 arrays of shape (n,)
    subscription : int64 array of shape (n,)
        Statements with the same code are about the same subscription.
    started, ended : int64 arrays of shape (n,)
        `ended` is NEVER for one that goes on; it may lie after `received`: an end announced in advance.
    reason : int8 array of shape (n,)
        Position in REASONS, -1 for none.
    plan : int32 array of shape (n,)
        Position in `plans`, -1 for none.
    price_minor : float64 array of shape (n,)
        Monthly, in hundredths of the currency's unit, whether or not it is divided so (100 yen are 10,000); NaN for none.
    plans : tuple of str
    """

    customer: np.ndarray
    subscription: np.ndarray
    received: np.ndarray
    order: np.ndarray
    started: np.ndarray
    ended: np.ndarray
    reason: np.ndarray
    plan: np.ndarray
    price_minor: np.ndarray
    plans: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: np.ndarray) -> Self:
        """Return the rows of a mask or of rising positions; the order stays."""
        names = ("customer", "subscription", "received", "order", "started", "ended", "reason", "plan", "price_minor")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def cut(self, moment: int) -> Self:
        """Return the statements that were received before an instant."""
        return self.take(self.received < moment)

    def state_at(self, moment: int) -> Self:
        """Return each subscription's newest statement that was known before an instant, for those that had started by then."""
        seen = self.cut(moment)
        last = np.lexsort((seen.order, seen.received, seen.subscription))
        codes = seen.subscription[last]
        newest = last[np.append(codes[1:] != codes[:-1], True)] if len(last) else last
        state = seen.take(np.sort(newest))
        return state.take(state.started < moment)


@dataclass(frozen=True)
class ProfileLog:
    """Versions of the customers' attributes, one row each, sorted by (customer, known, order); the newest known one counts.

    Attributes
    ----------
    customer, known, order : int64 arrays of shape (n,)
    values : dict of str to array of shape (n,)
        float64 (NaN: missing) for numbers, integers and booleans, int32 codes (-1: missing) into `levels[name]` for categories;
        dates are float64 microseconds, for the leak sentry only.
    specs : tuple of FeatureSpec
        Those of `values` that a model may learn from.
    levels : dict of str to tuple of str
    """

    customer: np.ndarray
    known: np.ndarray
    order: np.ndarray
    values: dict[str, np.ndarray]
    specs: tuple[FeatureSpec, ...]
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: np.ndarray) -> Self:
        """Return the rows of a mask or of rising positions; the order stays."""
        return replace(
            self,
            customer=self.customer[rows],
            known=self.known[rows],
            order=self.order[rows],
            values={name: column[rows] for name, column in self.values.items()},
        )

    def cut(self, moment: int) -> Self:
        """Return the versions that were known before an instant."""
        return self.take(self.known < moment)


@dataclass(frozen=True)
class History:
    """All that is known of some customers.

    Attributes
    ----------
    customers : int64 array of shape (n,)
        Ids of all visible customers that were read, rising, whether or not anything is known of them.
    """

    customers: np.ndarray
    events: EventLog
    subscriptions: SubscriptionLog
    profiles: ProfileLog

    def cut(self, moment: int) -> History:
        """Return what was known before an instant; a customer of whom nothing was is dropped."""
        events, subscriptions, profiles = (
            self.events.cut(moment),
            self.subscriptions.cut(moment),
            self.profiles.cut(moment),
        )
        known = distinct(np.concatenate([events.customer, subscriptions.customer, profiles.customer]))
        kept = np.isin(self.customers, known)
        return History(self.customers[kept], events, subscriptions, profiles)
