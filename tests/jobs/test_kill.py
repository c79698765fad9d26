"""SIGKILL of the job's process, of its parent, and of both, at random points: in the end the count is exact and no process is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from retainstream.config import ROOT, Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.runner import child_environment
from retainstream.models import JobRun, OutboxMessage
from retainstream.security.actor import COMMAND
from retainstream.services import jobs

STEPS = 40


class Box:
    """Servers' backgrounds as real processes on one database."""

    def __init__(self, settings: Settings) -> None:
        self.environment = child_environment(replace(settings, job_lease_seconds=2, jobs=True), os.environ, 1)
        self.servers: list[subprocess.Popen[bytes]] = []
        self.seen: set[int] = set()

    def start_server(self) -> None:
        self.servers.append(
            subprocess.Popen([sys.executable, "-m", "tests.jobs.leading"], cwd=ROOT, env=self.environment)
        )

    def job_processes(self) -> list[int]:
        """Return the live job processes of this box's servers: direct children, found in /proc."""
        parents = {server.pid for server in self.servers}
        found = [pid for pid in _processes() if _parent(pid) in parents and b"tests.jobs.counting" in _command(pid)]
        self.seen.update(found)
        return found

    def kill(self, *victims: str) -> None:
        """Kill the named ones of `child`, `parent` without warning; a killed server is replaced."""
        pids = self.job_processes() if "child" in victims else []
        if "parent" in victims:
            pids = [self.servers[0].pid, *pids]
        for pid in pids:
            _kill(pid)
        if "parent" in victims:
            self.servers.pop(0).wait(10)
            self.start_server()

    def close(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait(10)
        self.servers.clear()


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def box(minimal_app: Flask, settings: Settings) -> Iterator[Box]:
    made = Box(settings)
    yield made
    made.close()


def the_job() -> JobRun:
    with read_unit() as session:
        return session.scalars(select(JobRun)).one()


def counted() -> int:
    with read_unit() as session:
        return session.scalar(select(func.count()).select_from(OutboxMessage)) or 0


def queue_counting() -> None:
    with unit_of_work() as session:
        jobs.enqueue(session, COMMAND, "count", {"steps": STEPS, "pause": 0.04})
        session.execute(update(JobRun).values(max_attempts=100))


def see_to_the_end(box: Box, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while the_job().state != "succeeded":
        assert time.monotonic() < end, f"the job is {the_job().state} with {counted()} rows"
        box.job_processes()
        time.sleep(0.05)
    assert counted() == STEPS, "a step was lost or done twice"
    with read_unit() as session:
        order = session.execute(select(OutboxMessage.payload).order_by(OutboxMessage.id)).scalars().all()
    assert [row["step"] for row in order] == list(range(STEPS))
    generations = [int(str(row["generation"])) for row in order]
    assert generations == sorted(generations), "an older run committed after a newer one"


@pytest.mark.parametrize(
    ("victims", "seed"),
    [(("child",), 1), (("parent",), 2), (("parent", "child"), 3)],
    ids=["child", "parent", "everything"],
)
def test_killed_at_random_points(box: Box, victims: tuple[str, ...], seed: int) -> None:
    moments = random.Random(seed)
    queue_counting()
    box.start_server()
    box.start_server()
    for _ in range(2):
        wanted = counted() + moments.randrange(1, STEPS // 5)
        end = time.monotonic() + 40
        while counted() < wanted:
            assert time.monotonic() < end, f"nothing goes on: the job is {the_job().state}"
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.06))
        box.kill(*victims)
    see_to_the_end(box)
    assert the_job().generation > 1


def test_no_job_process_outlives_its_server(box: Box) -> None:
    queue_counting()
    box.start_server()
    end = time.monotonic() + 30
    while counted() < 3 and time.monotonic() < end:
        time.sleep(0.02)
    (orphan,) = box.job_processes()
    box.close()
    while orphan in _processes() and b"counting" in _command(orphan):
        assert time.monotonic() < end, "the job's process went on without its server"
        time.sleep(0.02)
    assert counted() < STEPS
