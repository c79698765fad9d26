"""A small real job for the tests of runner and leader: it counts to `steps`, one commit a step, and each commit adds one outbox row.

As a program it is the job's process, like `retainstream.jobs.child` with the test's kinds in the table.
"""

from __future__ import annotations

import os
import sys
import time
import uuid

from sqlalchemy import func, select

from retainstream.jobs import child, handlers
from retainstream.models import OutboxMessage
from retainstream.services.jobs import JobContext

KINDS = {
    "train": "tests.jobs.counting:sleep_deaf",
    "import": "tests.jobs.counting:sleep_deaf",
    "count": "tests.jobs.counting:count",
    "deaf": "tests.jobs.counting:sleep_deaf",
    "broken": "tests.jobs.counting:break_down",
    "die": "tests.jobs.counting:die",
}


def count(context: JobContext) -> dict[str, object]:
    """Add rows until there are `steps`; resumes where an earlier attempt was killed."""
    steps, pause = int(str(context.payload["steps"])), float(str(context.payload["pause"]))
    while True:
        with context.holding_unit() as session:
            mine = OutboxMessage.kind == f"count:{context.job_id}"
            done = session.scalar(select(func.count()).select_from(OutboxMessage).where(mine)) or 0
            if done >= steps:
                return {"steps": done, "pid": os.getpid()}
            time.sleep(pause / 4)  # so that a kill also falls inside a commit's unit
            session.add(
                OutboxMessage(
                    kind=f"count:{context.job_id}",
                    payload={"step": done, "generation": context.claimed.generation},
                    dedupe_key=uuid.uuid4().hex,  # never the same: a step done twice must show as two rows
                    not_before=0,
                    created_at=0,
                )
            )
        context.progress("counting", (done + 1) / steps)
        time.sleep(pause)


def sleep_deaf(context: JobContext) -> dict[str, object]:
    """Sleep without ever looking up, as a long call into a library does."""
    time.sleep(600)
    return {}


def break_down(context: JobContext) -> dict[str, object]:
    """Fail with words that are not for people."""
    raise ZeroDivisionError("secret-looking internals")


def die(context: JobContext) -> dict[str, object]:
    """End the process without a word, as the kernel does when memory is short."""
    os.kill(os.getpid(), 9)
    return {}


if __name__ == "__main__":
    handlers.HANDLERS.update(KINDS)
    sys.exit(child.main(sys.argv[1:]))
