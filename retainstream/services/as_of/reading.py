"""Visible rows of the database into the arrays of `retainstream.ml.asof.columns`: fetched in small blocks, never a list of all rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Select, Text, func, select
from sqlalchemy import cast as cast_sql
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.config import Settings
from retainstream.lib.levels import Levels
from retainstream.lib.money import exponent
from retainstream.ml.asof.columns import NEVER, REASONS, EventLog, History, ProfileLog, SubscriptionLog
from retainstream.models import (
    AttributeVersion,
    Customer,
    Event,
    EventKind,
    Subscription,
)
from retainstream.services.as_of import facts

_FETCH = 256  # small blocks stay in the processor's cache
_CHUNK = 1 << 18
_IDS_PER_QUERY = 500
_CODES_KEPT = 1_000_000

Array = npt.NDArray[Any]
Log = TypeVar("Log", EventLog, SubscriptionLog, ProfileLog)


@dataclass(frozen=True)
class Kinds:
    """Kinds of event in the order of their ids; a kind's position there is its code."""

    ids: tuple[int, ...]
    names: tuple[str, ...]


def read(
    session: Session,
    settings: Settings,
    customer_ids: Sequence[int] | None,
    properties: Iterable[str] | None,
) -> History:
    """Return what `as_of.history` promises."""
    counted = facts.counted_properties(session) if properties is None else tuple(sorted(set(properties)))
    wanted = None if customer_ids is None else sorted(set(customer_ids))
    customers = _customers(session, wanted)
    subset = None if wanted is None else customers.tolist()
    known = kinds(session)
    if subset is None:
        from retainstream.services.as_of import cache  # which reads what it lacks by the functions below

        events = cache.read(session, settings, known, counted)
    else:
        events = EventLog.of(read_events(session, known, counted, customer_ids=subset))
    return History(
        customers=customers,
        events=_of_visible(events, customers),
        subscriptions=_of_visible(_subscriptions(session, subset), customers),
        profiles=_of_visible(_profiles(session, subset), customers),
    )


def narrowed(history: History, customer_ids: Sequence[int]) -> History:
    """Return the history of some of the customers."""
    customers = np.intersect1d(history.customers, np.asarray(customer_ids, np.int64))
    return History(
        customers,
        _of_visible(history.events, customers),
        _of_visible(history.subscriptions, customers),
        _of_visible(history.profiles, customers),
    )


def beside_events(
    session: Session, people: Array, *, subscriptions: bool, profiles: bool
) -> tuple[SubscriptionLog, ProfileLog]:
    """Return the statements and the profiles of some visible customers; what is not wanted is not read, and empty."""
    return (
        _of_visible(_subscriptions(session, None if subscriptions else ()), people),
        _of_visible(_profiles(session, None if profiles else ()), people),
    )


def kinds(session: Session) -> Kinds:
    """Return the kinds of event on record."""
    found = session.execute(select(EventKind.id, EventKind.name).order_by(EventKind.id)).all()
    return Kinds(tuple(row.id for row in found), tuple(row.name for row in found))


def read_events(
    session: Session,
    known: Kinds,
    properties: Sequence[str],
    *,
    after: int = 0,
    customer_ids: Sequence[int] | None = None,
) -> EventLog:
    """Return events of applied imports, or of none, whose id is greater than `after`, in the order of their ids."""
    query = (
        select(
            Event.id,
            Event.customer_id,
            Event.kind_id,
            Event.occurred_at,
            Event.received_at,
            Event.value,
            *(_property(name) for name in properties),
        )
        .where(facts.applied(Event.batch_id))
        .order_by(Event.id)
    )
    if after:
        query = query.where(Event.id > after)
    codes: list[Coding] = [_TextCodes() for _ in properties]
    types = (np.int64, np.int64, np.int32, np.int64, np.int64, np.float64, *(np.int64 for _ in properties))
    order, customer, kind, occurred, received, value, *coded = gathered(
        session, query, Event.customer_id, customer_ids, types, [*([None] * 6), *codes]
    )
    return EventLog(
        customer=customer,
        kind=np.searchsorted(np.asarray(known.ids, np.int64), kind).astype(np.int16),
        occurred=occurred,
        received=received,
        value=value,
        order=order,
        kinds=known.names,
        properties=dict(zip(properties, coded, strict=True)),
    )


def _customers(session: Session, customer_ids: Sequence[int] | None) -> Array:
    query = select(Customer.id).where(Customer.visible()).order_by(Customer.id)
    return gathered(session, query, Customer.id, customer_ids, (np.int64,), [None])[0]


def _of_visible(log: Log, customers: Array) -> Log:
    """Drop rows of customers who are not there: hidden with their import, or erased since the cache was written."""
    if not len(log):
        return log
    top = int(max(log.customer.max(), customers[-1] if len(customers) else 0))
    there = np.zeros(top + 1, np.bool_)
    there[customers] = True
    kept = there[log.customer]
    return log if kept.all() else log.take(kept)


class _TextCodes(dict[str | None, int]):
    """Texts to stable 64-bit codes, never negative; a missing or empty text is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1, "": -1})

    def __missing__(self, text: str | None) -> int:
        if len(self) > _CODES_KEPT:
            self.clear()
            self.update({None: -1, "": -1})
        digest = hashlib.blake2b(str(text).encode(), digest_size=8).digest()
        code = self[text] = int.from_bytes(digest, "little") >> 1
        return code


class _Levels(Levels):
    """Levels that are renumbered once all are there."""

    def sort(self, codes: Array) -> tuple[Array, tuple[str, ...]]:
        """Return the codes renumbered in the order of the sorted texts, and those: they depend on no order of rows."""
        texts = self.texts()
        rank = {text: place for place, text in enumerate(sorted(texts))}
        renumbered = np.array([*(rank[text] for text in texts), -1], np.int32)
        return renumbered[codes], tuple(sorted(texts))


class _Hundredths(dict[str | None, float]):
    """Currencies to how many hundredths of their unit one minor unit is: 1 for cents, 100 for yen, 0.1 for fils."""

    def __missing__(self, currency: str | None) -> float:
        factor = self[currency] = 1.0 if currency is None else 10.0 ** (2 - exponent(currency))
        return factor


Coding = _TextCodes | _Levels | _Hundredths | None


def _property(name: str) -> ColumnElement[Any]:
    """Return a property of an event as text: numbers as JSON writes them, so that 1 and 1.0 have one code each on every read."""
    return cast_sql(func.json_extract(Event.properties, f'$."{name}"'), Text)


def gathered(
    session: Session,
    query: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    customer_ids: Sequence[int] | None,
    types: Sequence[Any],
    codings: Sequence[Coding],
) -> list[Array]:
    """Return the columns of a query as arrays; with `customer_ids`, only rows whose `key` is one of them."""
    full: list[list[Array]] = []
    buffers, used = [np.empty(_CHUNK if customer_ids is None else 4096, kind) for kind in types], 0
    for rows in _blocks(session, query, key, customer_ids):
        if used + len(rows) > len(buffers[0]):
            full.append([buffer[:used] for buffer in buffers])
            buffers, used = [np.empty(_CHUNK, kind) for kind in types], 0
        stop = used + len(rows)
        for buffer, coding, cells in zip(buffers, codings, zip(*rows, strict=True), strict=True):
            buffer[used:stop] = cells if coding is None else [coding[text] for text in cells]
        used = stop
    full.append([buffer[:used] for buffer in buffers])
    # Column by column, each taken out of the chunks, so that never more than one is held twice.
    return [np.concatenate([chunk.pop(0) for chunk in full]) for _ in types]


def _blocks(
    session: Session,
    query: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    customer_ids: Sequence[int] | None,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield blocks of rows as the driver has them; turning each into a row object would take twice as long."""
    starts = (None,) if customer_ids is None else range(0, len(customer_ids), _IDS_PER_QUERY)
    for start in starts:
        part = query
        if start is not None and customer_ids is not None:
            part = query.where(key.in_(customer_ids[start : start + _IDS_PER_QUERY]))
        result = session.connection().execute(part)
        cursor = result.cursor
        assert cursor is not None
        while rows := cursor.fetchmany(_FETCH):
            yield cast("list[tuple[Any, ...]]", rows)
        result.close()


def _subscriptions(session: Session, customer_ids: Sequence[int] | None) -> SubscriptionLog:
    plans = _Levels()
    reasons: dict[str | None, int] = {None: -1, **{name: at for at, name in enumerate(REASONS)}}
    query = (
        select(
            Subscription.id,
            Subscription.customer_id,
            func.substr(Subscription.key, 1, 8),
            Subscription.received_at,
            Subscription.started_at,
            func.coalesce(Subscription.ended_at, int(NEVER)),
            Subscription.end_reason,
            Subscription.plan,
            Subscription.revenue_minor,
            Subscription.currency,
        )
        .where(facts.applied(Subscription.batch_id))
        .order_by(Subscription.id)
    )
    types = (np.int64, np.int64, "S8", np.int64, np.int64, np.int64, np.int8, np.int32, np.float64, np.float64)
    codings: list[Any] = [None, None, None, None, None, None, reasons, plans, None, _Hundredths()]
    order, customer, key, received, started, ended, reason, plan, price, hundredths = gathered(
        session, query, Subscription.customer_id, customer_ids, types, codings
    )
    plan, names = plans.sort(plan)
    log = SubscriptionLog(
        customer=customer,
        subscription=key.view(np.int64),
        received=received,
        order=order,
        started=started,
        ended=ended,
        reason=reason,
        plan=plan,
        price_minor=price * hundredths,
        plans=names,
    )
    return log.take(np.lexsort((order, received)))


def _profiles(session: Session, customer_ids: Sequence[int] | None) -> ProfileLog:
    columns = facts.profile_columns(session)
    levels = {column.spec.name: _Levels() for column in columns if column.spec.kind == "category"}
    version = AttributeVersion
    query = (
        select(version.id, version.customer_id, version.known_at, *(column.source for column in columns))
        .where(facts.applied(version.batch_id))
        .order_by(version.id)
    )
    codings: list[Any] = [None, None, None, *(levels.get(column.spec.name) for column in columns)]
    types = [np.int64, np.int64, np.int64, *(np.float64 if coding is None else np.int32 for coding in codings[3:])]
    order, customer, known, *cells = gathered(session, query, version.customer_id, customer_ids, types, codings)
    values = {column.spec.name: cell for column, cell in zip(columns, cells, strict=True)}
    names = dict[str, tuple[str, ...]]()
    for name, found in levels.items():
        values[name], names[name] = found.sort(values[name])
    specs = tuple(column.spec for column in columns if column.learnable)
    log = ProfileLog(customer=customer, known=known, order=order, values=values, specs=specs, levels=names)
    return log.take(np.lexsort((order, known, customer)))
