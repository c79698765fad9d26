"""Jobs whose process kills (or stops) itself at a chosen point, and a clean process that takes them over once their lease ran out.

Processes come from a fork server that has the heavy libraries loaded already: each is real, and there in a moment. A point is met in one of the
job's own terms (after so many statements, files of columns, or seconds since a report of progress), so that points lie inside and between
transactions, inside computations, and between the files of the column cache. What is on record afterwards is `tests.jobs.on_record`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sqlalchemy import event, select, update

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.jobs import inline
from retainstream.models import JobRun
from retainstream.services import jobs

LEASE_SECONDS = 1
UNITS = ("statements", "files", "seconds")
PATIENCE = 120
_servers = multiprocessing.get_context("forkserver")
_servers.set_forkserver_preload(["tests.jobs.warm"])


def settings_of(folder: Path) -> Settings:
    """Return the settings of a box of these tests: a short lease, and trainings of one trial."""
    return Settings(
        instance=str(folder), secret_key="s" * 40, bcrypt_cost=4, jobs=False, train_trials=1, log_level="critical",
        job_lease_seconds=LEASE_SECONDS,
    )  # fmt: skip


@dataclass(frozen=True)
class Point:
    """Where a process dies: after `count` of `unit` since the `nth` report (from 1) of `phase`, which is `kind of job:phase`."""

    phase: str
    nth: int = 1
    unit: str = "seconds"
    count: float = 0.0
    signal: int = signal.SIGKILL

    def __str__(self) -> str:
        much = f"{self.count * 1000:.0f} ms" if self.unit == "seconds" else f"{self.count:.0f} {self.unit}"
        return f"{self.phase} #{self.nth} + {much}"


@dataclass
class Stretch:
    """What happened between a report of progress and the next one, in an undisturbed run."""

    phase: str
    nth: int
    statements: int = 0
    files: int = 0
    seconds: float = 0.0

    def point(self, draw: random.Random, unit: str | None = None) -> Point:
        """Return a point inside, by the unit given or one that is drawn."""
        there = [one for one in UNITS if getattr(self, one) > 0]
        chosen = unit if unit in there else draw.choice(there)
        most = getattr(self, chosen)
        return Point(
            self.phase, self.nth, chosen, draw.uniform(0, 0.8 * most) if chosen == "seconds" else draw.randint(1, most)
        )


class _Fate:
    """Counts what the process does, and ends it at the point."""

    def __init__(self, point: Point | None, folder: Path) -> None:
        self.point, self.folder = point, str(folder)
        self.log: list[Stretch] = [Stretch("start", 1)]
        self.since = time.monotonic()
        self.armed = False

    def report(self, phase: str) -> None:
        now = time.monotonic()
        self.log[-1].seconds, self.since = now - self.since, now
        nth = 1 + sum(one.phase == phase for one in self.log)
        self.log.append(Stretch(phase, nth))
        self.armed = self.point is not None and (self.point.phase, self.point.nth) == (phase, nth)
        if self.armed and self.point is not None and self.point.unit == "seconds":
            if self.point.count:
                timer = threading.Timer(self.point.count, self.strike)
                timer.daemon = True
                timer.start()
            else:
                self.strike()

    def statement(self, *_: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # heartbeats come when they come
        self.log[-1].statements += 1
        self._meet("statements", self.log[-1].statements)

    def audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(self.folder):
            self.log[-1].files += 1
            self._meet("files", self.log[-1].files)

    def _meet(self, unit: str, number: int) -> None:
        if self.armed and self.point is not None and self.point.unit == unit and number == self.point.count:
            self.strike()

    def strike(self) -> None:
        assert self.point is not None
        os.kill(os.getpid(), self.point.signal)


def _small_steps() -> None:
    """Make every block so small that a little box has many of them, and write down each report, so that statements are counted alike."""
    from retainstream.services.as_of import cache
    from retainstream.services.events import loading
    from retainstream.services.imports import turns
    from retainstream.services.jobs import context
    from retainstream.services.performance import judging
    from retainstream.services.scoring import computing, writing

    computing._CHUNK, writing._WRITE, judging._WRITE = 60, 25, 40
    writing._ERASE_SPAN = judging._ERASE_SPAN = 200
    loading.CHUNK_ROWS = turns.CHUNK = turns.EVENTS_AT_ONCE = 700
    cache.WORTH_KEEPING = 200
    context.REPORT_EVERY_SECONDS = 0.0


def live(folder: Path, point: Point | None, log: Path) -> None:
    """Do every job that can be had, as a process of its own does, and wait for those whose holder may be dead."""
    _small_steps()
    settings = settings_of(folder)
    app = create_minimal_app(settings)
    fate = _Fate(point, folder / "columns")
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", fate.statement)
        event.listen(db.engine, "commit", fate.statement)
        sys.addaudithook(fate.audited)
        while True:
            with unit_of_work() as session:
                jobs.requeue_expired(session)
                claimed = jobs.claim(session, inline.owner_name(), settings.job_lease_seconds)
            if claimed is None:
                with read_unit() as session:
                    if session.scalar(select(JobRun.id).where(JobRun.state == "running")) is None:
                        break
                time.sleep(0.05)
                continue
            kind = claimed.kind
            fate.report(f"{kind}:claimed")
            inline.run_claimed(claimed, settings, lambda phase, _, kind=kind: fate.report(f"{kind}:{phase}"), 1)  # type: ignore[misc]
        db.engine.dispose()
    log.write_text(json.dumps([vars(one) for one in fate.log]))


def start(folder: Path, point: Point | None = None) -> BaseProcess:
    """Start a process on a box."""
    process = _servers.Process(target=live, args=(folder, point, folder / "log.json"), daemon=True)
    process.start()
    return process


def live_undisturbed(folder: Path) -> list[Stretch]:
    """Let a process do all that is queued, taking over what a dead one holds; return what it did between its reports."""
    process = start(folder)
    process.join(PATIENCE)
    assert process.exitcode == 0, f"the process ended with {process.exitcode}"
    return [Stretch(**one) for one in json.loads((folder / "log.json").read_text())]


def die(folder: Path, point: Point) -> bool:
    """Let a process work until it dies; False when it was through before its time came."""
    process = start(folder, point)
    process.join(PATIENCE)
    assert process.exitcode in (-signal.SIGKILL, 0), f"the process ended with {process.exitcode}"
    return process.exitcode != 0


def expire_leases() -> None:
    """Let a dead process's lease run out at once; needs the box open."""
    with unit_of_work() as session:
        session.execute(update(JobRun).where(JobRun.state == "running").values(lease_until=0))


def wait_until_stopped(process: BaseProcess) -> None:
    """Wait until a process stands still, as one whose machine sleeps."""
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < end and process.is_alive(), "the process did not stop"
        time.sleep(0.02)


def stretches(log: Sequence[Stretch], *phases: str) -> list[Stretch]:
    """Return the stretches of some phases."""
    found = [one for one in log if one.phase in phases]
    assert {one.phase for one in found} == set(phases), f"there are only {sorted({one.phase for one in log})}"
    return found


@contextmanager
def box(folder: Path) -> Iterator[Settings]:
    """Open a box in this process."""
    settings = settings_of(folder)
    with create_minimal_app(settings).app_context():
        try:
            yield settings
        finally:
            db.engine.dispose()


def prepare(folder: Path, base: Path, queue: Callable[[Settings], object]) -> Path:
    """Make a box from a database file and queue something on it."""
    folder.mkdir(parents=True)
    settings_of(folder).database_file.write_bytes(base.read_bytes())
    with box(folder) as settings:
        queue(settings)
    return folder
