"""What customers can be told apart by when curves are compared, and who is in which group.

The value that counts is the earliest one on record, not the present one: a plan that only those reach who stay, or a flag set when somebody left, would
make its group look better or worse than it is (docs/decisions/0008). Even that one may have become known after the stay began; how often is counted.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.models import AttributeVersion, Segment, SegmentMember, Subscription
from retainstream.services import datasets
from retainstream.services.as_of.facts import applied
from retainstream.services.events.listing import visible
from retainstream.services.survival import first_score
from retainstream.services.survival.lives import Lives

MOST_GROUPS = 8
"""More groups than this cannot be told apart in one drawing: the smallest become one."""
OTHER = "Other"
ALL, PLAN, FIRST_SCORE, _ATTRIBUTE, _SEGMENT = "", "plan", "first_score", "attribute.", "segment."
_LONGEST = 40
_SOON_US = 7 * clock.DAY_US


@dataclass(frozen=True)
class Choice:
    """Something to tell customers apart by: its key in addresses, and its words."""

    key: str
    title: str


@dataclass(frozen=True)
class Grouping:
    """Who is in which group.

    Attributes
    ----------
    choice : Choice
    labels : tuple of str
        At most `MOST_GROUPS`, in the order in which they are shown: bands rising, others by size.
    place : int64 array of shape (n,)
        Of each customer's group among `labels`; -1 without a value.
    late : int
        Customers whose value is on record only from more than a week after they came.
    present : bool
        The value is that of today, since there is no earlier one to be had.
    merged : int
        Levels that became "Other".
    entry : float64 array of shape (n,), optional
        Months after coming from which each counts, where that is later than on record: those told apart by their first score count from it on.
    """

    choice: Choice
    labels: tuple[str, ...]
    place: np.ndarray
    late: int = 0
    present: bool = False
    merged: int = 0
    entry: np.ndarray | None = None


def choices(session: Session) -> tuple[Choice, ...]:
    """Return what this box can be told apart by: nothing, the plan, every attribute but texts and dates, the first score, segments."""
    found = [Choice(ALL, "Everybody together"), Choice(PLAN, "Plan")]
    if first_score.runs(session):
        found.append(Choice(FIRST_SCORE, "Rank when first scored"))
    columns = datasets.columns(session, all_kinds=True)
    found += [Choice(_ATTRIBUTE + column.spec.name, column.spec.title) for column in columns]
    rows = session.execute(select(Segment.id, Segment.name).order_by(Segment.name)).all()
    return (*found, *(Choice(f"{_SEGMENT}{row.id}", f"Segment: {row.name}") for row in rows))


def chosen(session: Session, key: str) -> Choice:
    """Return the choice with a key; raises InvalidInput for one that there is not."""
    for choice in choices(session):
        if choice.key == key:
            return choice
    raise InvalidInput(
        f"Customers cannot be told apart by {key[:60]!r}.",
        fields={"by": ["nothing, plan, first_score, attribute.<name> or segment.<number>"]},
    )


def token(text: str) -> str:
    """Return a text as a part of a cell's address: percent-encoded, or, where that would be long, a hash of it."""
    plain = quote(text, safe="")
    return plain if len(plain) <= _LONGEST else hashlib.sha256(text.encode()).hexdigest()[:16]


def group(session: Session, lives: Lives, choice: Choice) -> Grouping:
    """Return who is in which group."""
    if choice.key == ALL:
        return Grouping(choice, ("Everybody",), np.zeros(len(lives), np.int64))
    if choice.key == FIRST_SCORE:
        scored = first_score.read(session, lives)
        return Grouping(choice, first_score.LABELS, scored.place, entry=scored.entry)
    if choice.key.startswith(_SEGMENT):
        return _by_segment(session, lives, choice)
    kind, rows = _earliest(session, lives, choice)
    values, since = _first_values(rows, lives.customer)
    made = _banded(choice, values) if kind in ("number", "integer") else _levels(choice, _as_words(values, kind))
    known = made.place >= 0
    late = int((since[known] > lives.came[known] + _SOON_US).sum()) if lives.recorded_from is not None else 0
    return Grouping(made.choice, made.labels, made.place, late, merged=made.merged)


def _by_segment(session: Session, lives: Lives, choice: Choice) -> Grouping:
    number = int(choice.key.removeprefix(_SEGMENT))
    query = select(SegmentMember.customer_id).where(SegmentMember.segment_id == number, SegmentMember.left_at.is_(None))
    inside = np.isin(lives.customer, np.fromiter(session.scalars(query), np.int64))
    return Grouping(choice, ("In it today", "Not in it"), np.where(inside, 0, 1), present=True)


def _earliest(session: Session, lives: Lives, choice: Choice) -> tuple[str, Iterable[tuple[Any, ...]]]:
    """Return the kind of value and rows of (customer, value, since when), each customer's earliest first."""
    version = AttributeVersion
    if choice.key == PLAN:
        told = _run(session, _plans_of_subscriptions(lives.as_of)) if lives.recorded_from is not None else []
        if told:
            return "category", told
        kind, source = "category", version.plan
    else:
        name = choice.key.removeprefix(_ATTRIBUTE)
        column = next(each for each in datasets.columns(session, all_kinds=True) if each.spec.name == name)
        kind, source = column.spec.kind, column.source  # type: ignore[assignment]
    query = (
        select(version.customer_id, source, version.valid_from)
        .where(source.is_not(None), applied(version.batch_id))
        .order_by(version.customer_id, version.id)
    )
    return kind, _run(session, query)


def _plans_of_subscriptions(as_of: int) -> Select[*tuple[Any, ...]]:
    one = Subscription
    return (
        select(one.customer_id, one.plan, one.received_at)
        .where(one.plan.is_not(None), one.received_at < as_of, visible(one))
        .order_by(one.customer_id, one.started_at, one.received_at, one.id)
    )


def _run(session: Session, query: Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows as the driver has them; turning each into a row object would take twice as long."""
    result = session.connection().execute(query)
    cursor = result.cursor
    assert cursor is not None
    rows = cast("list[tuple[Any, ...]]", cursor.fetchall())
    result.close()
    return rows


def _first_values(rows: Iterable[tuple[Any, ...]], customer: np.ndarray) -> tuple[list[Any], np.ndarray]:
    first: dict[int, tuple[Any, int]] = {}
    for one, value, since in rows:
        first.setdefault(one, (value, since))
    found = [first.get(one, (None, 0)) for one in customer.tolist()]
    return [value for value, _ in found], np.fromiter((since for _, since in found), np.int64, len(found))


def _as_words(values: list[Any], kind: str) -> list[str | None]:
    if kind == "boolean":
        return [None if value is None else "Yes" if value else "No" for value in values]
    return [None if value is None or value == "" else str(value) for value in values]


def _levels(choice: Choice, words: list[str | None]) -> Grouping:
    """Return a group for each level, the largest first; where there are too many the smallest are one."""
    level, row, sizes = np.unique(
        np.array([word or "" for word in words], dtype=object), return_inverse=True, return_counts=True
    )
    order = [place for place in np.argsort(-sizes, kind="stable") if level[place] != ""]
    named = order if len(order) <= MOST_GROUPS else order[: MOST_GROUPS - 1]
    labels = [str(level[place]) for place in named]
    merged = len(order) - len(named)
    place_of = np.full(len(level), -1, np.int64)
    place_of[named] = np.arange(len(named))
    if merged:
        # A level may itself be called "Other"; then the rest joins it.
        rest = labels.index(OTHER) if OTHER in labels else len(labels)
        labels += [] if OTHER in labels else [OTHER]
        place_of[order[len(named) :]] = rest
    return Grouping(choice, tuple(labels), place_of[row], merged=merged)


def _banded(choice: Choice, values: list[Any]) -> Grouping:
    """Return a group for each quarter of the customers by value; for each value where there are few."""
    numbers = np.array([np.nan if value is None else float(value) for value in values], np.float64)
    known = ~np.isnan(numbers)
    distinct = np.unique(numbers[known])
    if len(distinct) <= MOST_GROUPS:
        place = np.where(known, np.searchsorted(distinct, numbers), -1)
        return Grouping(choice, tuple(_figures(distinct)), place)
    edges = np.unique(np.quantile(numbers[known], [0.25, 0.5, 0.75], method="inverted_cdf"))
    edges = edges[edges < distinct[-1]]
    place = np.where(known, np.searchsorted(edges, numbers, side="left"), -1)
    words = _figures(edges)
    middle = [f"above {low} to {high}" for low, high in itertools.pairwise(words)]
    return Grouping(choice, (f"up to {words[0]}", *middle, f"above {words[-1]}"), place)


def _figures(values: np.ndarray) -> list[str]:
    """Return numbers in words, as short as they can be while each is another."""
    words = [f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}" for value in values]
    return words if len(set(words)) == len(words) else [repr(float(value)) for value in values]
