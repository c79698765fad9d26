"""The process in which one job is done: `python -m retainstream.jobs.child <job id> <generation>`.

It is started by `runner` with a pipe as its standard input. The pipe carries nothing; its end says that the parent is gone, and then this
process ends too, at once and in the middle of whatever it does: what it had not committed never happened.
"""

from __future__ import annotations

import os
import sys
import threading

from retainstream.app import create_minimal_app
from retainstream.config import SettingsError, load_settings
from retainstream.db import read_unit
from retainstream.jobs.execution import execute
from retainstream.observability import logs
from retainstream.services import jobs

NICENESS = 10
PARENT_GONE = 75


def main(arguments: list[str]) -> int:
    """Run the job named on the command line; returns the exit status."""
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    os.nice(NICENESS)
    job_id, generation = (int(argument) for argument in arguments)
    try:
        settings = load_settings(os.environ)
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    logs.configure(settings)
    app = create_minimal_app(settings)
    with app.app_context():
        with read_unit() as session:
            job = jobs.get(session, job_id)
        execute(
            jobs.Claim(job_id, generation, job.kind, job.attempts),
            settings,
            int(os.environ.get("OMP_NUM_THREADS", "1")),
        )
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(PARENT_GONE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
