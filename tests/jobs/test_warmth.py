"""Every serving process makes what pages keep before somebody asks, follows what changed, and lets loads of events alone."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import event

from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.errors import Conflict
from retainstream.jobs.warmth import Warmth
from retainstream.lib import clock
from retainstream.models import Customer
from retainstream.services import dashboard, revisions, warming
from retainstream.services.customers import groups
from tests.web.stocked import stock


@pytest.fixture
def warmth(app: Flask, settings: Settings) -> Warmth:
    """The warmth of a process that has just started over a box with scores."""
    with app.app_context():
        stock(40)
    return Warmth(app, settings)


def statements(app: Flask, settings: Settings) -> list[str]:
    """Return what the database is asked for by a page that shows the figures and the groups."""
    asked: list[str] = []

    def note(*call: object) -> None:
        asked.append(str(call[2]))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            with read_unit() as session:
                dashboard.metrics(session, settings)
                dashboard.distribution(session)
                groups.read(session)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
    return [one for one in asked if "FROM latest_scores" in one]


def change(app: Flask, *names: str) -> None:
    with app.app_context(), unit_of_work() as session:
        session.get_one(Customer, 1).updated_at = clock.now_us()
        revisions.bump(session, *names)


def test_pages_find_everything_made_after_each_change(app: Flask, settings: Settings, warmth: Warmth) -> None:
    with app.app_context():
        assert warmth.look() is True
        assert statements(app, settings) == []
        assert warmth.look() is False
        for name in ("customers", "scores", "settings", "removals"):
            change(app, name)
            assert warmth.look() is True
            assert statements(app, settings) == []


def test_another_model_is_loaded_and_one_that_cannot_be_is_tried_once(
    app: Flask, settings: Settings, warmth: Warmth
) -> None:
    with app.app_context():
        warmth.look()
        change(app, "model")
        with pytest.raises(Conflict, match="bytes of model version 1"):
            warmth.look()
        assert warmth.look() is False
    assert statements(app, settings) == []


def test_a_change_that_nobody_looked_after_is_made_by_the_page(app: Flask, settings: Settings, warmth: Warmth) -> None:
    with app.app_context():
        warmth.look()
    change(app, "scores")
    assert statements(app, settings)


def test_events_alone_make_nothing_anew(app: Flask, settings: Settings, warmth: Warmth) -> None:
    with app.app_context():
        warmth.look()
        change(app, "events")
        assert warmth.look() is False
    assert statements(app, settings) == []


def test_it_runs_beside_the_process_and_ends_with_it(
    app: Flask, settings: Settings, warmth: Warmth, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = threading.Event(), warming.figures

    def note(found: Settings) -> None:
        make(found)
        made.set()

    monkeypatch.setattr(warming, "figures", note)
    warmth.start()
    assert made.wait(60)
    assert statements(app, settings) == []
    warmth.stop(30)
    assert all(thread.name != "warmth" for thread in threading.enumerate())


def test_a_failure_is_logged_and_the_process_goes_on(
    warmth: Warmth, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def fail(_: Settings) -> None:
        tried.set()
        raise RuntimeError("no figures today")

    monkeypatch.setattr(warming, "figures", fail)
    warmth.start()
    assert tried.wait(30)
    warmth.stop(30)
    assert "no figures today" in caplog.text
