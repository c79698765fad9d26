"""Events as tables of customers x kinds: totals of the windows that end at a time, and what was first and last ever.

Lives here: the coding of an event log once (`EventTables`), its window tables at one time (`Windows`) and its first and last occurrences
(`Since`). Which feature takes which table is `builder`; subscriptions and profiles are `terms`.

Every table has one row a kind, or one row for all activity, and one column a customer, beside two more: one in which nothing ever falls, from
which a customer of whom nothing is known reads, and one that takes what does not count. A row of history that is not known yet is sent to
the latter, so nothing is copied but the codes of one window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from retainstream.ml.asof.columns import DAY_US, NEVER, EventLog
from retainstream.ml.asof.rules import BILLING

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Scope = Literal["kinds", "all"]
What = Literal["count", "sum", "valued", "active_days"]

LONG_AGO = -NEVER
LARGEST_VALUE = 1e12
FIXED_POINT = 1e6
_HALF = float(2**30)  # a value is two halves below 2**30, so 2**23 of them add up exactly in float64
_EXACT = float(2**53)
_BLOCK_ROWS = 1_000_000
_FLAGS = 16  # marking a whole table is quicker than sorting while it has fewer cells than so many a row


class Total(NamedTuple):
    """Exact sums of fixed-point values: ``high * 2**30 + low`` millionths; both are whole numbers below 2**53."""

    high: Floats
    low: Floats

    def minus(self, other: Total) -> Total:
        """Subtract, exactly."""
        return Total(self.high - other.high, self.low - other.low)

    def row(self, row: int) -> Total:
        """Return the sums of one row of the tables."""
        return Total(self.high[row], self.low[row])

    def number(self) -> Floats:
        """Return the sums in the values' own unit, rounded to the nearest float64 twice and so always alike."""
        return np.asarray((self.high * _HALF + self.low) / FIXED_POINT)


def codes_of(people: Ints, customers: Ints) -> npt.NDArray[np.int64]:
    """Return each customer's position in `people` (rising), len(people) for one who is not there."""
    n = len(people)
    if n == 0:
        return np.zeros(len(customers), dtype=np.int64)
    low, span = int(people[0]), int(people[-1]) - int(people[0]) + 1
    if span <= 8 * (n + len(customers)):  # ids that lie close: look them up rather than search
        table = np.full(span + 1, n, dtype=np.int64)
        table[people - low] = np.arange(n)
        place = customers - low
        return np.asarray(table[np.where((place < 0) | (place > span), span, place)])
    found = np.searchsorted(people, customers)
    found[found == n] = 0
    return np.asarray(np.where(people[found] == customers, found, n))


class EventTables:
    """An event log, coded once for any number of as-of times.

    Parameters
    ----------
    log : EventLog
        Sorted by `occurred`, else it is sorted here; the order of events at the same instant changes nothing.
    people : int64 array of shape (n,)
        Ids, rising. Events of others are ignored.
    kinds : sequence of str
        Kinds with a row of their own.
    """

    def __init__(self, log: EventLog, people: Ints, kinds: Sequence[str]) -> None:
        if len(log) and bool((log.occurred[1:] < log.occurred[:-1]).any()):
            log = EventLog.of(log)
        self.log = log
        self.people = len(people)
        self.width = self.people + 2
        self.slots = {kind: slot for slot, kind in enumerate(kinds)}
        self.rows = len(kinds) + 1  # the last one takes the kinds without a row of their own
        small = np.int32 if self.rows * self.width < 2**31 else np.int64
        slot = np.array([self.slots.get(kind, len(kinds)) for kind in log.kinds] or [0], dtype=np.int64)
        own = np.array([kind not in BILLING for kind in log.kinds] or [False])
        self.key, self.code = np.empty(len(log), dtype=small), np.empty(len(log), dtype=small)
        for block in _blocks(0, len(log)):
            code, kind = codes_of(people, log.customer[block]), log.kind[block]
            code[code == self.people] = self.width - 1
            self.key[block] = slot[kind] * self.width + code
            self.code[block] = np.where(own[kind], code, self.width - 1)
        self._dense: dict[str, tuple[Ints, int]] = {}

    def keys(self, scope: Scope) -> Ints:
        """Return the cell of each event: of the table of kinds, or of the one row of all activity."""
        return self.key if scope == "kinds" else self.code

    def size(self, scope: Scope) -> int:
        """Return the number of cells of a table."""
        return self.width * (self.rows if scope == "kinds" else 1)

    def dense(self, name: str) -> tuple[Ints, int]:
        """Return a property's codes as small whole numbers, -1 for none, and how many there are."""
        if name not in self._dense:
            import pandas as pd

            dense, different = np.full(len(self.log), -1, dtype=np.int32), 0
            if name in self.log.properties:
                rows = np.flatnonzero(self.log.properties[name] >= 0)
                dense[rows], texts = pd.factorize(self.log.properties[name][rows])
                different = len(texts)
            self._dense[name] = dense, max(different, 1)
        return self._dense[name]


class Windows:
    """The tables of the windows that end at one time: ``[as_of - days, as_of)``, days being steps of 24 hours.

    Parameters
    ----------
    events : EventTables
    as_of : int
        Microseconds UTC.
    wanted : mapping of (what, scope) to rising tuple of int
        Totals that will be asked for, and the windows' lengths in days; each event is added to each once.
    longest : int
        Days of the longest window of all.
    """

    def __init__(
        self, events: EventTables, as_of: int, wanted: Mapping[tuple[What, Scope], Iterable[int]], longest: int
    ) -> None:
        self.events, self.as_of, log = events, as_of, events.log
        low, high = np.searchsorted(log.occurred, [as_of - longest * DAY_US, as_of])
        self.span = slice(int(low), int(high))
        self.occurred = log.occurred[self.span]
        unknown = np.flatnonzero(log.received[self.span] >= as_of)
        self._keys: dict[Scope, Ints] = {}
        scopes: tuple[Scope, Scope] = ("kinds", "all")
        for scope in scopes:
            keys = events.keys(scope)[self.span]
            if len(unknown):
                keys = keys.copy()
                keys[unknown] = events.size(scope) - 1
            self._keys[scope] = keys
        self._totals: dict[tuple[What, Scope, int], Ints] = {}
        self._sums: dict[tuple[Scope, int], Total] = {}
        for (what, scope), days in wanted.items():
            if what == "active_days":
                self._add_active_days(scope, sorted(days))
            elif what == "count":
                self._add_counts(scope, sorted(days))
            elif what == "sum":
                self._add_sums(scope, sorted(days))

    def start(self, days: int) -> int:
        """Return the position of the first event of a window."""
        return int(np.searchsorted(self.occurred, self.as_of - days * DAY_US))

    def total(self, what: What, scope: Scope, days: int) -> Ints:
        """Return a wanted table of counts, valued events or active days: whole numbers of shape (rows, customers + 2)."""
        return self._totals[what, scope, days].reshape(-1, self.events.width)

    def sums(self, scope: Scope, days: int) -> Total:
        """Return a wanted table of sums."""
        return Total(*(part.reshape(-1, self.events.width) for part in self._sums[scope, days]))

    def largest(self, scope: Scope, days: int) -> Floats:
        """Return the greatest value of each cell, NaN without any."""
        start = self.start(days)
        value = np.clip(self.events.log.value[self.span][start:], -LARGEST_VALUE, LARGEST_VALUE)
        table = np.full(self.events.size(scope), -np.inf)
        np.fmax.at(table, self._keys[scope][start:], value)
        table[np.isneginf(table)] = np.nan
        return table.reshape(-1, self.events.width)

    def distinct(self, values: Ints, different: int, event: str | None, days: int) -> Ints:
        """Count the different values of each customer, in all activity or one kind of event: shape (customers + 2,).

        `values` are whole numbers from 0 below `different` for all events of the log, -1 where there is none.
        """
        start, width = self.start(days), self.events.width
        values = values[self.span][start:]
        if event is None:
            code = self._keys["all"][start:]
        else:
            slot = self.events.slots.get(event, self.events.rows)
            code = self._keys["kinds"][start:] - slot * width
        taken = np.flatnonzero((code >= 0) & (code < self.events.people) & (values >= 0))
        pairs = code[taken].astype(np.int64) * different + values[taken]
        if width * different <= _FLAGS * max(len(pairs), 4096):
            flags = np.zeros(width * different, dtype=np.bool_)
            flags[pairs] = True
            return np.asarray(flags.reshape(width, different).sum(axis=1))
        return np.asarray(np.bincount(_different(pairs) // different, minlength=width))

    def _pieces(self, days: list[int]) -> Iterable[tuple[int, slice]]:
        """Yield each window's length and the part by which it is longer than the one before."""
        end = len(self.occurred)
        for length in days:
            start = self.start(length)
            yield length, slice(start, end)
            end = start

    def _add_counts(self, scope: Scope, days: list[int]) -> None:
        size, keys = self.events.size(scope), self._keys[scope]
        table: Ints | None = None
        for length, piece in self._pieces(days):
            found = np.bincount(keys[piece], minlength=size)
            table = found if table is None else table + found
            self._totals["count", scope, length] = table

    def _add_sums(self, scope: Scope, days: list[int]) -> None:
        """Add values as whole millionths: in two halves, or in one where even all of them together stay exact."""
        size, keys = self.events.size(scope), self._keys[scope]
        first = self.start(days[-1])
        value = self.events.log.value[self.span][first:]
        rows = np.flatnonzero(np.isfinite(value))
        fixed = np.rint(np.clip(value[rows], -LARGEST_VALUE, LARGEST_VALUE) * FIXED_POINT)
        keys = keys[first:][rows]
        rows += first
        narrow = len(fixed) == 0 or float(np.abs(fixed).max()) * len(fixed) < _EXACT
        upper = None if narrow else np.floor(fixed / _HALF)
        lower = fixed if upper is None else fixed - upper * _HALF
        high, low, valued = np.zeros(size), np.zeros(size), np.zeros(size, dtype=np.int64)
        for length, window in self._pieces(days):
            piece = slice(*np.searchsorted(rows, [window.start, window.stop]))
            valued = valued + np.bincount(keys[piece], minlength=size)
            low = low + np.bincount(keys[piece], lower[piece], minlength=size)
            if upper is not None:
                high = high + np.bincount(keys[piece], upper[piece], minlength=size)
            self._sums[scope, length] = Total(high, low)
            self._totals["valued", scope, length] = valued

    def _add_active_days(self, scope: Scope, days: list[int]) -> None:
        """Count days with an event, day by day back from the as-of time."""
        size, keys = self.events.size(scope), self._keys[scope]
        edges = np.searchsorted(self.occurred, self.as_of - DAY_US * np.arange(days[-1] + 1)).tolist()
        table: Ints = np.zeros(size, dtype=np.uint8 if days[-1] < 256 else np.uint16)
        flags: Ints = np.zeros(size, dtype=np.uint8)
        for day in range(days[-1]):
            today = keys[edges[day + 1] : edges[day]]
            if len(today) * _FLAGS < size:
                table[_different(today)] += 1
            else:
                flags[:] = 0
                flags[today] = 1
                table += flags
            if day + 1 in days:
                self._totals["active_days", scope, day + 1] = table.copy()


def _blocks(start: int, stop: int) -> Iterable[slice]:
    """Yield parts of a range that are small enough for what numpy makes on the way."""
    for first in range(start, stop, _BLOCK_ROWS):
        yield slice(first, min(first + _BLOCK_ROWS, stop))


def _different(values: Ints) -> Ints:
    """Return the different values, rising."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


class Since:
    """When each kind of event was first and last seen, in tables that move forward with the as-of time.

    Going forward costs the events in between and those that had not arrived; going back starts anew. Both give the same, as greatest and
    smallest do not depend on the order in which events are added.
    """

    def __init__(self, events: EventTables) -> None:
        self.events = events
        self._restart()

    def _restart(self) -> None:
        scopes: tuple[Scope, Scope] = ("kinds", "all")
        self._as_of, self._position = LONG_AGO, 0
        self._waiting = np.zeros(0, dtype=np.int64)
        self._last = {scope: np.full(self.events.size(scope), LONG_AGO) for scope in scopes}
        self._first = {scope: np.full(self.events.size(scope), NEVER) for scope in scopes}

    def move(self, as_of: int) -> None:
        """Add all that was known before an instant, and nothing else."""
        if as_of < self._as_of:
            self._restart()
        log = self.events.log
        end = int(np.searchsorted(log.occurred, as_of))
        arrived = log.received[self._waiting] < as_of
        unknown = self._position + np.flatnonzero(log.received[self._position : end] >= as_of)
        for scope in self._last:
            for block in _blocks(self._position, end):
                self._add_newer(scope, block, unknown[slice(*np.searchsorted(unknown, [block.start, block.stop]))])
            late = self._waiting[arrived]
            np.maximum.at(self._last[scope], self.events.keys(scope)[late], log.occurred[late])
            np.minimum.at(self._first[scope], self.events.keys(scope)[late], log.occurred[late])
        self._waiting = np.concatenate([self._waiting[~arrived], unknown])
        self._as_of, self._position = as_of, end

    def _add_newer(self, scope: Scope, rows: slice, unknown: Ints) -> None:
        """Add events that occurred after all that were added so far, but for those that are waited for."""
        keys, occurred = self.events.keys(scope)[rows], self.events.log.occurred[rows]
        if len(unknown):
            keys = keys.copy()
            keys[unknown - rows.start] = self.events.size(scope) - 1
        last, first = self._last[scope], self._first[scope]
        newest = np.full(len(last), LONG_AGO)
        newest[keys] = occurred  # of several the last one stays, and they rise
        np.maximum(last, newest, out=last)
        oldest = np.full(len(first), NEVER)
        oldest[keys[::-1]] = occurred[::-1]
        np.minimum(first, oldest, out=first)

    def last(self, scope: Scope) -> Ints:
        """Return the last occurrence of each cell, `LONG_AGO` without one."""
        return self._last[scope].reshape(-1, self.events.width)

    def first(self, scope: Scope) -> Ints:
        """Return the first occurrence of each cell, NEVER without one."""
        return self._first[scope].reshape(-1, self.events.width)
