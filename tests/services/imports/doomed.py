"""A process that runs what is queued on a box and kills itself just before its k-th SQL statement or commit: no clock is in it.

It comes from a fork server that has the product loaded already, so that it is a process of its own, and there in a moment.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from sqlalchemy import event

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db
from retainstream.jobs import inline

PATIENCE = 120
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["tests.jobs.warm"])


def run_child(settings: Settings, fatal: int, counter: Path, rows_at_once: int) -> int:
    """Run the queued jobs in a child that dies before its `fatal`-th statement (0: never); return its exit code.

    A child that lives on writes how many statements there were into `counter`. Loads take `rows_at_once` in a unit.
    """
    db.engine.dispose()
    child = _server.Process(target=_live, args=(settings.instance, fatal, counter, rows_at_once), daemon=True)
    child.start()
    child.join(PATIENCE)
    assert child.exitcode is not None, "the child came to no end"
    return child.exitcode


def _live(instance: str, fatal: int, counter: Path, rows_at_once: int) -> None:
    from retainstream.services.events import loading
    from retainstream.services.imports import apply, turns

    loading.CHUNK_ROWS = apply.CHUNK_ROWS = turns.CHUNK = turns.EVENTS_AT_ONCE = rows_at_once
    app = create_minimal_app(Settings(instance=instance, bcrypt_cost=4, job_lease_seconds=600))
    seen = 0

    def look(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", look)
        event.listen(db.engine, "commit", look)
        inline.run_queued(app.config["RETAINSTREAM"])
    counter.write_text(str(seen))
