"""Events and statements about subscriptions as they travel to `writing`: columns of checked values, and which moments and texts can be taken.

Reading them from JSON is `accept`, from files `loading`; both hand over what this module describes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from retainstream.lib import clock

LONGEST_USER_ID: Final = 200
LONGEST_KIND: Final = 64
LONGEST_KEY: Final = 200
LONGEST_FEED: Final = 80
LONGEST_PLAN: Final = 200
LARGEST_PROPERTIES: Final = 4_096
MOST_PROPERTIES: Final = 50
REASONS: Final = ("voluntary", "payment_failed", "trial_ended", "other")

EARLIEST_US: Final = 315_532_800 * clock.SECOND_US
"""1 January 1980: what claims to be older is a default of some program, not a time."""
FURTHEST_AHEAD_US: Final = 400 * clock.DAY_US
TOLERATED_AHEAD_US: Final = 5 * clock.MINUTE_US
"""Clocks differ; only what lies further ahead counts as future."""
LATE_US: Final = clock.DAY_US

_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class EventRows:
    """Events, column by column; every list is n long.

    Attributes
    ----------
    user_ids : list of str
        The owner's identifiers without spaces around them, at most 200 characters; a blank one is counted as `no_customer`.
    kinds : list of str
        As `kind_name` gives them.
    occurred, received : list of int
        Microseconds UTC, in the range that `refusal` allows. For history that was known at the time both are the same.
    values : list of (float or None)
        Finite.
    properties : list of (str or None)
        As `canonical` gives them.
    keys : list of (str or None)
        The sender's own name of the event, unique within the source; None makes content and occurrence the key.
    """

    user_ids: list[str]
    kinds: list[str]
    occurred: list[int]
    received: list[int]
    values: list[float | None]
    properties: list[str | None]
    keys: list[str | None]

    def __len__(self) -> int:
        return len(self.user_ids)


@dataclass(frozen=True)
class SubscriptionRows:
    """Statements about subscriptions, column by column; every list is n long.

    Attributes
    ----------
    user_ids, keys
        As in `EventRows`; without a key a subscription is named by its customer and its start, so that two that start in the
        same moment need keys.
    plans : list of (str or None)
        A trial is called `trial` or costs nothing.
    revenue_minor : list of (int or None)
        Monthly, in minor units of `currencies`.
    started : list of int
    ended : list of (int or None)
        Microseconds UTC; None for one that goes on. An end may lie ahead: announced in advance.
    reasons : list of (str or None)
        One of `REASONS`; only with an end.
    received : list of (int or None)
        When the statement became known; None means now, or what `known_at_time` says.
    known_at_time : bool
        A row without `received` is history: its start became known when it started and its end when it ended, which makes two statements of it.
    """

    user_ids: list[str]
    keys: list[str | None]
    plans: list[str | None]
    revenue_minor: list[int | None]
    currencies: list[str | None]
    started: list[int]
    ended: list[int | None]
    reasons: list[str | None]
    received: list[int | None] = field(default_factory=list)
    known_at_time: bool = False

    def __post_init__(self) -> None:
        if not self.received:
            self.received.extend([None] * len(self.user_ids))

    def __len__(self) -> int:
        return len(self.user_ids)


def refusal(moment: int, now: int) -> str | None:
    """Return what was expected instead of a moment that cannot be taken, None for one that can."""
    if moment < EARLIEST_US:
        return "a time from 1980 on"
    if moment > now + FURTHEST_AHEAD_US:
        return "a time no more than 400 days ahead"
    return None


def kind_name(text: str) -> str | None:
    """Return the name of a kind of event in snake_case, None for a text that has no such form.

    `Payment Failed` and `payment-failed` are both `payment_failed`. Names begin with a letter and have at most 64 characters.
    """
    if _KIND.fullmatch(text):
        return text
    name = _NOT_A_WORD.sub("_", text.strip().lower()).strip("_") if text.isascii() else ""
    return name if _KIND.fullmatch(name) else None


def canonical(properties: Mapping[str, object]) -> str | None:
    """Return a flat object as JSON whose text does not depend on the order of its names; nothing at all is None. Nulls are left out.

    Raises
    ------
    ValueError
        For values that are no text, number, or true or false, for more than 50 of them, and for a text above 4,096 bytes.
    """
    kept: dict[str, object] = {}
    for name, value in properties.items():
        if value is None:
            continue
        if not isinstance(value, str | int | float):
            raise ValueError("a flat object of texts, numbers, true and false")  # noqa: TRY004 - one kind of complaint
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("finite numbers")
        if not name:
            raise ValueError("names that are not empty")
        kept[name] = value
    if not kept:
        return None
    if len(kept) > MOST_PROPERTIES:
        raise ValueError(f"at most {MOST_PROPERTIES} properties")
    text = _encode(kept)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as bad:
        raise ValueError("text without halves of surrogate pairs") from bad
    if size > LARGEST_PROPERTIES:
        raise ValueError(f"at most {LARGEST_PROPERTIES:,} bytes of JSON")
    return text
