"""Columns that look back stay while only later things come in, and go when something of earlier times does."""

from __future__ import annotations

import pytest

from retainstream.db import read_unit, unit_of_work
from retainstream.services import revisions
from retainstream.services.segments import arrivals
from tests.services.as_of import happened

pytestmark = pytest.mark.usefixtures("minimal_app")
MOMENT = happened.START + 10 * happened.DAY


def state(moment: int = MOMENT) -> tuple[object, ...]:
    with read_unit() as session:
        return arrivals.state(session, moment, revisions.read(session))


@pytest.fixture
def person() -> int:
    with unit_of_work() as session:
        one = happened.customer(session, "a")
        happened.event(session, one, day=1)
    return one


def test_what_is_received_later_changes_nothing(person: int) -> None:
    before = state()
    assert state() == before
    with unit_of_work() as session:
        happened.event(session, person, day=10)
        happened.event(session, person, day=2, late=9)
        happened.statement(session, person, "k", 3, received=12)
    assert state() == before
    assert state(MOMENT + happened.DAY) != before


def test_what_was_known_earlier_changes_it(person: int) -> None:
    before = state()
    with unit_of_work() as session:
        happened.event(session, person, day=12)
        happened.event(session, person, day=9)
    after = state()
    assert after != before
    assert state() == after
    with unit_of_work() as session:
        happened.statement(session, person, "k", 3)
    assert state() != after


def test_a_load_changes_it_when_it_is_shown_or_taken_back(person: int) -> None:
    before = state()
    with unit_of_work() as session:
        load = happened.batch(session)
        happened.event(session, person, day=2, batch_id=load)
    loading = state()
    with unit_of_work() as session:
        happened.turn(session, load, "applied")
    shown = state()
    with unit_of_work() as session:
        happened.turn(session, load, "undone")
    assert len({before, loading, shown, state()}) == 4


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_load_that_came_to_nothing_is_forgotten(person: int, end: str) -> None:
    with unit_of_work() as session:
        happened.turn(session, happened.batch(session), end)
    before = state()
    with unit_of_work() as session:
        happened.event(session, person, day=12)
    assert state() == before


def test_a_reader_from_before_has_a_state_of_its_own(person: int) -> None:
    newer = state()
    with unit_of_work() as session:
        happened.event(session, person, day=12)
    assert state() == newer
    with read_unit() as session:
        counters = revisions.read(session)
        assert arrivals.state(session, MOMENT, {**counters, "events": counters["events"] - 1}) != newer
    assert state() == newer
