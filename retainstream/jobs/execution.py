"""Doing one claimed job in this process and recording how it ended; the child process and the command line share it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, retry_when_busy, unit_of_work
from retainstream.errors import Busy, RetainStreamError
from retainstream.jobs import handlers
from retainstream.services import jobs

log = logging.getLogger("retainstream.jobs")


def execute(
    claimed: jobs.Claim, settings: Settings, threads: int, observer: Callable[[str, float], None] | None = None
) -> None:
    """Run the handler of a claimed job and record its result or why there is none. Needs an app context; raises nothing of the job's."""
    try:
        with read_unit() as session:
            context = jobs.JobContext.load(session, claimed, settings, threads, observer)
        result = handlers.resolve(claimed.kind)(context)
        record(lambda session: jobs.finish(session, claimed, result))
    except jobs.JobLost:
        log.warning("job %s was taken over by another process; this run of it ends", claimed.job_id)
    except jobs.JobCancelled:
        record(lambda session: jobs.end_cancelled(session, claimed))
    except Busy:
        record(
            lambda session: jobs.retry_or_fail(
                session, claimed, "The database stayed busy in each of {attempts} attempts."
            )
        )
    except RetainStreamError as error:
        code, message = error.code, error.message
        record(lambda session: jobs.fail(session, claimed, code, message))
    except KeyboardInterrupt:
        record(lambda session: jobs.end_cancelled(session, claimed))
        raise
    except MemoryError:
        log.exception("job %s ran out of memory", claimed.job_id)
        record(
            lambda session: jobs.fail(
                session, claimed, "out_of_memory", "The machine has too little memory for this much data."
            )
        )
    except Exception:
        log.exception("job %s (%s) failed", claimed.job_id, claimed.kind)
        message = f"Something went wrong inside the job. The server's log has the details under job {claimed.job_id}."
        record(lambda session: jobs.fail(session, claimed, "internal_error", message))


def record(change: Callable[[Session], bool]) -> bool:
    """Commit one change of a job's row, waiting out a busy database; returns what the change returned."""

    def attempt() -> bool:
        with unit_of_work() as session:
            return change(session)

    return retry_when_busy(attempt)
