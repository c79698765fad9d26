"""Segments to begin with: those that a box can answer, once, and never beside somebody's own."""

from __future__ import annotations

import pytest

from retainstream.db import read_unit, unit_of_work
from retainstream.models import EventKind
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.segments import examples, standing
from tests.services.segments.people import Person


def test_a_box_gets_those_that_it_can_answer(people: list[Person]) -> None:
    assert people
    with unit_of_work() as session:
        assert examples.keep(session, SYSTEM) == 2
    with read_unit() as session:
        assert [one.problem for one in standing.every(session)] == ["", ""]
    with unit_of_work() as session:
        for name in ("payment_failed", "payment_succeeded"):
            session.add(EventKind(name=name, created_at=1))
        revisions.bump(session, "events")
        assert examples.keep(session, SYSTEM) == 0


@pytest.mark.usefixtures("minimal_app")
def test_an_empty_box_gets_none() -> None:
    with unit_of_work() as session:
        assert examples.keep(session, SYSTEM) == 0
