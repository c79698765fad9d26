"""What the company sees of the customers' days: events with the time they happened, the time they arrived, and repeats.

Drawn apart from the lives themselves, so that how much is seen changes nothing of what happens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.simulator.life import CARD
from retainstream.ml.simulator.people import MEAN_HABIT, People
from retainstream.ml.simulator.setup import DAY_S, DAY_US, DEVICES, GENRES, MOBILE, PRICES_MINOR, RISE_MINOR, Service
from retainstream.ml.simulator.statements import SECOND_US, Ledger, billing_lag
from retainstream.ml.simulator.world import World, title_name

if TYPE_CHECKING:
    from retainstream.ml.simulator.play import PlayedDay

KINDS = (
    "login",
    "watch",
    "search",
    "support_ticket",
    "email_open",
    "app_update",
    "payment_succeeded",
    "payment_failed",
    "price_change_notice",
    "plan_page",
)
LOGIN, WATCH, SEARCH, TICKET, EMAIL, UPDATE, PAID, FAILED, NOTICE, PLAN_PAGE = range(len(KINDS))
_BILLING = (PAID, FAILED)
_TOPICS = ("playback", "billing", "account", "subtitles")
_FAULTS = ("card_expired", "insufficient_funds")
_NATURAL = 13.5  # events of an active customer in a month when everything is seen once
NOTHING = -1
PROPERTIES = ("device", "genre", "title", "topic", "reason")


@lru_cache(maxsize=4)
def property_texts(titles: int) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the canonical JSON of every set of properties that an event can have, and for each property its code by set.

    Parameters
    ----------
    titles : int
        Titles in each genre.

    Returns
    -------
    (tuple of str, dict of str to int64 array)
        Codes are positions in the property's own values, -1 where a set lacks it.
    """
    sets: list[dict[str, str]] = [{"device": device} for device in DEVICES]
    sets += [{"topic": topic} for topic in _TOPICS]
    sets += [{"reason": fault} for fault in _FAULTS]
    for genre, name in enumerate(GENRES):
        sets += [{"device": d, "genre": name, "title": title_name(genre, t)} for t in range(titles) for d in DEVICES]
    texts = tuple(json.dumps(one, sort_keys=True, separators=(",", ":")) for one in sets)
    codes: dict[str, np.ndarray] = {}
    for name in PROPERTIES:
        values = {value: i for i, value in enumerate(dict.fromkeys(one[name] for one in sets if name in one))}
        codes[name] = np.array([values[one[name]] if name in one else NOTHING for one in sets], dtype=np.int64)
    return texts, codes


_TOPIC_SETS = len(DEVICES)
_FAULT_SETS = _TOPIC_SETS + len(_TOPICS)
_TITLE_SETS = _FAULT_SETS + len(_FAULTS)


@dataclass(frozen=True)
class EventColumns:
    """Events, rising by `received`.

    Attributes
    ----------
    who : int32 array of shape (n,)
        Position of the customer.
    kind : int8 array
        Position in KINDS.
    occurred, received : int64 arrays
        Microseconds UTC.
    value : float64 array
        Hours watched, hours until a ticket was solved, an amount of money; NaN where an event has none.
    properties : int32 array
        Position in `texts`, -1 for none.
    key : int64 array
        What the sender calls the event; a repeat has the same.
    texts : tuple of str
        Canonical JSON.
    codes : dict of str to int64 array
        For each property its code by position in `texts`.
    """

    who: np.ndarray
    kind: np.ndarray
    occurred: np.ndarray
    received: np.ndarray
    value: np.ndarray
    properties: np.ndarray
    key: np.ndarray
    texts: tuple[str, ...]
    codes: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.who)

    @property
    def cells(self) -> np.ndarray:
        """Each of `texts` as cells of CSV in the order of PROPERTIES, object array; the last one, for -1, is empty."""
        sets = [json.loads(text) for text in self.texts]
        return np.array([",".join(one.get(name, "") for name in PROPERTIES) for one in (*sets, {})], dtype=object)


class Month:
    """Collects the events of about a month."""

    def __init__(self, service: Service, world: World, people: People, number: int) -> None:
        self.number = number
        self._service, self._world, self._people = service, world, people
        self._rng = np.random.Generator(np.random.SFC64([service.seed, 4, number]))
        self._activity = service.events_per_month / _NATURAL
        self._titles = int(world.titles.max())
        self._parts: list[tuple[np.ndarray, ...]] = []

    def add(self, played: PlayedDay, ledger: Ledger) -> None:
        """Add what is seen of a day."""
        self._midnight = self._service.start + played.day * DAY_US
        self._watching(played)
        self._small_acts(played)
        self._billing(played, ledger)
        new = played.joiners
        seconds = self._people.second[new] + self._rng.integers(5, 600, len(new))
        self._note(LOGIN, new, seconds, properties=self._device(new))
        if played.day == self._world.notice_day:
            told = played.state.who
            plan = self._people.plan[told]
            price = (PRICES_MINOR[plan] + RISE_MINOR[plan]) / 100
            self._note(NOTICE, told, self._rng.integers(9 * 3600, 10 * 3600, len(told)), value=price)

    def columns(self) -> EventColumns:
        """Return the month's events with the times of their arrival and the repeats; what arrives after the span is left out."""
        who, kind, occurred, value, properties = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        texts, codes = property_texts(self._titles)
        n, rng = len(who), self._rng
        key = self.number * 1_000_000_000 + np.arange(n)
        lag = rng.integers(2, 60, n) * SECOND_US
        billing = np.isin(kind, _BILLING)
        lag[billing] = billing_lag(int(billing.sum()), rng)
        device = np.where(properties >= 0, codes["device"][properties], NOTHING)
        late = (device >= 0) & MOBILE[device] & (rng.random(n, dtype=np.float32) < self._service.late_share)
        lag[late] = rng.integers(2 * 3600, 3 * DAY_S, int(late.sum())) * SECOND_US
        received = occurred + lag
        again = np.flatnonzero(~billing & (rng.random(n, dtype=np.float32) < self._service.duplicate_share))
        rows = np.concatenate([np.arange(n), again])
        received = np.concatenate([received, received[again] + rng.integers(60, 2 * DAY_S, len(again)) * SECOND_US])
        arrived = np.flatnonzero(received < self._service.end)
        order = arrived[np.argsort(received[arrived], kind="stable")]
        rows = rows[order]
        return EventColumns(
            who[rows],
            kind[rows],
            occurred[rows],
            received[order],
            value[rows],
            properties[rows],
            key[rows],
            texts,
            codes,
        )

    def _watching(self, played: PlayedDay) -> None:
        """Note one event for each viewing day, fewer or more as the service wants, and a log-in before some."""
        rng = self._rng
        at = np.flatnonzero(played.today.watched)
        whole, part = divmod(self._activity, 1)
        rows = (int(whole) + (rng.random(len(at)) < part)).astype(np.int64)
        who = np.repeat(played.state.who[at], rows)
        hours = np.repeat(played.today.hours[at] / np.maximum(rows, 1), rows)
        n = len(who)
        genre = np.where(rng.random(n) < 0.55, self._people.favourite[who], rng.integers(0, len(GENRES), n))
        there = self._world.titles[played.day][genre]
        title = there - 1 - np.floor(there * rng.random(n) ** 2).astype(np.int64)  # new ones are watched most
        device = self._device(who)
        seconds = self._evening(n)
        properties = _TITLE_SETS + (genre * self._titles + title) * len(DEVICES) + device
        self._note(WATCH, who, seconds, value=np.round(hours, 2).astype(np.float64), properties=properties)
        logs_in = rng.random(n) < 0.4
        self._note(
            LOGIN, who[logs_in], seconds[logs_in] - rng.integers(20, 600, n)[logs_in], properties=device[logs_in]
        )

    def _small_acts(self, played: PlayedDay) -> None:
        """Note log-ins without watching, searches, looks at the page of plans, opened e-mails, tickets, and updates of the app, which mean nothing."""
        state, rng = played.state, self._rng
        habit = self._people.habit[state.who] - MEAN_HABIT
        self._often(LOGIN, state.who, 0.035 * np.exp(0.6 * state.mood + 0.3 * habit))
        self._often(SEARCH, state.who, 0.03 * np.exp(0.4 * state.fatigue + 0.5 * state.mood + 0.3 * habit))
        self._often(PLAN_PAGE, state.who, 0.006 * np.exp(1.4 * np.clip(-state.mood, 0, 2.5)))
        self._often(UPDATE, state.who, np.full(len(state), 0.015, np.float32))
        if played.day % 7 == 2:
            opens = self._people.opens[state.who] * np.exp(0.5 * np.minimum(state.mood, 0))
            who = state.who[rng.random(len(state)) < opens]
            self._note(EMAIL, who, self._evening(len(who)))
        asked = np.flatnonzero(played.today.solving)
        topics = _TOPIC_SETS + rng.integers(0, len(_TOPICS), len(asked))
        value = np.round(played.today.solving[asked].astype(np.float64), 1)
        self._note(TICKET, state.who[asked], self._evening(len(asked)), value=value, properties=topics)

    def _billing(self, played: PlayedDay, ledger: Ledger) -> None:
        rng = self._rng
        for kind, mask in ((PAID, played.today.paid), (FAILED, played.today.failed)):
            who = played.state.who[mask]
            price = ledger.price_minor(who, self._people.plan[who], played.day) / 100
            faults = _FAULT_SETS + (played.state.broken[mask] != CARD) if kind == FAILED else None
            self._note(kind, who, rng.integers(0, 6 * 3600, len(who)), value=price, properties=faults)
        who = played.lost
        price = ledger.price_minor(who, self._people.plan[who], played.day) / 100
        seconds = (played.lost_at - self._midnight) // SECOND_US - rng.integers(1, 600, len(who))
        self._note(FAILED, who, seconds, value=price, properties=_FAULT_SETS + (played.lost_broken != CARD))

    def _often(self, kind: int, who: np.ndarray, rate: np.ndarray) -> None:
        at = np.repeat(who, self._rng.poisson(rate * self._activity))
        self._note(kind, at, self._evening(len(at)), properties=self._device(at))

    def _device(self, who: np.ndarray) -> np.ndarray:
        """Draw the devices that are used: mostly the first one, at times another of the customer's own."""
        n = len(who)
        others = self._people.devices[who].astype(np.int64) - 1
        other = 1 + np.floor(self._rng.random(n) * others).astype(np.int64)
        shift = np.where((self._rng.random(n) < 0.35) & (others > 0), other, 0)
        return np.asarray((self._people.first_device[who] + shift) % len(DEVICES))

    def _evening(self, n: int) -> np.ndarray:
        return np.asarray((self._rng.triangular(5.0, 20.5, 23.9, n) * 3600).astype(np.int64))

    def _note(
        self,
        kind: int,
        who: np.ndarray,
        seconds: np.ndarray,
        *,
        value: np.ndarray | None = None,
        properties: np.ndarray | None = None,
    ) -> None:
        n = len(who)
        self._parts.append(
            (
                who,
                np.full(n, kind, np.int8),
                self._midnight + seconds.astype(np.int64) * SECOND_US,
                np.full(n, np.nan) if value is None else value,
                np.full(n, NOTHING, np.int32) if properties is None else properties.astype(np.int32),
            )
        )
