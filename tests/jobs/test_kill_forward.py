"""SIGKILL at seeded random points of loading, training, scoring, replaying and judging: what is on record in the end equals an undisturbed box's.

To the bit: events, versions with their artifacts and figures, runs, history, scores in force, outcomes, counts of batches and feeds, audit, and the
results of the jobs; and the column cache equals the tables. Many more kills: `python -m bench.kill`.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs import mortal
from tests.jobs.mortal import Point
from tests.jobs.works import Work, make_works

SEED = 20_260_321


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Work]:
    """Each piece of work with what an undisturbed process made of it."""
    return make_works(tmp_path_factory.mktemp("works"), migrated_file, everything=False)


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is the same in each run of one test."""
    return random.Random(f"{SEED} {request.node.name}")


PLACES = [
    ("train", "train:reading", "files"),  # while columns are written
    ("train", "train:panel", "seconds"),
    ("train", "train:judging", "seconds"),
    ("train", "train:saving", "statements"),
    ("score", "score:reading", "files"),
    ("score", "score:scoring", "statements"),
    ("score", "score:saving", "statements"),
    ("replay", "replay:scoring", "statements"),
    ("replay", "replay:judging", "statements"),
    ("judge", "judge:judging", "statements"),
    ("load", "ingest:writing rows", "statements"),
    ("load", "ingest:making the rows visible", "statements"),
]


@pytest.mark.parametrize(("name", "phase", "unit"), PLACES, ids=[f"{phase} {unit}" for _, phase, unit in PLACES])
def test_killed_at_random_it_ends_as_if_nothing_had_happened(
    works: dict[str, Work], draw: random.Random, tmp_path: Path, name: str, phase: str, unit: str
) -> None:
    work = works[name]
    found = [one for one in mortal.stretches(work.log, phase) if getattr(one, unit) > 0]
    died = work.killed(tmp_path / "box", draw.choice(found).point(draw, unit))
    assert died or unit == "seconds", (
        "the process was through before the point that it had passed in the undisturbed run"
    )


def last(work: Work, phase: str) -> Callable[[int], Point]:
    """Return a maker of points so many statements before the end of the last stretch of a phase."""
    stretch = mortal.stretches(work.log, phase)[-1]
    return lambda before: Point(stretch.phase, stretch.nth, "statements", stretch.statements - before)


@pytest.mark.parametrize(("name", "phase"), [("score", "score:saving"), ("replay", "replay:judging")])
def test_killed_between_the_last_commit_and_the_end_of_the_job_nothing_is_done_twice(
    works: dict[str, Work], tmp_path: Path, name: str, phase: str
) -> None:
    """The job's own end is its last few statements: before them all its work is committed."""
    for before in (0, 2):  # the commit that would end the job, and a statement before it
        assert works[name].killed(tmp_path / str(before), last(works[name], phase)(before))


def test_killed_twice_in_one_job(works: dict[str, Work], draw: random.Random, tmp_path: Path) -> None:
    work = works["score"]
    first, second = (draw.choice(mortal.stretches(work.log, phase)) for phase in ("score:scoring", "score:saving"))
    points = (first.point(draw, "statements"), second.point(draw, "statements"))
    assert work.killed(tmp_path / "box", *points, wait=True) == 2


@pytest.mark.parametrize(("name", "phase"), [("train", "train:calibrating"), ("score", "score:saving")])
def test_a_process_that_slept_while_another_took_over_changes_nothing(
    works: dict[str, Work], tmp_path: Path, name: str, phase: str
) -> None:
    work = works[name]
    box = mortal.prepare(tmp_path / "box", work.base, work.queue)
    sleeper = mortal.start(box, Point(phase, signal=signal.SIGSTOP))
    try:
        mortal.wait_until_stopped(sleeper)
        mortal.live_undisturbed(box)
    finally:
        assert sleeper.pid is not None
        os.kill(sleeper.pid, signal.SIGCONT)
        sleeper.join(mortal.PATIENCE)
    assert sleeper.exitcode == 0
    work.check(box, f"a sleep at {phase}")
