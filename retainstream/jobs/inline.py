"""Jobs in this very process, for the command line and for tests: with a heartbeat, so that a server beside it keeps its hands off."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

from flask import Flask, current_app

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy
from retainstream.jobs.execution import execute
from retainstream.jobs.runner import owner_name
from retainstream.lib import clock
from retainstream.services import jobs

Observer = Callable[[str, float], None]
LOOK_SECONDS = 0.3


def run_queued(settings: Settings) -> list[dict[str, object]]:
    """Run every queued job to its end, oldest first, and return what became of each. Needs an app context."""
    ended: list[dict[str, object]] = []
    while True:
        with unit_of_work() as session:
            jobs.requeue_expired(session)
            claimed = jobs.claim(session, owner_name(), settings.job_lease_seconds)
        if claimed is None:
            return ended
        run_claimed(claimed, settings)
        ended.append(_read(claimed.job_id))


def run_or_follow(job_id: int, settings: Settings, observer: Observer, threads: int | None = None) -> dict[str, object]:
    """See one queued job to its end and return its form: done here when it can be claimed, else watched while a server does it.

    Waits while another job runs. Needs an app context.
    """
    pause = threading.Event()
    while True:
        with unit_of_work() as session:
            jobs.requeue_expired(session)
            claimed = jobs.claim(session, owner_name(), settings.job_lease_seconds, job_id)
        if claimed is not None:
            run_claimed(claimed, settings, observer, threads)
        job = _read(job_id)
        if job["finished_at"] is not None:
            return job
        if claimed is None:
            waiting = job["state"] == "queued"
            observer("waiting for another job to end" if waiting else str(job["phase"]), cast(float, job["progress"]))
            pause.wait(LOOK_SECONDS)


def run_claimed(
    claimed: jobs.Claim, settings: Settings, observer: Observer | None = None, threads: int | None = None
) -> None:
    """Do a claimed job here while a thread keeps its lease."""
    with _kept_lease(claimed, settings):
        execute(claimed, settings, threads or jobs.threads_at(settings, clock.now()), observer)


def _read(job_id: int) -> dict[str, object]:
    with read_unit() as session:
        return jobs.present(jobs.get(session, job_id))


@contextlib.contextmanager
def _kept_lease(claimed: jobs.Claim, settings: Settings) -> Iterator[None]:
    app = cast(Flask, cast(Any, current_app)._get_current_object())  # noqa: SLF001 (Flask's documented way to the app itself)
    done = threading.Event()

    def beat() -> None:
        with app.app_context():
            while not done.wait(settings.job_lease_seconds / 4):
                with contextlib.suppress(Busy), unit_of_work() as session:
                    jobs.heartbeat(session, claimed, settings.job_lease_seconds)

    thread = threading.Thread(target=beat, name="job-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
