"""Jobs: long work as rows that are queued, claimed once, leased, and ended once. Running them is `retainstream.jobs`' affair.

`queue` is what people do with jobs, `lease` what a runner does, `context` what the running work itself sees, `timetable` what queues
jobs by the clock, `housekeeping` what throws old rows away.
"""

from retainstream.services.jobs.context import JobCancelled, JobContext, JobLost, threads_at
from retainstream.services.jobs.housekeeping import HOUSEKEEPING_BATCH, sweep_old_rows
from retainstream.services.jobs.lease import (
    Claim,
    Standing,
    anything_to_claim,
    claim,
    end_cancelled,
    fail,
    finish,
    give_back,
    heartbeat,
    loading_unfinished,
    requeue_expired,
    retry_or_fail,
    standing,
)
from retainstream.services.jobs.queue import cancel, enqueue, enqueue_anew, get, list_jobs, present
from retainstream.services.jobs.timetable import queue_due, seed_schedules

__all__ = [
    "HOUSEKEEPING_BATCH",
    "Claim",
    "JobCancelled",
    "JobContext",
    "JobLost",
    "Standing",
    "anything_to_claim",
    "cancel",
    "claim",
    "end_cancelled",
    "enqueue",
    "enqueue_anew",
    "fail",
    "finish",
    "get",
    "give_back",
    "heartbeat",
    "list_jobs",
    "loading_unfinished",
    "present",
    "queue_due",
    "requeue_expired",
    "retry_or_fail",
    "seed_schedules",
    "standing",
    "sweep_old_rows",
    "threads_at",
]
