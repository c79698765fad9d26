"""The demo, made by the box's own jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden
from retainstream.models import Customer, ImportBatch, JobRun, LatestScore, ModelVersion
from retainstream.security.actor import COMMAND, Actor
from retainstream.security.permissions import Role, permissions_of
from retainstream.services import demo, demo_job, jobs

RunJobs = Callable[[], list[dict[str, object]]]


def test_the_demo_is_made_step_by_step_and_once(app: Flask, run_jobs: RunJobs) -> None:
    with app.app_context():
        with unit_of_work() as session:
            demo_job.request(session, COMMAND, 500, 4, 5)
        with pytest.raises(Conflict, match="being made already"), unit_of_work() as session:
            demo_job.request(session, COMMAND)
        ended = run_jobs()
        assert {job["state"] for job in ended} == {"succeeded"}, ended
        assert {"complete": True, "step": None} in [job["result"] for job in ended]
        with read_unit() as session:
            assert demo.next_step(session) is None
            assert list(session.scalars(select(ImportBatch.target))) == list(demo.TARGETS)
            found = [session.scalar(select(func.count()).select_from(one)) for one in (Customer, ModelVersion)]
            assert found == [500, 1]
            served = session.scalar(select(ModelVersion.servable))
            assert bool(session.scalar(select(func.count()).select_from(LatestScore))) == served
        with pytest.raises(Conflict, match="nothing was done"), unit_of_work() as session:
            demo_job.request(session, COMMAND)


def test_a_step_that_fails_is_not_done_for_ever(app: Flask, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_settings: object, _made: object, _target: str) -> object:
        raise OSError("no space left")

    monkeypatch.setattr(demo, "write_file", unreadable)
    with app.app_context():
        with unit_of_work() as session:
            demo_job.request(session, COMMAND, 500, 4, 5)
        assert [job["state"] for job in run_jobs()] == ["failed"]
        with unit_of_work() as session:
            jobs.enqueue(session, COMMAND, demo_job.KIND, {"after": "load customers"})
        (ended,) = run_jobs()
        assert "could not go on" in str(ended["error"])
        with read_unit() as session:
            assert session.scalar(select(func.count()).select_from(JobRun)) == 2


def test_only_administrators_ask_for_it(app: Flask) -> None:
    analyst = Actor(kind="user", permissions=permissions_of(Role.ANALYST))
    with app.app_context(), pytest.raises(Forbidden), unit_of_work() as session:
        demo_job.request(session, analyst)
