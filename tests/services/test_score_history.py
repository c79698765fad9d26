"""Old scores are thinned to daily, weekly, then monthly runs; the newest of everything stays."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import (
    ChurnDefinition,
    Customer,
    FeatureSet,
    ModelVersion,
    RunPerformance,
    ScoreHistory,
    ScoringRun,
)
from retainstream.services import score_history


def _runs(ages: list[float], *, kind: str = "labelled_column", judged: bool = False) -> None:
    """Score one customer by a run of each age, in days."""
    now = clock.now_us()
    with unit_of_work() as session:
        session.add(ChurnDefinition(id=1, name="left", kind=kind, parameters={}, created_at=now))
        session.add(FeatureSet(id=1, sha256="0" * 64, features=[], created_at=now))
        session.add(Customer(id=1, tags=[], created_at=now, updated_at=now))
        session.flush()
        plain = {"verdict": {}, "parameters": {}, "report": {}, "data_window": {}, "libraries": {}}
        session.add(
            ModelVersion(
                id=1, definition_id=1, feature_set_id=1, servable=True, seed=0, calibrated=True, trained_at=now, **plain
            )
        )
        session.flush()
        for at, age in enumerate(ages, start=1):
            as_of = now - round(age * clock.DAY_US)
            session.add(
                ScoringRun(
                    id=at, model_version_id=1, role="champion", scope="all", state="complete", as_of=as_of, data_as_of=as_of,
                    definition_id=1, feature_hash="", summary={}, histograms={}, started_at=as_of,
                )
            )  # fmt: skip
            session.flush()
            session.add(ScoreHistory(customer_id=1, run_id=at, margin=0.0))
            if judged:
                session.add(RunPerformance(run_id=at, data_end=now, evaluated_at=now, metrics={}))
        session.flush()


def _left() -> int:
    with read_unit() as session:
        return session.scalar(select(func.count()).select_from(ScoreHistory)) or 0


def test_runs_of_two_years_become_daily_weekly_and_monthly_ones(minimal_app: Flask) -> None:
    # Four a day as far as days count; then one in two days is enough for every week and every month to have several.
    ages = [quarter / 4 for quarter in range(4 * 40)] + [float(day) for day in range(40, 730, 2)]
    _runs(ages)
    assert score_history.thin_out() > 400
    # All of two days, 33 days, about 21 weeks and 18 months, give or take what their edges cut.
    assert 9 + 31 + 19 + 17 <= _left() <= 9 + 36 + 24 + 21
    with read_unit() as session:
        runs = session.scalar(select(func.count()).select_from(ScoringRun))
        assert session.get(ScoreHistory, (1, 1)) is not None
    assert runs == len(ages)
    assert score_history.thin_out() == 0


def test_a_window_that_was_not_judged_yet_keeps_its_scores(minimal_app: Flask) -> None:
    _runs([20.0, 20.1, 20.2], kind="cancel")
    assert score_history.thin_out() == 0 and _left() == 3


def test_a_judged_one_does_not(minimal_app: Flask) -> None:
    day = (clock.now_us() % clock.DAY_US) / clock.DAY_US  # so that all three lie in one day
    _runs([20.0 + day - 0.5, 20.0 + day - 0.6, 20.0 + day - 0.7], kind="cancel", judged=True)
    score_history.thin_out()
    assert _left() == 1
