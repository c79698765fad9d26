"""The background of a server: of all its workers the one that holds the lock file leads, and does what the clock and the queue ask for.

Started in a worker after its fork (see gunicorn.conf.py) or in the reloading development server; never by commands or tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from flask import Flask

from retainstream.config import Settings
from retainstream.db import empty_log, read_unit, unit_of_work
from retainstream.errors import Busy
from retainstream.jobs.runner import Runner
from retainstream.jobs.warmth import Warmth
from retainstream.lib import clock
from retainstream.services import feeds, jobs, registry, score_history
from retainstream.services.events import standing
from retainstream.services.imports import files as upload_files
from retainstream.services.reports import files as report_files
from retainstream.services.reports import schedules as report_schedules

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger("retainstream.jobs")

EXTENSION = "retainstream_background"
LOCK_NAME = "leader.lock"
QUEUE_SECONDS = 0.5
SCHEDULE_SECONDS = 20
HOUSEKEEPING_SECONDS = 3600
CANDIDATE_SECONDS = 1.0
STOP_SECONDS = 15.0


class Background:
    """The candidate of one process for leading, and its work while it leads."""

    def __init__(self, app: Flask, settings: Settings, runner: Runner | None = None) -> None:
        self.app = app
        self.settings = settings
        self.runner = runner or Runner(app, settings)
        self.warmth = Warmth(app, settings)
        self._stopping = threading.Event()
        self._leading = threading.Event()
        self._thread: threading.Thread | None = None
        self._job_thread: threading.Thread | None = None

    @property
    def leads(self) -> bool:
        """Tell whether this process is the leader."""
        return self._leading.is_set()

    def start(self) -> None:
        """Begin to stand for leader, in a daemon thread."""
        self._thread = threading.Thread(target=self._stand, name="background", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop in good order: the running job is ended and given back, and the lock is free for the next."""
        self._stopping.set()
        self.runner.stop()
        self.warmth.stop(STOP_SECONDS)
        for thread in (self._job_thread, self._thread):
            if thread is not None:
                thread.join(STOP_SECONDS)

    def _stand(self) -> None:
        path = self.settings.instance_path / LOCK_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as handle:
            while not self._stopping.is_set():
                if not _locked(handle):
                    self._stopping.wait(CANDIDATE_SECONDS)
                    continue
                log.info("process %s leads the background work", os.getpid())
                with self._scheduler():
                    self._leading.set()
                    self._stopping.wait()
                    self._leading.clear()
                if self._job_thread is not None:
                    self._job_thread.join(STOP_SECONDS)

    @contextlib.contextmanager
    def _scheduler(self) -> Iterator[BackgroundScheduler]:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it tells of every run
        scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for work, seconds in (
            (self.poll_queue, QUEUE_SECONDS),
            (self.sweep_leases, max(0.5, self.settings.job_lease_seconds / 3)),
            (self.queue_schedules, SCHEDULE_SECONDS),
            (self.keep_house, HOUSEKEEPING_SECONDS),
        ):
            scheduler.add_job(self.guarded(work), "interval", seconds=seconds, id=work.__name__)
        scheduler.start()
        self.guarded(self.queue_schedules)()
        try:
            yield scheduler
        finally:
            scheduler.shutdown(wait=True)

    def guarded(self, work: Callable[[], object]) -> Callable[[], None]:
        """Return the work in an app context, with its failures logged: the clock must go on."""

        def run() -> None:
            try:
                with self.app.app_context():
                    work()
            except Busy:
                log.info("the database was busy; %s waits for its next turn", work.__name__)
            except Exception:
                log.exception("%s failed", work.__name__)

        return run

    def poll_queue(self) -> None:
        """Start the next job in a thread of its own, unless one runs."""
        if self._stopping.is_set() or (self._job_thread is not None and self._job_thread.is_alive()):
            return
        with read_unit() as session:
            waiting = jobs.anything_to_claim(session)
        if waiting:
            self._job_thread = threading.Thread(
                target=self.guarded(self.runner.run_next), name="job-runner", daemon=True
            )
            self._job_thread.start()

    def sweep_leases(self) -> None:
        """Take jobs back from processes that are gone."""
        current = self.runner.current
        with unit_of_work() as session:
            jobs.requeue_expired(session, [] if current is None else [current])

    def queue_schedules(self) -> None:
        """Queue what fell due."""
        with unit_of_work() as session:
            jobs.queue_due(session, self.settings.time_zone)
        with unit_of_work() as session:
            report_schedules.queue_due(session, self.settings.time_zone)

    def keep_house(self) -> None:
        """Throw old rows and forgotten uploads away, thin old scores and files of reports out, look after silent feeds, let announced ends take effect, and empty the log of what an erasure had to leave there."""
        with read_unit() as session:
            upload_files.sweep(session, self.settings)
        with unit_of_work() as session:
            feeds.watch(session)
        with unit_of_work() as session:
            now = clock.now_us()
            standing.pass_time(session, now - standing.CATCH_UP_US, now)
        with unit_of_work() as session:
            report_files.sweep(session, self.settings)
        score_history.thin_out()
        while not self._stopping.is_set():
            with unit_of_work() as session:
                gone = jobs.sweep_old_rows(session)
            if max(gone.values()) < jobs.HOUSEKEEPING_BATCH:
                empty_log()
                return


def _locked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def register(app: Flask) -> None:
    """Attach the background to the app; started here only in the reloading development server's inner process."""
    settings: Settings = app.config["RETAINSTREAM"]
    app.extensions[EXTENSION] = Background(app, settings)
    if os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        start(app)


def start(app: Flask) -> None:
    """Start the background of a server's process, unless jobs are switched off."""
    background: Background = app.extensions[EXTENSION]
    if background.settings.jobs:
        background.start()


def stop(app: Flask) -> None:
    """Stop the background of a server's process in good order."""
    background: Background = app.extensions[EXTENSION]
    background.stop()


def keep_warm(app: Flask) -> None:
    """Make what pages keep, now and whenever it changed, in a thread of this process; nothing waits for it."""
    background: Background = app.extensions[EXTENSION]
    background.warmth.start()


def warm_up(app: Flask) -> threading.Thread:
    """Load the model in service in a thread, so that the first prediction after a start need not wait; return the thread.

    Nothing waits for it. When it fails, the log says so, and the first prediction tells its caller what is wrong.
    """
    background: Background = app.extensions[EXTENSION]
    thread = threading.Thread(target=background.guarded(registry.warm), name="warm-up", daemon=True)
    thread.start()
    return thread
