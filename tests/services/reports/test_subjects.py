"""What each subject says, on a box whose customers have a past: the figures of its service, and none that it does not have."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit
from retainstream.errors import Forbidden
from retainstream.lib.money import to_major
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import permissions_of
from retainstream.services.cohorts import grids
from retainstream.services.health import reading as health_reading
from retainstream.services.health.schemes import BAND_NAMES
from retainstream.services.reports import formats, subjects
from retainstream.services.reports.documents import FIGURES, Asking, Document
from retainstream.services.revenue import bridge
from retainstream.services.rfm import reading as rfm
from tests.once import made_once
from tests.web.analysed import tell_past


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Settings:
    """A box whose analyses were made; these tests only read."""

    def make(folder: Path) -> None:
        shutil.copy(migrated_file, folder / "retainstream.db")
        app = create_minimal_app(settings_of(folder))
        app.config["RETAINSTREAM"] = settings_of(folder)
        tell_past(app)
        with app.app_context():
            db.engine.dispose()

    def settings_of(folder: Path) -> Settings:
        return Settings(instance=str(folder), secret_key="s" * 40, jobs=False, log_level="error")

    return settings_of(made_once(tmp_path_factory, "reported-past", make))


@pytest.fixture
def box(past: Settings) -> Iterator[Flask]:
    app = create_minimal_app(past)
    with app.app_context():
        yield app
        db.engine.dispose()


def told(settings: Settings, key: str, owner: Actor = COMMAND) -> Document:
    with read_unit() as session:
        return subjects.make(subjects.known(key), Asking(session, settings, owner, "Report"))


@pytest.mark.parametrize("key", ["revenue", "lifetime", "cohorts", "survival", "rfm", "health"])
@pytest.mark.parametrize("form", ["html", "pdf", "csv", "xlsx"])
def test_every_analysis_is_made_in_every_form(box: Flask, past: Settings, key: str, form: str) -> None:
    document = told(past, key)
    assert document.holds == FIGURES and document.as_of is not None and document.title and document.lead
    out = io.BytesIO()
    assert formats.FORMATS[form].write(document, out, past) == sum(table.total for table in document.tables) > 0


def test_their_figures_are_those_of_their_services(box: Flask, past: Settings) -> None:
    def lines(key: str) -> list[list[str]]:
        out = io.BytesIO()
        formats.write_csv(told(past, key), out, past)
        return list(csv.reader(io.StringIO(out.getvalue().decode())))

    with read_unit() as session:
        book, standing, grid = bridge.read(session, past), rfm.standing(session), grids.read(session, past)
    newest = bridge.rows(book)[-1]
    revenue = lines("revenue")
    row = dict(zip(revenue[1], revenue[2], strict=True))
    assert row["month"] == newest["month"]
    assert row["closing"] == str(to_major(int(str(newest["closing"])), book.currency))
    groups = {line[0]: int(line[1]) for line in lines("rfm")[2 : 2 + len(standing.groups)]}
    assert groups == {one.name: one.n for one in standing.groups} and sum(groups.values()) == standing.n
    health = lines("health")
    with read_unit() as session:
        scores = health_reading.standing(session)
    bands = {line[0].lower(): int(line[1]) for line in health[2:6]}
    assert bands == {name: int(scores.in_band(name).sum()) for name in BAND_NAMES} and sum(bands.values()) > 0
    cohorts = lines("cohorts")[1:]
    assert [int(line[1]) for line in cohorts] == grid.table.sizes.tolist()[-len(cohorts) :]
    assert "" in cohorts[-1], "a month that is not over is not shown"


def test_whoever_may_not_see_a_subject_gets_no_report_of_it(box: Flask, past: Settings) -> None:
    nobody = Actor("system", frozenset())
    for key in subjects.SUBJECTS:
        with pytest.raises(Forbidden):
            told(past, key, nobody)
    viewer = Actor("system", permissions_of("viewer"))
    with pytest.raises(Forbidden):
        told(past, "customers", viewer)
    assert told(past, "home", viewer).title
