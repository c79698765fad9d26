"""From the items of a request to rows: each is read by itself, so that a bad one does not stop the good ones. Writes nothing and asks no database.

Files are read by `loading`; what can be taken at all is `rows`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from retainstream.lib import clock
from retainstream.services.events.rows import (
    LONGEST_KEY,
    LONGEST_KIND,
    LONGEST_PLAN,
    LONGEST_USER_ID,
    REASONS,
    TOLERATED_AHEAD_US,
    EventRows,
    SubscriptionRows,
    canonical,
    kind_name,
    refusal,
)

EVENT_FIELDS: Final = frozenset(("user_id", "kind", "occurred_at", "received_at", "value", "properties", "key"))
ORDER_FIELDS: Final = frozenset(
    ("user_id", "occurred_at", "received_at", "amount", "currency", "order", "product", "quantity", "key")
)
SUBSCRIPTION_FIELDS: Final = frozenset(
    (
        "user_id",
        "key",
        "plan",
        "revenue_minor",
        "currency",
        "started_at",
        "ended_at",
        "end_reason",
        "received_at",
    )
)
LARGEST_VALUE: Final = 1e15
LARGEST_MINOR: Final = 10**15

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CURRENCY = re.compile("[A-Z]{3}")
_LONGEST_TIME = 40
_SECONDS_END, _MILLISECONDS_END = 10**11, 10**14
"""Numbers below the first are seconds (until the year 5138), below the second milliseconds."""

Rows = TypeVar("Rows", EventRows, SubscriptionRows)


@dataclass(frozen=True)
class Refused:
    """Why an item could not be taken."""

    code: str
    message: str


@dataclass
class Read(Generic[Rows]):
    """The items of a request after reading.

    Attributes
    ----------
    size : int
        How many items came.
    rows : EventRows or SubscriptionRows
        Of the items that can be taken; `positions` says where each stood.
    refused : dict of int to Refused
        The others, by position.
    """

    size: int
    rows: Rows
    positions: list[int] = field(default_factory=list)
    refused: dict[int, Refused] = field(default_factory=dict)


class _Bad(Exception):
    """An item that cannot be taken; says which field is wrong and what was expected."""

    def __init__(self, name: str, expected: str, code: str = "invalid") -> None:
        super().__init__(f"{name}: {expected}")
        self.code = code


@dataclass(frozen=True)
class Reading:
    """What all items of a request share.

    Parameters
    ----------
    now : int
        Microseconds UTC: when the items are received.
    known_at_time : bool
        They tell of what was known when it happened: `received_at` is taken, and is the time of the event where it is left out.
    currency : str
        Of amounts that come without one.
    """

    now: int
    known_at_time: bool = False
    currency: str = "USD"

    def events(self, items: Sequence[object]) -> Read[EventRows]:
        """Read events."""
        return self._read(items, EVENT_FIELDS, self._event, EventRows([], [], [], [], [], [], []))

    def orders(self, items: Sequence[object]) -> Read[EventRows]:
        """Read orders: an amount above or at nought is a `purchase`, one below it a `refund` of that size."""
        return self._read(items, ORDER_FIELDS, self._order, EventRows([], [], [], [], [], [], []))

    def subscriptions(self, items: Sequence[object]) -> Read[SubscriptionRows]:
        """Read statements about subscriptions."""
        rows = SubscriptionRows([], [], [], [], [], [], [], [], [], self.known_at_time)
        return self._read(items, SUBSCRIPTION_FIELDS, self._subscription, rows)

    def _read(
        self,
        items: Sequence[object],
        fields: frozenset[str],
        read: Callable[[Mapping[str, Any]], tuple[Any, ...]],
        rows: Rows,
    ) -> Read[Rows]:
        found = Read(len(items), rows)
        taken = []
        for at, item in enumerate(items):
            try:
                if not isinstance(item, dict):
                    raise _Bad("item", "an object")
                if not item.keys() <= fields:
                    name = next(name for name in item if name not in fields)
                    raise _Bad(_shown(name), "no such field; there are " + ", ".join(sorted(fields)))
                taken.append(read(item))
                found.positions.append(at)
            except _Bad as bad:
                found.refused[at] = Refused(bad.code, str(bad))
        if taken:
            for column, cells in zip(vars(rows).values(), zip(*taken, strict=True), strict=False):
                column.extend(cells)
        return found

    def _event(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        user_id = _user_id(item)
        kind = item.get("kind")
        name = kind_name(kind) if isinstance(kind, str) and len(kind) <= 2 * LONGEST_KIND else None
        if name is None:
            raise _Bad("kind", f"a name such as login or payment_failed, at most {LONGEST_KIND} characters")
        occurred, received = self._times(item)
        value = item.get("value")
        return (
            user_id,
            name,
            occurred,
            received,
            None if value is None else _number("value", value),
            _properties(item.get("properties")),
            _text(item, "key", LONGEST_KEY),
        )

    def _order(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        user_id = _user_id(item)
        occurred, received = self._times(item)
        amount, quantity = _number("amount", item.get("amount")), item.get("quantity")
        properties = {
            "order": _text(item, "order", LONGEST_KEY),
            "product": _text(item, "product", LONGEST_KEY),
            "quantity": None if quantity is None else _number("quantity", quantity),
            "currency": self._currency_of(item),
        }
        kind = "refund" if amount < 0 else "purchase"
        key = _text(item, "key", LONGEST_KEY)
        return user_id, kind, occurred, received, abs(amount), canonical(properties), key

    def _subscription(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        user_id = _user_id(item)
        revenue, reason = item.get("revenue_minor"), item.get("end_reason")
        if revenue is not None and (type(revenue) is not int or not 0 <= revenue <= LARGEST_MINOR):
            raise _Bad("revenue_minor", "a whole number of minor units, not below 0")
        started = self._moment("started_at", item.get("started_at"))
        ended = None if item.get("ended_at") is None else self._moment("ended_at", item["ended_at"])
        if ended is not None and ended < started:
            raise _Bad("ended_at", "no time before started_at")
        if reason is not None and (ended is None or not isinstance(reason, str) or reason not in REASONS):
            raise _Bad("end_reason", f"one of {', '.join(REASONS)}, together with ended_at")
        if ended is not None and reason is None:
            reason = "other"
        received = item.get("received_at")
        return (
            user_id,
            _text(item, "key", LONGEST_KEY),
            _text(item, "plan", LONGEST_PLAN),
            revenue,
            self._currency_of(item) if revenue is not None or item.get("currency") is not None else None,
            started,
            ended,
            reason,
            None if received is None else self._received(received),
        )

    def _currency_of(self, item: Mapping[str, Any]) -> str:
        currency = item.get("currency")
        if currency is None:
            return self.currency
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise _Bad("currency", "a code such as EUR")
        return currency

    def _times(self, item: Mapping[str, Any]) -> tuple[int, int]:
        occurred = self._moment("occurred_at", item.get("occurred_at"))
        if item.get("received_at") is not None:
            return occurred, self._received(item["received_at"])
        return occurred, min(occurred, self.now) if self.known_at_time else self.now

    def _moment(self, name: str, value: object) -> int:
        moment = instant(value)
        if moment is None:
            raise _Bad(
                name, "ISO 8601 with a time zone, such as 2026-03-01T12:00:00Z, or seconds or milliseconds since 1970"
            )
        expected = refusal(moment, self.now)
        if expected is not None:
            raise _Bad(name, expected, "out_of_range")
        return moment

    def _received(self, value: object) -> int:
        if not self.known_at_time:
            raise _Bad("received_at", "only together with known_at_time: true")
        received = self._moment("received_at", value)
        if received > self.now + TOLERATED_AHEAD_US:
            raise _Bad("received_at", "no time in the future", "out_of_range")
        return min(received, self.now)


def instant(value: object) -> int | None:
    """Return a moment of JSON in microseconds UTC: ISO 8601 with a time zone, seconds or milliseconds since 1970; None for anything else."""
    if isinstance(value, str):
        if len(value) > _LONGEST_TIME:
            return None
        try:
            return clock.to_us(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MILLISECONDS_END:
        return None
    return round(value * 1_000_000) if value < _SECONDS_END else round(value * 1_000)


def _user_id(item: Mapping[str, Any]) -> str:
    user_id = _text(item, "user_id", LONGEST_USER_ID)
    if user_id is None:
        raise _Bad("user_id", "the customer's identifier", "no_customer")
    return user_id


def _text(item: Mapping[str, Any], name: str, longest: int) -> str | None:
    """Return a text without spaces around it, None for a blank one; a whole number counts as its digits."""
    value = item.get(name)
    if value is None:
        return None
    if type(value) is int and -(10**18) < value < 10**18:
        return str(value)
    if not isinstance(value, str):
        raise _Bad(name, "a text")
    value = value.strip()
    if len(value) > longest:
        raise _Bad(name, f"at most {longest} characters")
    if _UNPRINTABLE.search(value):
        raise _Bad(name, "text without control characters")
    return value or None


def _number(name: str, value: object) -> float:
    # Whole numbers are compared before they become floats: a huge one has no float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST_VALUE <= value <= LARGEST_VALUE:
        raise _Bad(name, "a finite number")
    number = float(value)
    if math.isnan(number):
        raise _Bad(name, "a finite number")
    return number + 0.0  # a negative nought is a nought


def _properties(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _Bad("properties", "a flat object of texts, numbers, true and false")
    try:
        return canonical(value)
    except ValueError as bad:
        raise _Bad("properties", str(bad)) from bad


def _shown(name: str) -> str:
    return name[:40].encode("utf-8", "replace").decode()
