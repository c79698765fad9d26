"""A load or its undo whose process is killed by SIGKILL in the middle: all or nothing to readers, nothing lost or doubled after the next attempt.

The child kills itself just before its k-th SQL statement or commit, so that points inside and between transactions are met without any clock.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.security.actor import SYSTEM
from retainstream.services.events.preview import Asked
from retainstream.services.imports import batches, turns
from tests.services.events.filing import Filer, events_seen, people_seen, rows_in, statements_seen
from tests.services.imports.doomed import run_child
from tests.services.imports.loading import searched

ROWS_AT_ONCE = 40
EARLIER = "user_id,event,at\n" + "".join(f"k{n % 9},login,2024-02-{n % 28 + 1:02d}\n" for n in range(30))
EVENTS = "user_id,event,at\n" + "".join(f"k{n % 17},watch,2024-03-{n % 5 + 1:02d}\n" for n in range(130))
SUBSCRIPTIONS = "customer_id,plan,price,start,end\n" + "".join(
    f"k{n},gold,9.5,2024-01-01,{'2024-05-01' if n % 2 else ''}\n" for n in range(60)
)


@pytest.fixture
def filer(minimal_app: Flask, settings: Settings) -> Filer:
    return Filer(settings)


def state() -> tuple[Any, ...]:
    """Return what readers see: events with how often each is there, statements, and customers without the times of loading."""
    return events_seen(), statements_seen(), people_seen()


@pytest.mark.parametrize(("target", "undo"), [("events", False), ("events", True), ("subscriptions", False)])
def test_killed_at_any_statement_it_is_all_or_nothing_and_then_whole(
    filer: Filer, settings: Settings, target: str, undo: bool, tmp_path: Path
) -> None:
    counter = tmp_path / "statements"
    filer.counts("events", EARLIER, Asked(feed="earlier"))
    before, rows = state(), rows_in()
    content = EVENTS if target == "events" else SUBSCRIPTIONS

    def queue() -> int:
        number = filer.queue(target, content)
        if undo:
            assert filer.run()["state"] == "succeeded"
            with unit_of_work() as session:
                batches.queue_undo(session, SYSTEM, number)
        return number

    number, start = queue(), state()
    assert run_child(settings, 0, counter, ROWS_AT_ONCE) == 0
    end, end_rows = state(), rows_in()
    assert end != start and (end == before) == undo
    statements = int(counter.read_text())
    if not undo:
        filer.undo(number)
    assert (state(), rows_in()) == (before, rows)
    for fatal in sorted(random.Random(20_260_227).sample(range(1, statements), 4)):
        number = queue()
        assert run_child(settings, fatal, counter, ROWS_AT_ONCE) == -signal.SIGKILL
        assert state() in (start, end), f"half of it was seen after a kill at statement {fatal} of {statements}"
        with unit_of_work() as session:
            session.execute(text("UPDATE job_runs SET lease_until = 0 WHERE state = 'running'"))
        run_queued(settings)  # nothing, where the job was over already
        assert (state(), rows_in()) == (end, end_rows), f"after a kill at statement {fatal} of {statements}"
        assert searched("k12") == {row[0] for row in end[2] if "k12" in row[0]}
        with read_unit() as session:
            assert batches.get(session, number).state == ("undone" if undo else "applied")
        if not undo:
            filer.undo(number)
            assert (state(), rows_in()) == (before, rows)


def test_a_load_that_was_given_up_is_cleared_by_whoever_comes_next(filer: Filer, settings: Settings, tmp_path: Path) -> None:  # fmt: skip
    number = filer.queue("events", EVENTS)
    assert run_child(settings, 0, tmp_path / "statements", ROWS_AT_ONCE) == 0
    filer.undo(number)
    number = filer.queue("events", EVENTS)
    fatal = int((tmp_path / "statements").read_text()) * 2 // 3
    assert run_child(settings, fatal, tmp_path / "n", ROWS_AT_ONCE) == -signal.SIGKILL
    assert rows_in("events")["events"] > 0 and events_seen() == Counter()
    with unit_of_work() as session:
        session.execute(text("UPDATE job_runs SET state = 'failed' WHERE state = 'running'"))
    assert turns.settle_others(unit_of_work) == [number]
    assert set(rows_in().values()) == {0}
