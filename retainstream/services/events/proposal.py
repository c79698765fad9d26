"""Proposes what each column of a file of events, orders or subscriptions means, from its values first and its headers second.

Nothing here is tuned to particular files. What a single column suggests is in `hints`; what a person should know about the proposal is in `advice`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from retainstream.services.events import hints
from retainstream.services.events.mapping import (
    EMPTY,
    KEPT_AS_PROPERTY,
    MAX_PROPERTIES,
    EventColumn,
    EventMapping,
    Target,
)
from retainstream.services.events.moments import NO_TIME, read_moments
from retainstream.services.imports import names
from retainstream.services.imports.badrows import is_added
from retainstream.services.imports.columns import ColumnProfile
from retainstream.services.imports.profile import TableProfile
from retainstream.services.imports.values import DEFAULT_BLANKS, Blanks, boolean_pair, parse_number

DAY_US = 86_400_000_000
DEFAULT_KIND = "event"
_FREE_TEXT = 20.0
_CATEGORIES = 200
_PROPERTIES = "properties."
"""What JSON lines in the shape of POST /events put before the names of properties: a file says the same as a request."""
_ORDER_NUMBER = re.compile(r"([^\d\s]{0,5})\d+")
_FEWEST_CANCELLED = 3
ENDLESS = tuple(
    f"{day}{time}"
    for year in (9999, 2999)
    for day in (f"{year}-12-31", f"{year}/12/31", f"31/12/{year}", f"12/31/{year}", f"31.12.{year}", f"{year}1231")
    for time in ("", " 00:00", " 00:00:00", "t00:00:00", "t00:00:00z", " 23:59:59", "t23:59:59", "t23:59:59z")
)
"""Dates that stand for "no end" in tables of subscriptions; they are read as blanks."""


def blanks_of(target: Target) -> Blanks:
    """Return the texts that mean "no value here" in a file for this target, as far as nobody said otherwise."""
    return Blanks((*DEFAULT_BLANKS, *ENDLESS)) if target == "subscriptions" else Blanks()


def propose(profile: TableProfile, target: Target, now: int, kind: str | None = None) -> EventMapping:
    """Propose a mapping.

    Parameters
    ----------
    profile : TableProfile
        Of the file or of its head.
    now : int
        Microseconds UTC; a file whose times lie before is taken as history.
    kind : str, optional
        Kind of every event of the file, as a person said it; no column is then looked for.

    Returns
    -------
    EventMapping
        Without a column for the customer or the time where none can be found; `advice` then asks for it.
    """
    made = _Proposer(profile, target).subscriptions() if target == "subscriptions" else None
    proposer = made or _Proposer(profile, target).happenings(kind)
    columns = tuple(proposer.column(position) for position in range(len(profile.columns)))
    return EventMapping(
        target=target,
        columns=columns,
        kind=None if target != "events" or "kind" in proposer.roles else kind or DEFAULT_KIND,
        known_at_time=_is_history(profile, columns, now),
        currency=_currency(profile, columns),
        cancelled_prefix=_cancelled_prefix(profile, columns) if target == "orders" else None,
        reasons=_reasons(profile, columns),
        no_reason=_no_reason(target, columns),
        blanks=profile.blanks or EventMapping(target, ()).blanks,
    )


class _Proposer:
    """Gives roles to columns, one role after the other; a column that has one is out of the choice for the next."""

    def __init__(self, profile: TableProfile, target: Target) -> None:
        self.profile, self.target = profile, target
        self.words = [hints.words_in(column, profile.has_header) for column in profile.columns]
        self.moments = [
            hints.moment_of(column, words) for column, words in zip(profile.columns, self.words, strict=True)
        ]
        self.roles: dict[str, int] = {}
        self._added = [column.position for column in profile.columns if is_added(column.name)]
        self._taken = set(KEPT_AS_PROPERTY)
        self._kept = 0

    def happenings(self, kind: str | None) -> _Proposer:
        """Give the roles of events and orders."""
        self._give("time", self._time_score)
        self._give("customer", lambda at: 0.0 if self.moments[at] else self._customer_score(at))
        self._give("received", lambda at: 1.0 if self.moments[at] and self.words[at] & hints.RECEIVED else 0.0)
        self._give("key", self._key_score)
        if self.target == "events":
            if kind is None:
                self._give("kind", self._kind_score)
            self._give("value", self._value_score)
            return self
        self._give("order", lambda at: self._id_score(at, hints.ORDER))
        self._give("product", lambda at: self._id_score(at, hints.PRODUCT))
        self._give("currency", self._currency_score)
        self._give("quantity", self._quantity_score)
        self._give("amount", lambda at: self._money_score(at, hints.AMOUNT))
        self._give("price", lambda at: self._money_score(at, hints.PRICE))
        if not {"amount", "price"} & self.roles.keys():
            self._give("amount", lambda at: 1.0 if hints.has_fractions(self.profile.columns[at]) else 0.0)
        if "quantity" not in self.roles and not self.profile.has_header:
            self._give("quantity", self._whole_score)
        return self

    def subscriptions(self) -> _Proposer:
        """Give the roles of subscriptions."""
        self._give("key", self._subscription_key_score)
        self._give("customer", lambda at: 0.0 if self.moments[at] else self._customer_score(at))
        self._give("received", lambda at: 1.0 if self.moments[at] and self.words[at] & hints.RECEIVED else 0.0)
        self._give("ended", lambda at: self._edge_score(at, hints.ENDED, blank=True))
        self._give("started", lambda at: self._edge_score(at, hints.STARTED, blank=False))
        if "ended" not in self.roles:
            self._give("ended", lambda at: 1.0 if self.moments[at] and self.profile.columns[at].blanks else 0.0)
        self._give("reason", lambda at: 1.0 if self.words[at] & hints.REASON and not self.moments[at] else 0.0)
        self._give("plan", lambda at: float(names.plan_strength(sorted(self.words[at]))))
        self._give("currency", self._currency_score)
        self._give("price", lambda at: self._money_score(at, hints.PRICE | hints.AMOUNT))
        return self

    def column(self, position: int) -> EventColumn:
        """Describe one column as its role asks for."""
        profile = self.profile.columns[position]
        role = next((role for role, at in self.roles.items() if at == position), None)
        moment = self.moments[position]
        if role in ("time", "received", "started", "ended") and moment is not None:
            return EventColumn(profile.name, role, format=moment.format)
        if role == "customer":
            form = "drop_point_zero" if profile.point_zeros and profile.point_zeros == profile.numbers else None
            return EventColumn(profile.name, role, format=form)
        if role is not None:
            kind = "number" if role == "quantity" else "text"
            return EventColumn(profile.name, role, kind=kind, decimal=profile.decimal)
        if self.target == "subscriptions":
            why = "A subscription has no place for it." if profile.filled else EMPTY
            return EventColumn(profile.name, "ignored", reason=why)
        reason = self._reason_to_ignore(profile, position)
        if reason is not None:
            return EventColumn(profile.name, "ignored", reason=reason)
        self._kept += 1
        name = names.slug(profile.name.removeprefix(_PROPERTIES), position, self._taken)
        return EventColumn(profile.name, "property", name, kind=_property_kind(profile), decimal=profile.decimal)

    def _give(self, role: str, score: Callable[[int], float]) -> None:
        used = {*self.roles.values(), *self._added}
        scores = [(score(at), -at) for at in range(len(self.profile.columns)) if at not in used]
        best = max(scores, default=(0.0, 0))
        if best[0] > 0:
            self.roles[role] = -best[1]

    def _time_score(self, at: int) -> float:
        moment = self.moments[at]
        return 0.0 if moment is None else hints.time_score(moment, self.words[at], self.profile.columns[at])

    def _customer_score(self, at: int) -> float:
        return hints.customer_score(self.profile.columns[at], self.words[at])

    def _kind_score(self, at: int) -> float:
        return hints.kind_score(self.profile.columns[at], self.words[at], self.profile.has_header)

    def _key_score(self, at: int) -> float:
        """A name for one row: said so in the header, and different in every row.

        Under the names that requests use for it a few repeats are rows that were sent twice, and a blank is a row without a name;
        under any other name that is not guessed.
        """
        column, words = self.profile.columns[at], self.words[at]
        if column.rows < 2 or words & hints.PERSON:
            return 0.0
        if self.target == "events" and (words == {"key"} or "idempotency" in words):
            return 3.0 if column.filled and column.distinct >= hints.MOSTLY * column.filled else 0.0
        if not column.unique or column.filled < column.rows:
            return 0.0
        if words & hints.KEY or (words & hints.KEY_SUBJECT and "id" in words):
            return 2.0
        return 1.0 if words == {"id"} else 0.0

    def _subscription_key_score(self, at: int) -> float:
        words = self.words[at]
        named = "subscription" in words and words & {"id", "no", "number", "key", "code", "ref"}
        return 1.0 if named and not words & hints.PERSON and hints.is_id_like(self.profile.columns[at]) else 0.0

    def _value_score(self, at: int) -> float:
        column, words = self.profile.columns[at], self.words[at]
        if not hints.is_number(column) or self.moments[at] or (words & hints.PERSON and not words & hints.AMOUNT):
            return 0.0
        if words & {"value"}:
            return 5.0
        if words & (hints.AMOUNT | hints.PRICE):
            return 4.0
        if words & hints.LENGTH and not words & {"id"}:
            return 3.0
        alone = sum(hints.has_fractions(other) and not self.moments[i] for i, other in enumerate(self.profile.columns))
        return 1.0 if alone == 1 and hints.has_fractions(column) else 0.0

    def _id_score(self, at: int, known: frozenset[str]) -> float:
        column, words = self.profile.columns[at], self.words[at]
        if not words & known or self.moments[at] or not column.filled or words & (hints.QUANTITY | hints.AMOUNT):
            return 0.0
        if hints.has_fractions(column) or words & hints.PRICE:
            return 0.0
        return (
            3.0
            if words & {"id", "no", "nr", "number", "code", "key", "sku", "asin", "isbn"}
            else 2.0 - (1.0 if words & {"name", "description", "category", "type", "status"} else 0.0)
        )

    def _currency_score(self, at: int) -> float:
        column = self.profile.columns[at]
        coded = bool(column.counts) and all(re.fullmatch(r"\s*[A-Za-z]{3}\s*", text) for text in column.counts)
        return 1.0 if coded and self.words[at] & {"currency", "ccy", "waehrung", "währung"} else 0.0

    def _quantity_score(self, at: int) -> float:
        return 1.0 if hints.is_quantity(self.profile.columns[at], self.words[at]) else 0.0

    def _money_score(self, at: int, known: frozenset[str]) -> float:
        column, words = self.profile.columns[at], self.words[at]
        if (
            not hints.is_number(column)
            or self.moments[at]
            or not words & known
            or words & {"id", "no", "number", "code"}
        ):
            return 0.0
        return 1.0 + (1.0 if column.currency or hints.has_fractions(column) else 0.0)

    def _whole_score(self, at: int) -> float:
        column = self.profile.columns[at]
        whole = hints.is_number(column) and column.integers == column.numbers and not self.moments[at]
        return 1.0 if whole and abs(column.maximum or 0) < 100_000 else 0.0

    def _edge_score(self, at: int, known: frozenset[str], *, blank: bool) -> float:
        """Score the date on which a subscription starts or ends."""
        column, words = self.profile.columns[at], self.words[at]
        if self.moments[at] is None:
            return 0.0
        if words & known:
            return 3.0 + (0.5 if bool(column.blanks) == blank else 0.0)
        return 0.0 if blank else (1.0 if column.blanks == 0 else 0.5)

    def _reason_to_ignore(self, column: ColumnProfile, position: int) -> str | None:
        words = self.words[position]
        if position in self._added:
            return "It was added to a file of rows that could not be taken."
        if not column.filled:
            return EMPTY
        if column.is_row_counter and column.rows >= 20:
            return "It counts the rows."
        personal = names.personal_field(sorted(words)) or (
            column.emails > hints.MOSTLY or (column.phones > hints.MOSTLY and column.number_share < hints.MOSTLY)
        )
        if personal and self.moments[position] is None:
            return "It is a personal detail; those belong into a file of customers."
        if self.moments[position] is not None and names.is_signup(sorted(words)):
            return "It is about the customer, and not about what happened."
        texty = column.number_share < hints.MOSTLY and self.moments[position] is None
        if texty and column.distinct > _CATEGORIES and column.mean_length > _FREE_TEXT:
            return f"It is free text: more than {_CATEGORIES} different ones."
        return f"More than {MAX_PROPERTIES} columns." if self._kept >= MAX_PROPERTIES - len(KEPT_AS_PROPERTY) else None


def _property_kind(column: ColumnProfile) -> str:
    if len(column.counts) == 2 and boolean_pair(column.counts) is not None and column.number_share < hints.MOSTLY:
        return "boolean"
    return "number" if hints.is_number(column) else "text"


def sample_of(profile: TableProfile, name: str) -> list[str | None]:
    """Return a column's cells in the rows that were kept as a sample, as in the file."""
    return profile.sample[profile.column(name).position] if profile.sample else []


def _is_history(profile: TableProfile, columns: Sequence[EventColumn], now: int) -> bool:
    """Whether most rows happened more than two days ago, so that they were hardly made just now."""
    column = next((item for item in columns if item.role in ("time", "started")), None)
    if column is None or column.format is None:
        return False
    texts = [None if text is None else text.strip() for text in sample_of(profile, column.name)]
    moments = read_moments(texts, column.format)
    moments = moments[moments != NO_TIME]
    return bool(len(moments)) and bool(np.median(moments) < now - 2 * DAY_US)


def _currency(profile: TableProfile, columns: Sequence[EventColumn]) -> str | None:
    marked = [profile.column(item.name).currency for item in columns if item.role in ("amount", "price", "value")]
    return next((mark for mark in marked if mark is not None), None)


def _cancelled_prefix(profile: TableProfile, columns: Sequence[EventColumn]) -> str | None:
    """Find letters before order numbers that stand, nearly always, with a negative quantity or amount while most orders have none."""
    order = next((item for item in columns if item.role == "order"), None)
    signs = [item for item in columns if item.role in ("quantity", "amount")]
    if order is None or not signs:
        return None
    negative = [False] * len(sample_of(profile, order.name))
    for item in signs:
        for at, text in enumerate(sample_of(profile, item.name)):
            number = parse_number(text, "," if item.decimal == "," else ".") if text else None
            negative[at] = negative[at] or (number is not None and number < 0)
    seen, below = Counter[str](), Counter[str]()
    for text, minus in zip(sample_of(profile, order.name), negative, strict=True):
        match = _ORDER_NUMBER.fullmatch((text or "").strip())
        if match:
            seen[match[1]] += 1
            below[match[1]] += minus
    plain = seen.pop("", 0)
    likely = [mark for mark, count in seen.items() if count >= _FEWEST_CANCELLED and below[mark] >= 0.9 * count]
    return max(likely, key=lambda mark: seen[mark], default=None) if plain > sum(seen.values()) else None


def _reasons(profile: TableProfile, columns: Sequence[EventColumn]) -> dict[str, str]:
    column = next((item for item in columns if item.role == "reason"), None)
    if column is None:
        return {}
    words = list(profile.column(column.name).counts)[:_CATEGORIES]
    return {word.strip().casefold(): hints.end_reason(word.strip().casefold()) or "other" for word in words}


def _no_reason(target: Target, columns: Sequence[EventColumn]) -> str | None:
    if target != "subscriptions":
        return None
    return "other" if any(item.role == "reason" for item in columns) else "voluntary"
