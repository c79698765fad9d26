"""Kills jobs at random points, many times over, and compares what is on record in the end with a box on which nothing was killed.

    python -m bench.kill [--kills 40] [--seed 1]

Each round takes one piece of work (a load with the scoring after it, a training with the scoring after it, a scoring, a replay, one that trains,
a judging) on a fresh copy of its box. Its process is killed by SIGKILL at a drawn point: a phase, then a stretch of it, then a statement, a file of
the column cache, or a moment. In every third round the process that takes over is killed, too. Leases run out by the clock. Nothing may be lost or
doubled, and scores, artifacts, figures, outcomes, counts and results of the jobs must equal, to the bit, those of the undisturbed box.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import migrate_file
from tests.jobs import mortal
from tests.jobs.mortal import Point
from tests.jobs.works import Work, make_works

ENOUGH_FOR_ONE_JOB = 2
"""Deaths of one job; the third ends it for good."""


def phases(works: dict[str, Work]) -> list[tuple[str, str]]:
    """Return every phase of every piece of work, by the names of both."""
    return [
        (name, phase)
        for name, work in works.items()
        for phase in dict.fromkeys(one.phase for one in work.log)
        if ":" in phase
    ]


def drawn(work: Work, phase: str, draw: random.Random) -> Point:
    """Return a point in a phase: stretches are as likely as they have statements, files and tenths of a second."""
    found = mortal.stretches(work.log, phase)
    weights = [one.statements + one.files + 10 * one.seconds + 0.01 for one in found]
    return draw.choices(found, weights)[0].point(draw)


def one_round(work: Work, folder: Path, points: Sequence[Point]) -> tuple[int, str]:
    """Return how many processes died, and what became of the work."""
    try:
        return work.killed(folder, *points, wait=True), "as undisturbed"
    except AssertionError as wrong:
        return len(points), f"DIFFERS: {wrong}"


def soak(works: dict[str, Work], folder: Path, kills: int, seed: int) -> tuple[Counter[str], int]:
    """Kill until there were that many; print a line for each round, and return the deaths by phase and the number of rounds that differ."""
    draw, died, wrong, rounds = random.Random(seed), Counter[str](), 0, 0
    waiting: list[tuple[str, str]] = []
    while died.total() < kills:
        rounds += 1
        if not waiting:
            waiting = phases(works)
            draw.shuffle(waiting)
        name, phase = waiting.pop()
        work = works[name]
        points = [drawn(work, phase, draw)]
        if rounds % 3 == 0:
            points.append(drawn(work, draw.choice([one for other, one in phases(works) if other == name]), draw))
        began = time.monotonic()
        deaths, outcome = one_round(work, folder / str(rounds), points[:ENOUGH_FOR_ONE_JOB])
        died.update(point.phase for point in points[:deaths])
        wrong += outcome != "as undisturbed"
        told = " then ".join(str(point) for point in points)
        print(
            f"{rounds:3d}  {name:16s}  {told:90s}  {deaths} killed  {outcome}  {time.monotonic() - began:.1f} s",
            flush=True,
        )
    return died, wrong


def main() -> None:
    """Run the soak and print what was killed where."""
    wanted = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    wanted.add_argument("--kills", type=int, default=40)
    wanted.add_argument("--seed", type=int, default=1)
    given = wanted.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    try:
        template = mortal.settings_of(folder / "template")
        template.instance_path.mkdir()
        migrate_file(template)
        works = make_works(folder / "works", template.database_file)
        print(
            f"{len(phases(works))} phases of {len(works)} pieces of work, on a box with 700 customers and a year of 66,415 events"
        )
        died, wrong = soak(works, folder / "rounds", given.kills, given.seed)
        print(f"\n{died.total()} processes killed; by phase:")
        for phase, count in sorted(died.items()):
            print(f"  {phase:40s} {count}")
        print(f"rounds that ended otherwise than undisturbed: {wrong}")
    finally:
        shutil.rmtree(folder)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
