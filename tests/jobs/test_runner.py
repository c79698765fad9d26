"""One job in a process of its own: results, failures, cancelling, limits, and stopping in good order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.config import Settings, load_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.runner import Runner, child_environment
from retainstream.models import Customer, ImportBatch, JobRun, OutboxMessage
from retainstream.security.actor import COMMAND
from retainstream.services import jobs

CHILD = "tests.jobs.counting"


@pytest.fixture
def runner(minimal_app: Flask, settings: Settings) -> Runner:
    return Runner(minimal_app, replace(settings, job_lease_seconds=2), child_module=CHILD, cancel_grace=0.5)


def queue(kind: str = "count", **payload: object) -> int:
    with unit_of_work() as session:
        return jobs.enqueue(session, COMMAND, kind, payload).id


def row(job_id: int) -> JobRun:
    with read_unit() as session:
        return jobs.get(session, job_id)


def rows_of(job_id: int) -> int:
    with read_unit() as session:
        return session.scalar(select(func.count()).where(OutboxMessage.kind == f"count:{job_id}")) or 0


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_the_work_is_done_in_another_process(runner: Runner) -> None:
    job_id = queue(steps=3, pause=0.01)
    assert runner.run_next()
    done = row(job_id)
    assert (done.state, done.progress, done.attempts) == ("succeeded", 1.0, 1)
    assert done.result is not None
    assert done.result["pid"] != os.getpid()
    assert rows_of(job_id) == 3
    assert runner.run_next() is False


def test_failures_are_told_in_plain_words(runner: Runner) -> None:
    broken, unknown = queue("broken"), queue("no such kind")
    while runner.run_next():
        pass
    assert row(broken).error == {
        "code": "internal_error",
        "message": f"Something went wrong inside the job. The server's log has the details under job {broken}.",
    }
    assert row(unknown).error is not None


def test_a_process_that_dies_each_time_is_given_up(runner: Runner) -> None:
    job_id = queue("die")
    for _ in range(3):
        assert runner.run_next()
    assert runner.run_next() is False
    ended = row(job_id)
    assert (ended.state, ended.attempts) == ("failed", 3)
    assert ended.error is not None
    assert ended.error["code"] == "process_died"


@pytest.mark.parametrize(("kind", "begun"), [("count", "counting"), ("deaf", "starting")])
def test_a_running_job_is_cancelled_whether_it_listens_or_not(runner: Runner, kind: str, begun: str) -> None:
    job_id = queue(kind, steps=10_000, pause=0.01)
    thread = threading.Thread(target=runner.run_next)
    thread.start()
    wait_for(lambda: row(job_id).phase == begun)
    with unit_of_work() as session:
        jobs.cancel(session, COMMAND, job_id)
    thread.join(30)
    assert not thread.is_alive()
    assert row(job_id).state == "cancelled"


def half_way(job_id: int) -> int:
    """Leave an import with a hidden customer half-way, as a job that is ended by signal does."""
    with unit_of_work() as session:
        batch = ImportBatch(
            state="applying", source="api", filename="table.csv", file_sha256="0" * 64, size_bytes=1, mapping={},
            mapping_sha256="0" * 64, on_error="reject", counts={}, warnings=[], created_at=0, job_id=job_id,
        )  # fmt: skip
        session.add(batch)
        session.flush()
        session.add(Customer(batch_id=batch.id, created_at=0, updated_at=0))
        return batch.id


def left_of(batch_id: int) -> tuple[str, int]:
    with read_unit() as session:
        customers = session.scalar(select(func.count()).where(Customer.batch_id == batch_id)) or 0
        return session.get_one(ImportBatch, batch_id).state, customers


def test_what_an_import_ended_by_signal_left_is_settled_by_the_parent(minimal_app: Flask, settings: Settings) -> None:
    runner = Runner(minimal_app, settings, child_module=CHILD, cancel_grace=600, tidying_grace=0.5)
    job_id = queue("import")
    batch_id = half_way(job_id)
    thread = threading.Thread(target=runner.run_next)
    thread.start()
    wait_for(lambda: row(job_id).state == "running")
    with unit_of_work() as session:
        jobs.cancel(session, COMMAND, job_id)
    thread.join(30)
    assert not thread.is_alive()
    assert row(job_id).state == "cancelled"
    assert left_of(batch_id) == ("cancelled", 0)


def test_nothing_is_settled_while_another_process_runs_a_job(minimal_app: Flask, settings: Settings) -> None:
    runner = Runner(minimal_app, settings, child_module=CHILD)
    job_id = queue("import")
    batch_id = half_way(job_id)
    with unit_of_work() as session:
        assert jobs.claim(session, "another", 600) is not None
    runner._tidy_up()  # the moment between two jobs cannot be met from outside
    assert left_of(batch_id) == ("applying", 1)


def test_stopping_ends_the_process_and_gives_the_job_back(runner: Runner) -> None:
    job_id = queue(steps=10_000, pause=0.01)
    thread = threading.Thread(target=runner.run_next)
    thread.start()
    wait_for(lambda: rows_of(job_id) > 2)
    runner.stop()
    thread.join(30)
    after = row(job_id)
    assert (after.state, after.attempts, after.owner) == ("queued", 0, None)
    counted = rows_of(job_id)
    time.sleep(0.3)
    assert rows_of(job_id) == counted, "the process went on"


def test_a_training_that_takes_too_long_is_ended(minimal_app: Flask, settings: Settings) -> None:
    impatient = Runner(minimal_app, replace(settings, train_minutes=0), child_module=CHILD, overtime=0)
    job_id = queue("train")
    impatient.run_next()
    ended = row(job_id)
    assert ended.error is not None
    assert ended.error["code"] == "took_too_long"
    assert "RETAINSTREAM_TRAIN_MINUTES" in str(ended.error["message"])


def test_a_child_reads_the_very_settings_of_its_parent(settings: Settings) -> None:
    odd = replace(
        settings, cors_origins=("https://a.example", "https://b.example"), secure_cookies=True, train_trials=7
    )
    environ = child_environment(odd, {"RETAINSTREAM_TRAIN_TRIALS": "9", "PATH": "/bin"}, threads=2)
    assert load_settings(environ) == odd
    assert (environ["OMP_NUM_THREADS"], environ["OMP_WAIT_POLICY"], environ["PATH"]) == ("2", "PASSIVE", "/bin")
