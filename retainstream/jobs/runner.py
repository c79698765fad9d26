"""The parent's side of a job: claim it, start its process, keep the lease while that lives, end it when it must end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import Enum

from flask import Flask
from sqlalchemy.orm import Session

from retainstream.config import PREFIX, ROOT, Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy
from retainstream.jobs.execution import record
from retainstream.lib import clock
from retainstream.services import jobs
from retainstream.services.imports import turns

log = logging.getLogger("retainstream.jobs")

LOOK_SECONDS = 0.4
CANCEL_GRACE_SECONDS = 10.0
TIDYING_GRACE_SECONDS = 120.0  # an import that stops takes its rows away first, some thousands in each transaction
TERM_GRACE_SECONDS = 5.0
OVERTIME_SECONDS = 60.0
_LOADING = ("import", "undo")


class _NotIdle(Exception):
    """Another job began, or the server stops: what was left half-way is theirs to settle."""


class Ending(Enum):
    """Why the parent stopped to wait for its child."""

    EXITED = "exited"
    LOST = "lost"
    STOPPED = "stopped"
    TOO_LONG = "too long"


def owner_name() -> str:
    """Return how this process calls itself in the rows it claims."""
    return f"{socket.gethostname()}:{os.getpid()}"


def child_environment(settings: Settings, environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment of a job's process: the settings in force, and threads that sleep while they wait."""
    kept = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if value != item.default:
            kept[PREFIX + item.name.upper()] = (
                ",".join(value) if isinstance(value, tuple) else str(int(value) if isinstance(value, bool) else value)
            )
    kept.pop("PROMETHEUS_MULTIPROC_DIR", None)  # the counters there are the workers'
    return {**kept, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


class Runner:
    """Runs one job at a time, each in a process of its own.

    Parameters
    ----------
    app : Flask
        For the database; `run_next` pushes its context.
    child_module : str
        Module that is started as the job's process.
    cancel_grace : float
        Seconds that cancelled work has to notice by itself before it is told by signal.
    tidying_grace : float
        The same for imports and their undoing, which have rows to take away. Beyond it the parent does that after them.
    overtime : float
        Seconds beyond `train_minutes` that a training has to end by itself, with a better explanation, before it is ended.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        *,
        child_module: str = "retainstream.jobs.child",
        cancel_grace: float = CANCEL_GRACE_SECONDS,
        tidying_grace: float = TIDYING_GRACE_SECONDS,
        overtime: float = OVERTIME_SECONDS,
    ) -> None:
        self.app = app
        self.settings = settings
        self.child_module = child_module
        self.cancel_grace = cancel_grace
        self.tidying_grace = tidying_grace
        self.overtime = overtime
        self.current: jobs.Claim | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask `run_next`, in whichever thread it runs, to end the child and give the job back."""
        self._stopping.set()

    def run_next(self) -> bool:
        """Claim the next job and see it through; False when there was none to claim."""
        if self._stopping.is_set():
            return False
        with self.app.app_context():
            with unit_of_work() as session:
                claimed = jobs.claim(session, owner_name(), self.settings.job_lease_seconds)
            if claimed is None:
                return False
            self.current = claimed
            try:
                self._see_through(claimed)
            finally:
                self.current = None
        return True

    def _see_through(self, claimed: jobs.Claim) -> None:
        child = self._start(claimed)
        ending = Ending.LOST
        try:
            ending = self._wait(claimed, child)
        finally:
            _end_process(child)
            if child.stdin is not None:
                child.stdin.close()
        self._settle(claimed, child.returncode, ending)
        if claimed.kind in _LOADING:
            self._tidy_up()

    def _start(self, claimed: jobs.Claim) -> subprocess.Popen[bytes]:
        threads = jobs.threads_at(self.settings, clock.now())
        log.info("job %s (%s) begins, attempt %s", claimed.job_id, claimed.kind, claimed.attempts)
        return subprocess.Popen(
            [sys.executable, "-m", self.child_module, str(claimed.job_id), str(claimed.generation)],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            env=child_environment(self.settings, os.environ, threads),
            start_new_session=True,  # Ctrl-C is for the server, which then ends the child in good order
        )

    def _wait(self, claimed: jobs.Claim, child: subprocess.Popen[bytes]) -> Ending:
        began = beaten = clock.monotonic()
        asked_at: float | None = None
        grace = self.tidying_grace if claimed.kind in _LOADING else self.cancel_grace
        limit = self.settings.train_minutes * 60 + self.overtime if claimed.kind == "train" else None
        while not self._stopping.is_set():
            try:
                child.wait(LOOK_SECONDS)
                return Ending.EXITED
            except subprocess.TimeoutExpired:
                now = clock.monotonic()
            due = now - beaten > self.settings.job_lease_seconds / 4
            stands = self._look(claimed, beat=due)
            beaten = now if due else beaten
            if stands is jobs.Standing.LOST:
                return Ending.EXITED if child.poll() is not None else Ending.LOST
            if stands is jobs.Standing.CANCEL:
                asked_at = now if asked_at is None else asked_at
                if now - asked_at > grace:
                    return Ending.EXITED  # ended by signal; the row says that it was asked to
            if limit is not None and now - began > limit:
                return Ending.TOO_LONG
        return Ending.STOPPED

    def _look(self, claimed: jobs.Claim, *, beat: bool) -> jobs.Standing:
        try:
            if beat:
                with unit_of_work() as session:
                    return jobs.heartbeat(session, claimed, self.settings.job_lease_seconds)
            with read_unit() as session:
                return jobs.standing(session, claimed)
        except Busy:
            return jobs.Standing.HELD  # nobody can take the job over while nobody can write

    def _settle(self, claimed: jobs.Claim, status: int | None, ending: Ending) -> None:
        if ending is Ending.STOPPED:
            record(lambda session: jobs.give_back(session, claimed))
            return
        if ending is Ending.TOO_LONG:
            message = f"The training took longer than {self.settings.train_minutes} minutes (RETAINSTREAM_TRAIN_MINUTES) and was ended."
            record(lambda session: jobs.fail(session, claimed, "took_too_long", message))
            return
        if record(lambda session: jobs.retry_or_fail(session, claimed, _died(status))):
            log.warning("job %s: its process ended with status %s before the work was done", claimed.job_id, status)

    def _tidy_up(self) -> None:
        """Settle an import or undo that ended half-way, so that its rows do not lie there until the next one. A failure is logged only."""
        try:
            if settled := turns.settle_others(self._idle_unit):
                log.info("settled what was left half-way of imports %s", settled)
        except (_NotIdle, Busy):
            log.info("what is left half-way of an import waits for the next one")
        except Exception:
            log.exception("an import could not be settled")

    @contextlib.contextmanager
    def _idle_unit(self) -> Iterator[Session]:
        """Open a writing unit in which no job runs here or in another process, and none waits to go on with what it left."""
        with unit_of_work() as session:
            if self._stopping.is_set() or jobs.loading_unfinished(session):
                raise _NotIdle
            yield session


def _died(status: int | None) -> str:
    if status == -signal.SIGKILL:
        return "The job's process was killed in each of {attempts} attempts; perhaps the machine has too little memory for this much data."
    return "The job's process ended before its work was done in each of {attempts} attempts. The server's log has the details."


def _end_process(child: subprocess.Popen[bytes]) -> None:
    """End a process that still runs: politely, then surely."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(TERM_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
