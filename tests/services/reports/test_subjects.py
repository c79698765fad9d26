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
from retainstream.errors import Forbidden, InvalidInput
from retainstream.lib.money import to_major
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import permissions_of
from retainstream.services.cohorts import grids
from retainstream.services.health import reading as health_reading
from retainstream.services.health.schemes import BAND_NAMES
from retainstream.services.reports import formats, parameters, subjects
from retainstream.services.reports.documents import FIGURES, Asking, Document
from retainstream.services.revenue import bridge
from retainstream.services.rfm import reading as rfm
from retainstream.services.survival import curves
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


def told(settings: Settings, key: str, owner: Actor = COMMAND, query: str = "") -> Document:
    with read_unit() as session:
        return subjects.make(subjects.known(key), Asking(session, settings, owner, "Report", query))


def table_of(document: Document, title: str) -> list[dict[str, object]]:
    """Return the rows of a table by the names of its columns."""
    (found,) = [table for table in document.tables if table.title == title]
    names = [heading.name for heading in found.headings]
    return [dict(zip(names, row, strict=True)) for block in found.blocks for row in block]


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
    assert revenue[0] == ["Key figures"] and revenue[2][0] == "Monthly revenue"
    at = revenue.index(["Where revenue went"])
    row = dict(zip(revenue[at + 1], revenue[at + 2], strict=True))
    assert row["month"] == newest["month"]
    assert row["closing"] == str(to_major(int(str(newest["closing"])), book.currency))
    groups = {line[0]: int(line[1]) for line in lines("rfm")[2 : 2 + len(standing.groups)]}
    assert groups == {one.name: one.n for one in standing.groups} and sum(groups.values()) == standing.n
    health = lines("health")
    with read_unit() as session:
        scores = health_reading.standing(session)
    at = health.index(["Bands"]) + 2
    bands = {line[0].lower(): int(line[1]) for line in health[at : at + 4]}
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


def checked(subject: str, query: str) -> str:
    with read_unit() as session:
        return parameters.checked(session, subject, query)


def test_cohorts_by_week_and_by_activity_are_the_grids_of_the_page(box: Flask, past: Settings) -> None:
    for query, grid, unit in (("unit=week", "contract", "week"), ("unit=week&grid=activity", "activity", "week")):
        with read_unit() as session:
            table = grids.read(session, past, grid, unit).table
        document = told(past, "cohorts", query=query)
        rows = table_of(document, "Who stayed")
        assert document.title.startswith("Cohorts by week")
        assert [row["customers"] for row in rows] == table.sizes.tolist()[-len(rows) :]
        assert rows[0]["week_1"] == pytest.approx(float(table.share[len(table.sizes) - len(rows), 1]))


def test_survival_by_plan_is_a_curve_for_each_group(box: Flask, past: Settings) -> None:
    document = told(past, "survival", query="by=plan")
    with read_unit() as session:
        found = curves.read(session, past, "plan")
    groups = table_of(document, "Groups")
    assert [(row["group"], row["customers"]) for row in groups] == [
        (group.label, group.curve.n) for group in found.groups
    ]
    steps = table_of(document, "How many stay")
    assert len(steps) == sum(len(group.steps) for group in found.groups)
    out = io.BytesIO()
    assert formats.write_xlsx(document, out, past) == sum(table.total for table in document.tables)


def test_revenue_ends_with_the_month_that_is_asked_for(box: Flask, past: Settings) -> None:
    months = [str(row["month"]) for row in table_of(told(past, "revenue"), "Where revenue went")]
    asked = months[len(months) // 2]
    assert [
        row["month"] for row in table_of(told(past, "revenue", query=f"month={asked}"), "Where revenue went")
    ] == months[months.index(asked) :]
    assert next(row["month"] for row in table_of(told(past, "revenue", query=f"month={asked}"), "By month")) == asked
    assert told(past, "revenue", query="month=1999-01").title, "nothing was on record then, and nothing breaks"


def test_parameters_have_one_form_and_wrong_ones_are_named(box: Flask) -> None:
    assert checked("cohorts", "?grid=contract&unit=week") == "unit=week"
    assert checked("cohorts", "unit=month&grid=") == ""
    assert checked("survival", "by=plan") == "by=plan"
    for subject, query in (
        ("cohorts", "unit=year"),
        ("cohorts", "unit=week&unit=month"),
        ("cohorts", "zz=1"),
        ("cohorts", "unit"),
        ("survival", "by=attribute.nothing"),
        ("revenue", "month=2026-13"),
        ("home", "unit=week"),
    ):
        with pytest.raises(InvalidInput) as refused:
            checked(subject, query)
        assert list(refused.value.fields) == ["parameters"], (subject, query)


def test_the_form_offers_what_a_page_can_be_switched_to(box: Flask) -> None:
    with read_unit() as session:
        cohorts = dict(parameters.offered(session, "cohorts"))
        survival = dict(parameters.offered(session, "survival"))
    assert cohorts == {
        "unit=week": "by week",
        "grid=activity": "by what they did",
        "unit=week&grid=activity": "by week, by what they did",
    }
    assert survival["by=plan"] == "by Plan"
    assert all(checked("cohorts", query) == query for query in cohorts)
    assert all(checked("survival", query) == query for query in survival)
