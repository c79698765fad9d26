"""The work that is killed: boxes with a past, what is queued on each, and what an undisturbed process makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.models import RunPerformance, ScoreOutcome
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs, replay, training
from retainstream.services.events.preview import Asked
from tests.history import DAY, Past, make_box, make_past
from tests.jobs import mortal
from tests.jobs.mortal import Point, Stretch
from tests.jobs.on_record import columns_are_true, differences, on_record
from tests.services.events.filing import Filer

_DEVICES = ("tv", "phone", "pad")
_CUSTOMERS = 450  # as few as give a model rather than a rule


@dataclass
class Work:
    """Something queued on a box: the database file before, and what an undisturbed process left: `log` and `expected`."""

    name: str
    base: Path
    queue: Callable[[Settings], object]
    log: list[Stretch] = field(default_factory=list)
    expected: dict[str, Any] = field(default_factory=dict)

    def settle(self, folder: Path) -> Path:
        """Do the work undisturbed; return the database file that comes out."""
        box = mortal.prepare(folder, self.base, self.queue)
        self.log = mortal.live_undisturbed(box)
        with mortal.box(box) as settings:
            self.expected = on_record()
            columns_are_true(settings)
            ended = {job[2] for job in self.expected["jobs"]}
            assert ended == {"succeeded"}, self.expected["jobs"]
        return mortal.settings_of(box).database_file

    def killed(self, folder: Path, *points: Point, wait: bool = False) -> int:
        """Do the work in processes that die at the points, one after the other, and then in one that does not; return how many died.

        What is on record then must equal what the undisturbed process left. With `wait`, leases run out by the clock.
        """
        box = mortal.prepare(folder, self.base, self.queue)
        died = 0
        for point in points:
            died += mortal.die(box, point)
            if not wait:
                with mortal.box(box):
                    mortal.expire_leases()
        mortal.live_undisturbed(box)
        self.check(box, " then ".join(str(point) for point in points))
        return died

    def check(self, box: Path, what: str) -> None:
        """Compare what is on record in a box with what should be, and its column cache with its tables."""
        with mortal.box(box) as settings:
            wrong = differences(self.expected, on_record())
            assert not wrong, f"after {what}: {wrong}"
            columns_are_true(settings)
        shutil.rmtree(box)


def make_works(folder: Path, migrated_file: Path, *, everything: bool = True) -> dict[str, Work]:
    """Make a box with a past, and do each piece of work on it once, undisturbed; the longest only where `everything` is wanted."""
    past = make_past(_CUSTOMERS)
    (folder / "past").mkdir(parents=True)
    base = make_box(folder / "past", migrated_file, past)
    works: dict[str, Work] = {}

    def add(name: str, file: Path, queue: Callable[[Settings], object]) -> Path:
        works[name] = Work(name, file, queue)
        return works[name].settle(folder / name)

    scored = add("train", base, lambda _: _request(training.request, {}))
    add("load", scored, lambda settings: _queue_load(settings, past))
    add("score", scored, lambda _: _request(_score, {"scope": "all"}))
    replayed = add(
        "replay",
        scored,
        lambda _: _request(replay.request, {"as_of": past.data_end - 120 * DAY, "model": 1, "keep_scores": True}),
    )
    if everything:
        add("replay and train", scored, lambda _: _request(replay.request, {"as_of": past.data_end - 60 * DAY}))
    add("judge", replayed, _queue_judging)
    return works


def _request(request: Callable[..., object], options: dict[str, Any]) -> None:
    with unit_of_work() as session:
        request(session, SYSTEM, options)


def _score(session: Any, actor: Any, payload: dict[str, Any]) -> None:
    jobs.enqueue(session, actor, "score", payload)


def _queue_judging(_: Settings) -> None:
    """Forget what became of the replayed customers, as before the first judging, and queue one."""
    with unit_of_work() as session:
        session.execute(delete(RunPerformance))
        session.execute(delete(ScoreOutcome))
        jobs.enqueue(session, SYSTEM, "judge", {})


def _queue_load(settings: Settings, past: Past) -> None:
    """Queue a file of events, partly of new customers, and one of subscriptions; then a scoring reads them through the column cache."""
    filer = Filer(settings)
    name = past.events.user_ids
    events = "".join(
        f"{name[n * 7] if n % 5 else f'new-{n % 90}'},{'watch' if n % 3 else 'search'},{_written(past.end - (n % 97 + 1) * DAY + n)},"
        f"{n % 11 / 4},{_DEVICES[n % 3]}\n"
        for n in range(4_000)
    )
    filer.queue("events", "user_id,event,at,value,device\n" + events, Asked(feed="file"))
    periods = "".join(f"new-{n},gold,9.5,{_written(past.end - (n + 30) * DAY)},\n" for n in range(90))
    filer.queue("subscriptions", "customer_id,plan,price,start,end\n" + periods, Asked(feed="billing"))
    _request(_score, {"scope": "all"})


def _written(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
