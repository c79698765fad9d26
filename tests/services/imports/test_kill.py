"""An import or undo whose process is killed by SIGKILL in the middle: all or nothing to readers, and whole after the next attempt.

The child kills itself just before its k-th SQL statement, so that points inside and between transactions are met without any clock.
"""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.security.actor import SYSTEM
from retainstream.services.imports import batches
from tests.services.imports.doomed import run_child
from tests.services.imports.loading import DATA, Loader, rows_in, searched, seen, table

ROWS_AT_ONCE = 20
HEADER = "customer_id,email,usage,churn"


def rows(count: int, shift: int) -> list[str]:
    return [
        f"K{n:04d},k{n}-{shift}@example.com,{n % 19 + shift},{'Yes' if (n + shift) % 4 == 0 else 'No'}"
        for n in range(count)
    ]


@pytest.fixture
def loader(minimal_app: Flask, settings: Settings) -> Loader:
    return Loader(settings)


def state_of() -> tuple[dict[str, Any], dict[str, int]]:
    """Return what readers see, without the surrogate ids of versions, and how many rows there are."""
    return {
        user: {key: value for key, value in one.items() if key != "version"} for user, one in seen().items()
    }, rows_in(*DATA)


def queue_again() -> None:
    """Do what the box does once the lease of a dead job has run out."""
    with unit_of_work() as session:
        session.execute(text("UPDATE job_runs SET lease_until = 0 WHERE state = 'running'"))


@pytest.mark.parametrize("kind", ["import", "undo"])
def test_killed_at_any_statement_it_is_all_or_nothing_and_then_whole(
    loader: Loader, settings: Settings, kind: str, tmp_path: Path
) -> None:
    counter = tmp_path / "statements"
    loader.load(table(HEADER, rows(60, 0)))
    before = state_of()
    second = table(HEADER, rows(110, 1))

    def queue() -> int:
        number = loader.queue(second)
        if kind == "undo":
            assert loader.run()["state"] == "succeeded"
            with unit_of_work() as session:
                batches.queue_undo(session, SYSTEM, number)
        return number

    start = queue() and state_of()
    assert run_child(settings, 0, counter, ROWS_AT_ONCE) == 0
    end = state_of()
    assert (end == before) == (kind == "undo") and end != start
    if kind == "import":
        loader.undo(2)
        assert state_of() == before
    statements = int(counter.read_text())
    chance = random.Random(20_260_131)
    for fatal in sorted(chance.sample(range(1, statements), 3)):
        number = queue()
        assert run_child(settings, fatal, counter, ROWS_AT_ONCE) == -signal.SIGKILL
        assert seen_only(start, end)
        queue_again()
        run_queued(settings)  # nothing, where the job was over already
        assert state_of() == end, f"after a kill at statement {fatal} of {statements}"
        assert searched("@example.com") == set(end[0]), f"after a kill at statement {fatal} of {statements}"
        with read_unit() as session:
            assert batches.get(session, number).state == ("applied" if kind == "import" else "undone")
        if kind == "import":
            loader.undo(number)


def seen_only(start: tuple[dict[str, Any], dict[str, int]], end: tuple[dict[str, Any], dict[str, int]]) -> bool:
    """Tell whether readers see exactly the state before or the one after."""
    return state_of()[0] in (start[0], end[0])
