"""The transaction recipe: read-then-write loses nothing, and units keep apart."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.db import read_unit, unit_of_work
from retainstream.services import revisions


def test_read_then_write_by_four_threads_loses_no_update(minimal_app: Flask) -> None:
    failures: list[BaseException] = []

    def raise_by_one() -> None:
        try:
            with minimal_app.app_context():
                for _ in range(50):
                    with unit_of_work() as session:
                        value = revisions.read(session)["model"]
                        session.execute(text("INSERT OR REPLACE INTO revisions VALUES ('model', :v)"), {"v": value + 1})
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=raise_by_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with read_unit() as session:
        assert revisions.read(session)["model"] == 200


def test_a_failed_unit_leaves_nothing(minimal_app: Flask) -> None:
    with pytest.raises(ValueError, match="no revision"), unit_of_work() as session:
        revisions.bump(session, "scores")
        revisions.bump(session, "nonsense")
    with read_unit() as session:
        assert revisions.read(session)["scores"] == 0


def test_a_reading_unit_keeps_nothing_and_sees_one_snapshot(minimal_app: Flask) -> None:
    with read_unit() as session:
        before = revisions.read(session)["scores"]
        done = threading.Thread(target=_bump, args=(minimal_app,))
        done.start()
        done.join()
        assert revisions.read(session)["scores"] == before
    with read_unit() as session:
        assert revisions.read(session)["scores"] == before + 1


def _bump(app: Flask) -> None:
    with app.app_context(), unit_of_work() as session:
        revisions.bump(session, "scores")


@pytest.mark.parametrize("outer", [unit_of_work, read_unit])
@pytest.mark.parametrize("inner", [unit_of_work, read_unit])
def test_units_cannot_nest(minimal_app: Flask, outer, inner) -> None:
    with outer(), pytest.raises(RuntimeError, match="inside"), inner():
        pass
