"""What running work sees of its job: the payload, a way to report, and writing units that prove the job is still held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import in_unit, unit_of_work
from retainstream.errors import Busy
from retainstream.lib import clock
from retainstream.security.actor import SYSTEM, Actor
from retainstream.services.jobs import lease, queue

REPORT_EVERY_SECONDS = 0.5
NIGHT_BEGINS, NIGHT_ENDS = 22, 6


class JobCancelled(Exception):
    """A person asked for the job to stop. The work lets it pass, after it took its own traces away."""


class JobLost(Exception):
    """Another process holds the job now; nothing that this one does may be kept."""


@dataclass
class JobContext:
    """One run of one job, as its work sees it.

    Attributes
    ----------
    claimed : Claim
        The job, with the generation that this run must still hold at every commit.
    payload : dict
        What was queued.
    actor : Actor
        For audit: the box itself, on behalf of the person who asked.
    threads : int
        How many threads heavy work may use.
    observer : callable, optional
        Also told of progress; the command line draws with it.
    """

    claimed: lease.Claim
    payload: dict[str, object]
    actor: Actor
    settings: Settings
    threads: int = 1
    observer: Callable[[str, float], None] | None = None
    _reported: tuple[str, float] = field(default=("", -1e9), init=False, repr=False)

    @classmethod
    def load(
        cls,
        session: Session,
        claimed: lease.Claim,
        settings: Settings,
        threads: int,
        observer: Callable[[str, float], None] | None = None,
    ) -> JobContext:
        """Return the context of a claimed job; raises JobLost when the claim no longer holds."""
        if lease.standing(session, claimed) is lease.Standing.LOST:
            raise JobLost(f"job {claimed.job_id} is held by another process")
        job = queue.get(session, claimed.job_id)
        return cls(claimed, dict(job.payload), replace(SYSTEM, user_id=job.requested_by), settings, threads, observer)

    @property
    def job_id(self) -> int:
        """The row's id."""
        return self.claimed.job_id

    def progress(self, phase: str, fraction: float) -> None:
        """Say what is being done and how much of the whole job is behind (0 to 1).

        Cheap: written at most twice a second and at each new phase. Must be called outside of any unit of work.

        Raises
        ------
        JobCancelled
            When a person asked the job to stop.
        JobLost
            When another process took the job over.
        """
        if in_unit():
            raise RuntimeError("progress is reported between units of work, not inside one")
        if self.observer is not None:
            self.observer(phase, fraction)
        last_phase, last_at = self._reported
        now = clock.monotonic()
        if phase == last_phase and now - last_at < REPORT_EVERY_SECONDS:
            return
        self._reported = (phase, now)
        try:
            with unit_of_work() as session:
                stands = lease.report(session, self.claimed, phase, fraction)
        except Busy:
            return  # a report is a courtesy; the next one will tell
        self._check(stands)
        if stands is lease.Standing.CANCEL:
            raise JobCancelled(f"job {self.job_id} was asked to stop")

    @contextlib.contextmanager
    def holding_unit(self) -> Iterator[Session]:
        """Open a writing unit whose first act is to check that this run still holds the job; raises JobLost otherwise."""
        with unit_of_work() as session:
            self._check(lease.standing(session, self.claimed))
            yield session

    def _check(self, stands: lease.Standing) -> None:
        if stands is lease.Standing.LOST:
            raise JobLost(f"job {self.job_id} is held by another process")


def threads_at(settings: Settings, moment: datetime) -> int:
    """Return how many threads heavy work may use at an instant: fewer while people look at the dashboard."""
    hour = moment.astimezone(ZoneInfo(settings.time_zone)).hour
    night = hour >= NIGHT_BEGINS or hour < NIGHT_ENDS
    return settings.job_threads_night if night else settings.job_threads_day
