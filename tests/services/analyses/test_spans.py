"""Spans at one price: told by hand from statements, and never more at any moment than what was known to hold then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import unit_of_work
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
    "all at once, as of a file": ((("basic", 900, 0, None, 70), ("plus", 1500, 0, None, 70)), [(0, 70, 900, "basic"), (70, None, 1500, "plus")]),
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
