"""What is on record, as counts that are kept: an import that shows its rows at its end is seen at once, however long counting takes."""

from __future__ import annotations

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.services import revisions
from retainstream.services.as_of import facts
from tests.services.as_of import happened

pytestmark = pytest.mark.usefixtures("minimal_app")


@pytest.fixture(autouse=True)
def slow_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every count takes long, so that figures are kept for ten minutes."""
    monkeypatch.setattr(facts, "_LONG_COUNT", -1.0)


def counted() -> dict[str, int]:
    with read_unit() as session:
        return {name: kind.n for name, kind in facts.on_record(session).kinds.items()}


def test_a_first_import_that_was_looked_at_while_it_ran_is_seen_when_it_ends(minimal_app: Flask) -> None:
    with unit_of_work() as session:
        load, ada = happened.batch(session), happened.customer(session, "ada")
        happened.event(session, ada, "login", batch_id=load)
    assert counted() == {}
    with unit_of_work() as session:
        happened.turn(session, load, "applied")
    assert counted() == {"login": 1}


def test_more_of_kinds_that_are_known_is_counted_later(minimal_app: Flask) -> None:
    with unit_of_work() as session:
        ada = happened.customer(session, "ada")
        happened.event(session, ada, "login")
    assert counted() == {"login": 1}
    with unit_of_work() as session:
        load = happened.batch(session)
        happened.event(session, ada, "login", 1, batch_id=load)
        happened.turn(session, load, "applied")
    assert counted() == {"login": 1}
    with unit_of_work() as session:
        happened.event(session, ada, "watch", 2)
        revisions.bump(session, "events")
    assert counted() == {"login": 2, "watch": 1}
