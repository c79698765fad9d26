"""Several servers on one box: one leads, another takes over, and no job runs twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs import background
from retainstream.jobs.background import Background
from retainstream.jobs.runner import Runner
from retainstream.lib import clock
from retainstream.models import JobRun, OutboxMessage, Schedule
from retainstream.security.actor import COMMAND
from retainstream.services import jobs

Start = Callable[[], Background]


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(minimal_app: Flask, settings: Settings) -> Iterator[Start]:
    quick = replace(settings, job_lease_seconds=2, jobs=True)
    begun: list[Background] = []

    def begin() -> Background:
        one = Background(minimal_app, quick, Runner(minimal_app, quick, child_module="tests.jobs.counting"))
        begun.append(one)
        one.start()
        return one

    yield begin
    for one in begun:
        one.stop()


def state_of(job_id: int) -> str:
    with read_unit() as session:
        return jobs.get(session, job_id).state


def test_one_leads_and_another_takes_over_in_good_order(start: Start) -> None:
    first = start()
    wait_for(lambda: first.leads)
    second = start()
    with unit_of_work() as session:
        job_id = jobs.enqueue(session, COMMAND, "count", {"steps": 60, "pause": 0.05}).id
    wait_for(lambda: state_of(job_id) == "running")
    assert not second.leads
    first.stop()
    wait_for(lambda: second.leads)
    wait_for(lambda: state_of(job_id) == "succeeded")
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(OutboxMessage)) == 60
        job = jobs.get(session, job_id)
    assert (job.generation, job.attempts) == (2, 1), "given back, so the first attempt does not count"


def test_runners_that_race_run_each_job_once(minimal_app: Flask, settings: Settings) -> None:
    """Even without the lock file, the claim alone lets one runner have a job, and one job run at a time."""
    with unit_of_work() as session:
        ids = [jobs.enqueue(session, COMMAND, "count", {"steps": 2, "pause": 0}).id for _ in range(3)]
    runners = [Runner(minimal_app, settings, child_module="tests.jobs.counting") for _ in range(3)]

    def work(runner: Runner) -> None:
        end = time.monotonic() + 30
        while any(state_of(job_id) != "succeeded" for job_id in ids) and time.monotonic() < end:
            runner.run_next() or time.sleep(0.01)

    def in_context(runner: Runner) -> None:
        with minimal_app.app_context():
            work(runner)

    threads = [threading.Thread(target=in_context, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read_unit() as session:
        rows = session.scalars(select(JobRun).order_by(JobRun.started_at)).all()
        counted = session.execute(select(OutboxMessage.kind, func.count()).group_by(OutboxMessage.kind)).all()
    assert [(job.generation, job.attempts, job.state) for job in rows] == [(1, 1, "succeeded")] * 3
    assert {count for _, count in counted} == {2}
    for earlier, later in itertools.pairwise(rows):
        assert earlier.finished_at is not None
        assert later.started_at is not None
        assert later.started_at >= earlier.finished_at


def test_the_leader_takes_back_what_the_dead_held_and_queues_what_is_due(start: Start) -> None:
    yesterday = clock.now_us() - 2 * clock.DAY_US
    with unit_of_work() as session:
        job_id = jobs.enqueue(session, COMMAND, "count", {"steps": 1, "pause": 0}).id
        assert jobs.claim(session, "a dead server", 0) is not None
        session.add(
            Schedule(name="test", kind="count", at="00:00", payload={"steps": 1, "pause": 0}, last_queued_at=yesterday)
        )
    start()
    wait_for(lambda: state_of(job_id) == "succeeded")

    def scheduled() -> list[JobRun]:
        with read_unit() as session:
            return list(session.scalars(select(JobRun).where(JobRun.dedupe_key == "schedule:test")))

    wait_for(lambda: [job.state for job in scheduled()] == ["succeeded"])


def test_jobs_switched_off_start_nothing(
    minimal_app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    background.register(minimal_app)
    assert not minimal_app.extensions[background.EXTENSION].leads
    assert "background" not in {thread.name for thread in threading.enumerate()}


def test_a_broken_table_does_not_stop_the_clock(start: Start) -> None:
    with unit_of_work() as session:
        session.add(Schedule(name="odd", kind="count", at="never", payload={}, last_queued_at=0))
        job_id = jobs.enqueue(session, COMMAND, "count", {"steps": 1, "pause": 0}).id
    start()
    wait_for(lambda: state_of(job_id) == "succeeded")
    with unit_of_work() as session:
        session.execute(update(Schedule).values(enabled=False))
