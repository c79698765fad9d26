"""Spans at one price: told by hand from statements, and for any statements what was said to hold at each moment; what comes later leaves the past."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.ml.revenue import Bridge, Subscriptions, bridge
from retainstream.models import Customer, Feed, Subscription
from retainstream.services.analyses import spans

DAY = 86_400_000_000
FIRST = 20_000 * DAY
Said = tuple[str | None, int | None, int, int | None, int]
"""Plan, price, and on which days it started, ended and became known."""

TOLD: dict[str, tuple[tuple[Said, ...], list[tuple[int, int | None, int, str]]]] = {
    "one statement": ((("basic", 900, 3, None, 3),), [(3, None, 900, "basic")]),
    "a price that rises": ((("basic", 900, 0, None, 0), ("basic", 1100, 0, None, 50)), [(0, 50, 900, "basic"), (50, None, 1100, "basic")]),
    "a trial that is continued": ((("trial", 0, 5, None, 5), ("plus", 1500, 5, None, 19)), [(5, 19, 0, "trial"), (19, None, 1500, "plus")]),
    "said again, and the end": ((("basic", 900, 0, None, 0), ("basic", 900, 0, None, 30), ("basic", 900, 0, 40, 42)), [(0, 40, 900, "basic")]),
    "news after the end": ((("basic", 900, 0, None, 0), ("basic", 500, 0, 40, 45)), [(0, 40, 900, "basic")]),
    "an end without price or plan": ((("basic", 900, 0, None, 0), (None, None, 0, 60, 50)), [(0, 60, 900, "basic")]),
    "a price that is told later": ((("basic", None, 0, None, 0), ("basic", 900, 0, None, 9)), [(0, None, 900, "basic")]),
    "stated ahead, twice": ((("basic", 900, 20, None, 1), ("plus", 1500, 20, None, 2)), [(20, None, 1500, "plus")]),
    "corrected in the same moment": ((("basic", 900, 0, None, 70), ("plus", 1500, 0, None, 70)), [(0, None, 1500, "plus")]),
    "a wrong rise, corrected": ((("basic", 900, 0, None, 0), ("basic", 9900, 0, None, 50), ("basic", 990, 0, None, 50)), [(0, 50, 900, "basic"), (50, None, 990, "basic")]),
    "corrected without a price": ((("basic", 900, 0, None, 5), ("plus", None, 0, None, 5)), [(0, None, 900, "plus")]),
    "a past that is told after the present": ((("plus", 1500, 0, None, 40), ("basic", 900, 0, None, 0)), [(0, 40, 900, "basic"), (40, None, 1500, "plus")]),
    "void": ((("basic", 900, 0, None, 0), ("basic", 900, 0, 0, 3)), []),
    "never a price": ((("basic", None, 0, None, 0),), []),
    "not begun": ((("basic", 900, 120, None, 0),), []),
    "known too late": ((("basic", 900, 0, None, 0), ("basic", 1100, 0, None, 101)), [(0, None, 900, "basic")]),
    "an end that is still to come": ((("basic", 900, 0, 130, 30),), [(0, None, 900, "basic")]),
}  # fmt: skip


@pytest.fixture
def session(minimal_app: Flask) -> Iterator[Session]:
    assert minimal_app
    with unit_of_work() as opened:
        opened.add(Feed(id=1, name="billing", created_at=FIRST))
        yield opened


def state(session: Session, number: int, said: tuple[Said, ...], currency: str | None = "EUR") -> None:
    session.add(Customer(id=number, created_at=FIRST, updated_at=FIRST))
    session.flush()
    for plan, price, started, ended, known in said:
        session.add(
            Subscription(
                key=number.to_bytes(16), customer_id=number, feed_id=1, plan=plan, revenue_minor=price, currency=currency,
                started_at=FIRST + started * DAY, ended_at=None if ended is None else FIRST + ended * DAY, received_at=FIRST + known * DAY,
            )
        )  # fmt: skip
        session.flush()


def test_each_story_is_that_told_by_hand(session: Session, settings: Settings) -> None:
    for number, (said, _) in enumerate(TOLD.values(), start=1):
        state(session, number, said)
    found, told = spans.read(session, settings, FIRST + 100 * DAY)
    rows = [
        (int(who), (int(start) - FIRST) // DAY, None if end == spans.NEVER else (int(end) - FIRST) // DAY, int(price), told["plans"][plan])
        for who, start, end, price, plan in zip(*found.values(), strict=True)
    ]  # fmt: skip
    for number, (words, (_, expected)) in enumerate(TOLD.items(), start=1):
        assert [row[1:] for row in rows if row[0] == number] == expected, words
    assert rows == sorted(rows, key=lambda row: row[:2])


def test_another_currency_is_counted_once_for_each_subscription(session: Session, settings: Settings) -> None:
    rising = TOLD["a price that rises"][0]
    for number in (1, 2):
        state(session, number, rising)
    state(session, 3, rising, "USD")
    found, told = spans.read(session, settings, FIRST + 100 * DAY)
    assert (told["currency"], told["other_currency"]) == ("EUR", 1)
    assert found["span_customer"].tolist() == [1, 1, 2, 2]


# ------------------------------------------------------------------------------------ any statements

END = 400
EDGES = np.arange(0, END + 1, 40)
"""Ten months of forty days, and the end of the data with the last of them."""


@dataclass(frozen=True)
class Statement:
    """A statement as `spans.of_one` reads it, in days."""

    started_at: int
    ended_at: int | None
    received_at: int
    revenue_minor: int | None
    plan: str | None
    customer_id: int = 1
    currency: str | None = None
    key: bytes = b"k"


DAYS = st.integers(0, END - 1)
SOME = st.builds(
    Statement,
    started_at=st.sampled_from([0, 30, 80]),
    ended_at=st.none() | DAYS,
    received_at=DAYS,
    revenue_minor=st.none() | st.integers(0, 5),
    plan=st.sampled_from([None, "basic", "plus"]),
)
STATED = st.lists(SOME, min_size=1, max_size=6).map(lambda said: sorted(said, key=lambda one: one.received_at))


def cut(*subscriptions: list[Statement]) -> list[spans.Span]:
    return [span for said in subscriptions for span in spans.of_one(said, "EUR", END)]


def bridged(*subscriptions: list[Statement]) -> Bridge:
    found = sorted(cut(*subscriptions), key=lambda one: (one.customer, one.start))
    columns = [[getattr(one, name) for one in found] for name in ("customer", "start", "end", "revenue")]
    who, start, end, revenue = (np.array(column, np.int64) for column in columns)
    return bridge(Subscriptions(who, start, end, revenue, start, end), EDGES, as_of=END + 1, data_end=END, trailing=3)


def said_at(said: list[Statement], moment: int) -> int | None:
    """Return the price that holds at a moment, straight from the rule: the last one told by then, the first where none was told by then."""
    start, end = said[-1].started_at, said[-1].ended_at
    told = [one for one in said if one.revenue_minor is not None]
    if not told or moment < start or (end is not None and (moment >= end or end <= start)):
        return None
    earliest = told[0].received_at
    return [one for one in told if one.received_at <= max(moment, earliest)][-1].revenue_minor


@given(STATED)
def test_spans_hold_at_each_moment_what_was_said_of_it(said: list[Statement]) -> None:
    found = cut(said)
    for moment in range(END):
        holding = [span.revenue for span in found if span.start <= moment < span.end]
        expected = said_at(said, moment)
        assert holding == ([] if expected is None else [expected])
    for one, following in itertools.pairwise(found):
        assert one.end == following.start
        assert (one.revenue, one.plan) != (following.revenue, following.plan)


@given(st.lists(STATED, min_size=1, max_size=5))
def test_every_month_opens_with_what_the_last_one_closed_and_its_movements_add_up(many: list[list[Statement]]) -> None:
    people = [[replace(one, customer_id=number // 2) for one in said] for number, said in enumerate(many)]
    found = bridged(*people)
    assert (found.opening + found.movements.sum(axis=1) == found.closing).all()
    assert (found.closing[:-1] == found.opening[1:]).all()
    for place, moment in enumerate(EDGES[1:].tolist()):
        assert found.closing[place] == sum(said_at(said, moment - 1) or 0 for said in people)
    shares = np.isfinite(found.net_retention)
    assert (found.gross_retention[shares] <= np.minimum(found.net_retention[shares], 1.0)).all()


@given(STATED, SOME)
@example([Statement(0, None, 0, 1, "basic")], Statement(0, None, 39, 5, "plus"))
@example([Statement(0, None, 0, 1, "basic")], Statement(0, None, 40, 5, "plus"))
def test_a_later_statement_changes_no_month_before_its_effect(said: list[Statement], later: Statement) -> None:
    newest = said[-1]
    later = replace(later, received_at=max(later.received_at, newest.received_at + 1))
    ends = {one.ended_at for one in (newest, later) if one.ended_at is not None}
    effect = min([later.received_at, *(ends if newest.ended_at != later.ended_at else ())])
    if newest.started_at != later.started_at or all(one.revenue_minor is None for one in said):
        effect = min(newest.started_at, later.started_at, effect)
    before, after = bridged(said), bridged([*said, later])
    untouched = EDGES[1:] <= effect
    assert (before.closing == after.closing)[untouched].all()
    assert (before.movements == after.movements)[untouched].all()
    assert (before.counts == after.counts)[untouched].all()


@given(STATED, SOME)
def test_a_statement_of_the_same_moment_stands_for_the_one_that_it_corrects(
    said: list[Statement], right: Statement
) -> None:
    right = replace(
        right, received_at=said[-1].received_at, revenue_minor=right.revenue_minor or 1, plan=right.plan or "plus"
    )
    others = [one for one in said if one.received_at < right.received_at]
    assert cut([*said, right]) == cut([*others, right])


def test_an_unbroken_time_begins_once_whatever_it_costs() -> None:
    rows = [(1, 0, 50), (1, 50, 90), (1, 91, 95), (2, 10, spans.NEVER), (2, 20, 30), (2, 40, spans.NEVER), (3, 5, 6)]
    customer, start, end = np.array(rows, np.int64).T
    assert spans.unbroken(customer, start, end).tolist() == [0, 0, 91, 10, 10, 10, 5]
    none = np.zeros(0, np.int64)
    assert spans.unbroken(none, none, none).tolist() == []
