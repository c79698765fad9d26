"""The life of a run: what was cut off goes with its rows, a part at a time and to the end, and what is in force stays."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import event, func, insert, select

from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import AnalysisRun, Customer, RfmScore
from retainstream.services.analyses import runs
from tests.work import run_job

PART = 100


def _cut_off() -> int:
    """Leave the rows of a run that was cut off, one for each customer; returns its id."""
    with unit_of_work() as session:
        run = AnalysisRun(kind="rfm", state="running", as_of=1, data_as_of=1, made_at=clock.now_us())
        session.add(run)
        session.flush()
        ids = session.scalars(select(Customer.id)).all()
        figures = {"recency_days": 1.0, "frequency": 1, "r": 1, "f": 1, "name": "lost"}
        session.execute(insert(RfmScore), [{"run_id": run.id, "customer_id": one, **figures} for one in ids])
        assert len(ids) > 2 * PART, "the rows are to take several parts"
        return run.id


def _counts() -> dict[int, int]:
    with read_unit() as session:
        found = session.execute(select(RfmScore.run_id, func.count()).group_by(RfmScore.run_id))
        return {row[0]: row[1] for row in found}


@pytest.mark.usefixtures("past_box")
def test_what_was_cut_off_goes_in_parts_and_the_rest_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_job(settings, "analyse")
    before = _counts()
    assert before
    run_id = _cut_off()
    left = [_counts()[run_id]]
    monkeypatch.setattr(runs, "_WRITE", PART)
    monkeypatch.setattr("retainstream.services.analyses.job.STEPS", ())

    def committed(_: object) -> None:
        with db.engine.connect() as looked:
            left.append(looked.scalar(select(func.count()).select_from(RfmScore).where(RfmScore.run_id == run_id)) or 0)

    event.listen(db.engine, "commit", committed)
    try:
        run_job(settings, "analyse")
    finally:
        event.remove(db.engine, "commit", committed)
    sizes = [one - two for one, two in pairwise(left)]
    assert max(sizes) == PART
    assert sum(sizes) == left[0]
    assert _counts() == before
    with read_unit() as session:
        assert session.get(AnalysisRun, run_id) is None


@pytest.mark.usefixtures("past_box")
def test_the_runs_that_another_replaces_are_gone_when_the_job_ends(settings: Settings) -> None:
    run_job(settings, "analyse")
    with read_unit() as session:
        first = runs.all_in_force(session)
    run_job(settings, "analyse")
    with read_unit() as session:
        second = runs.all_in_force(session)
        assert session.scalars(select(AnalysisRun.state).distinct()).all() == ["complete"]
    assert {one["kind"] for one in first} == {one["kind"] for one in second}
    assert _counts().keys() <= set(_all_runs())
    assert not {one["id"] for one in first} & {one["id"] for one in second}


def _all_runs() -> list[int]:
    with read_unit() as session:
        return list(session.scalars(select(AnalysisRun.id)))
