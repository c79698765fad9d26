"""The values of a field for every customer, as arrays that are kept until the data changes.

A rule is tried out while somebody writes it: from these arrays an answer takes milliseconds, whatever the rule asks for; see
docs/decisions/0009-rules-are-answered-from-kept-columns.md. Conditions on them are `matching`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import ColumnElement, String, select, type_coerce
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import (
    AttributeVersion,
    Customer,
    HealthScore,
    LatestScore,
    LifetimeValue,
    RfmScore,
)
from retainstream.services import as_of, revisions
from retainstream.services.analyses import runs
from retainstream.services.preferences import BAND_NAMES
from retainstream.services.segments import arrivals, behaviour
from retainstream.services.segments.fields import ATTRIBUTES, EVENTS, HEALTH, LIFETIME, RFM, SCORE, Field, catalogue

KEPT = 48
"""Columns that a process keeps: at 100,000 customers 0.8 MB each."""
_MOVED_BY = ("customers", "removals")
_CUSTOMER: dict[str, Any] = {
    "plan": Customer.plan,
    "revenue": Customer.revenue_minor,
    "tenure_months": Customer.tenure_months,
    "signup_at": Customer.signup_at,
    "churned": Customer.churned,
    "tags": type_coerce(Customer.tags, String),  # each distinct text is read once, below
    "currency": Customer.currency,
}
_SCORES: dict[str, Any] = {
    "churn_probability": LatestScore.probability,
    "risk_percentile": LatestScore.percentile,
    "risk_band": LatestScore.band,
    "confidence": 1 - (LatestScore.p1 - LatestScore.p0),
    "margin": LatestScore.margin,
}
_DERIVED: dict[str, tuple[str, Any]] = {
    "rfm.name": ("rfm", RfmScore.name),
    "rfm.r": ("rfm", RfmScore.r),
    "rfm.f": ("rfm", RfmScore.f),
    "rfm.m": ("rfm", RfmScore.m),
    "rfm.recency_days": ("rfm", RfmScore.recency_days),
    "health.score": ("health", HealthScore.score),
    "health.band": ("health", HealthScore.band),
    "lifetime.value": ("lifetime", LifetimeValue.value_minor),
    "lifetime.alive": ("lifetime", LifetimeValue.alive),
}
CURRENCY = Field("currency", "Currency", "", "category")


@dataclass(frozen=True)
class Numbers:
    """Numbers, dates (microseconds UTC) and yes/no (1 and 0): float64 of shape (n,), NaN where the value is missing."""

    values: np.ndarray


@dataclass(frozen=True)
class Words:
    """Texts: the place of each customer's in `levels`, int32 of shape (n,), -1 where it is missing."""

    codes: np.ndarray
    levels: tuple[str, ...]

    def counts(self) -> list[tuple[str, int]]:
        """Return each text with how many customers have it, the most frequent first."""
        n = np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels)).tolist()
        return sorted(zip(self.levels, n, strict=True), key=lambda one: (-one[1], one[0]))


@dataclass(frozen=True)
class TagSets:
    """Tags: the place of each customer's set in `sets`, int32 of shape (n,). Without tags it is the empty set."""

    codes: np.ndarray
    sets: tuple[frozenset[str], ...]

    def counts(self) -> list[tuple[str, int]]:
        """Return each tag with how many customers have it, the most frequent first."""
        found: dict[str, int] = {}
        for tags, n in zip(self.sets, np.bincount(self.codes, minlength=len(self.sets)).tolist(), strict=True):
            for tag in tags:
                found[tag] = found.get(tag, 0) + n
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))


Column = Numbers | Words | TagSets
Made = TypeVar("Made")
_columns: Kept[Any] = Kept(KEPT)


class Population:
    """All visible customers as one reading session sees them.

    Attributes
    ----------
    fields : dict of str to Field
        What can be asked for: `fields.catalogue`.
    moment : int
        The as-of of conditions that look back, microseconds UTC: the end of the data, or today's beginning where there are only tables.
    ids : int64 array of shape (n,)
        Rising; columns are in this order.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._counters = revisions.read(session) | {name: revisions.one(session, name) for name in revisions.APART}
        self.fields = catalogue(session)
        try:
            self.moment = as_of.data_end(session)
        except NotReady:
            self.moment = clock.now_us() // clock.DAY_US * clock.DAY_US
        self.ids: np.ndarray = self._kept(("ids",), _MOVED_BY, lambda: _ids(session))

    def column(self, field: Field, kind: str | None = None, days: int | None = None) -> Column:
        """Return the values of a field for everybody; `kind` and `days` are those of a condition about events."""
        session, ids = self.session, self.ids
        if field.group == EVENTS:
            figures = partial(behaviour.figures, session, ids, field.key, str(kind), days, self.moment)
            return self._kept((field.key, kind, days, *self._behind()), _MOVED_BY, lambda: Numbers(figures()))
        if field.spec is not None:
            name = (field.spec.recipe, field.spec.kind, *self._behind())
            return self._kept(name, _MOVED_BY, partial(_of_feature, session, ids, field, self.moment))
        if field.group in (RFM, HEALTH, LIFETIME):
            return self._kept((field.key,), (*_MOVED_BY, "analyses"), lambda: _of_run(session, ids, field))
        counters = (*_MOVED_BY, "scores") if field.group == SCORE else _MOVED_BY
        # The kind of an attribute may widen, and its slot may be another's later.
        return self._kept((field.key, field.type, field.slot), counters, lambda: _of_rows(session, field))

    def figures(self) -> dict[str, Column]:
        """Return whether customers left, their revenue, its currency, and their scores: the columns of a rule's figures."""
        return self._kept(("figures",), (*_MOVED_BY, "scores"), lambda: _figures(self.session))

    def levels(self, field: Field, most: int = 60) -> list[tuple[str, int]]:
        """Return the texts that customers have in a field with their counts, the most frequent first; none for fields of other types."""
        if field.missing or field.type not in ("category", "tags"):
            return []
        found = self.column(field)
        return [] if isinstance(found, Numbers) else found.counts()[:most]

    def state(self) -> tuple[object, ...]:
        """Return what a figure of any rule depends on: while it stays, so does the figure."""
        return (db.engine.url.database, self.moment, *self._counters.values())

    def _behind(self) -> tuple[object, ...]:
        return arrivals.state(self.session, self.moment, self._counters)

    def _kept(self, name: tuple[Any, ...], counters: Sequence[str], make: Callable[[], Made]) -> Made:
        key = (db.engine.url.database, *name, *(self._counters[one] for one in counters))
        found: Made = _columns.of(key, make)
        return found


def _ids(session: Session) -> np.ndarray:
    return np.fromiter(session.scalars(select(Customer.id).where(Customer.visible()).order_by(Customer.id)), np.int64)


def _figures(session: Session) -> dict[str, Column]:
    """Return the columns that the figures of every rule are made of, read at once."""
    names = ("churned", "revenue", "currency", "churn_probability", "margin")
    values = [(_CUSTOMER | _SCORES)[name] for name in names]
    query = select(*values).select_from(Customer).outerjoin(LatestScore, LatestScore.customer_id == Customer.id)
    rows = session.execute(query.where(Customer.visible()).order_by(Customer.id)).all()
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {
        name: _column(CURRENCY if name == "currency" else Field(name, name, "", "number"), list(column))
        for name, column in zip(names, columns, strict=True)
    }


def _of_rows(session: Session, field: Field) -> Column:
    """Return a column that customers, attribute versions or scores hold: one value a customer, in the order of ids."""
    if field.group == SCORE:
        value: Any = _SCORES[field.key]
        query = select(value).select_from(Customer).outerjoin(LatestScore, LatestScore.customer_id == Customer.id)
    elif field.group == ATTRIBUTES:
        value = _slot(field)
        query = (
            select(value).select_from(Customer).outerjoin(AttributeVersion, AttributeVersion.id == Customer.version_id)
        )
    else:
        query = select(_CUSTOMER[field.key])
    rows = list(session.scalars(query.where(Customer.visible()).order_by(Customer.id)))
    return _column(field, rows)


def _slot(field: Field) -> ColumnElement[Any]:
    if field.slot is not None:
        found: ColumnElement[Any] = getattr(AttributeVersion, field.slot)
        return found
    name = field.key.removeprefix("attribute.")
    inside = AttributeVersion.extra[name]
    text: ColumnElement[Any] = inside.as_string() if field.type in ("category", "text") else inside.as_float()
    return text


def _column(field: Field, rows: list[Any]) -> Column:
    if field.type == "tags":
        return _tags(rows)
    if field.key == "risk_band":
        rows = [None if one is None else BAND_NAMES[one] for one in rows]
    if field.type in ("category", "text"):
        return _words(rows)
    return Numbers(np.array([None if one is None else float(one) for one in rows], np.float64))


def _words(rows: list[Any]) -> Words:
    places: dict[str, int] = {}
    codes = np.fromiter(
        (-1 if one is None else places.setdefault(str(one), len(places)) for one in rows), np.int32, len(rows)
    )
    return Words(codes, tuple(places))


def _tags(rows: list[Any]) -> TagSets:
    places: dict[frozenset[str], int] = {}
    sets = {text: frozenset(map(str, json.loads(text or "[]"))) for text in set(rows)}
    codes = np.fromiter((places.setdefault(sets[one], len(places)) for one in rows), np.int32, len(rows))
    return TagSets(codes, tuple(places))


def _of_run(session: Session, ids: np.ndarray, field: Field) -> Column:
    """Return a column of the run in force; whoever has no row in it has no value."""
    kind, value = _DERIVED[field.key]
    run = runs.in_force(session, kind)
    table = value.class_
    query = select(table.customer_id, value).where(table.run_id == (0 if run is None else run.id))
    found: dict[int, Any] = dict(session.execute(query).all())
    return _column(field, [found.get(one) for one in ids.tolist()])


def _of_feature(session: Session, ids: np.ndarray, field: Field, end: int) -> Column:
    assert field.spec is not None
    values, levels = behaviour.feature(session, ids, field.spec, field.title, end)
    return Words(values, levels) if field.type == "category" else Numbers(values)
