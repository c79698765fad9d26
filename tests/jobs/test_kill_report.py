"""SIGKILL of a process that makes a report, at every place where it matters: the next one leaves exactly one file, whole and on record."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import ReportFile, User
from retainstream.security.actor import Actor
from retainstream.security.permissions import permissions_of
from retainstream.services.reports import files, saved
from tests.jobs import mortal

LIST = {"name": "Everybody", "subject": "customers", "parameters": "status=all", "format": "csv"}


def ask(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(User).values(active=True))
        person = Actor("user", permissions_of("admin"), user_id=1)
        saved.request(session, person, saved.create(session, person, settings, LIST).id)


def found(folder: Path) -> tuple[list[str], list[ReportFile], str]:
    """Return what lies in the folder of reports, what is on record, and what the file says."""
    with mortal.box(folder) as settings, read_unit() as session:
        top = files.folder_of(settings)
        there = sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())
        rows = list(session.scalars(select(ReportFile)))
        return there, rows, (top / str(rows[0].path)).read_text() if rows else ""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, scored_file: Path) -> tuple[list[mortal.Stretch], str]:
    """What a run does that nobody disturbs, and what it makes."""
    box = mortal.prepare(tmp_path_factory.mktemp("report") / "box", scored_file, ask)
    log = mortal.live_undisturbed(box)
    there, rows, content = found(box)
    assert there == ["1/1.csv"] and rows[0].n_rows == 600 and len(content.splitlines()) == 601
    return log, content


@pytest.mark.parametrize(
    ("phase", "place"),
    [
        ("report:reading", 0.5),
        ("report:writing CSV", 0.9),
        ("report:writing CSV, 600 rows", 0.5),
        *(("report:keeping", part) for part in (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
    ],
)
def test_whenever_it_dies_there_is_one_whole_file_afterwards(
    work: tuple[list[mortal.Stretch], str], tmp_path: Path, scored_file: Path, phase: str, place: float
) -> None:
    log, content = work
    stretch = mortal.stretches(log, phase)[-1]
    if stretch.statements:
        point = mortal.Point(phase, stretch.nth, "statements", max(1, round(place * stretch.statements)))
    else:
        point = stretch.point(random.Random(7), "seconds")
    box = mortal.prepare(tmp_path / "box", scored_file, ask)
    died = mortal.die(box, point)
    assert died or point.unit == "seconds", point
    with mortal.box(box):
        mortal.expire_leases()
    mortal.live_undisturbed(box)
    there, rows, said = found(box)
    assert len(rows) == 1 and rows[0].state == "made" and there == [rows[0].path]
    assert said == content and rows[0].n_bytes == len(content.encode()) + content.count("\n")
