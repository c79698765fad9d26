"""The demo: a service with a past is loaded, looked at from past days, trained and scored; once, and as far as that is not done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from retainstream.cli import demo as command
from retainstream.cli.terminal import see_through
from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.ml.asof.outcomes import Outcomes
from retainstream.ml.datagen import generate_streaming_customers
from retainstream.models import (
    ChurnDefinition,
    Customer,
    Event,
    ImportBatch,
    JobRun,
    LatestScore,
    ModelVersion,
    ScoringRun,
    Subscription,
)
from retainstream.security.actor import COMMAND
from retainstream.services import as_of, churn_definitions, demo, preferences
from retainstream.services.analyses import material
from retainstream.services.imports import batches
from retainstream.services.revenue import bridge
from tests.work import run_job

Run = Callable[..., Result]
EVERYTHING = (
    Customer,
    Event,
    Subscription,
    ImportBatch,
    ChurnDefinition,
    ModelVersion,
    ScoringRun,
    LatestScore,
    JobRun,
)


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["demo", *arguments])


def counts(app: Flask) -> list[int]:
    with app.app_context(), read_unit() as session:
        return [session.scalar(select(func.count()).select_from(model)) or 0 for model in EVERYTHING]


def next_step(app: Flask) -> demo.Step | None:
    with app.app_context(), read_unit() as session:
        return demo.next_step(session)


def test_a_demo_has_a_past_and_is_done_once(app: Flask, run: Run) -> None:
    done = run("--customers", "600", "--months", "12", "--seed", "5")
    assert done.exit_code == 0, done.output
    with app.app_context(), read_unit() as session:
        made = demo.begun(session)
        assert made is not None
        runs = session.execute(
            select(ScoringRun.as_of, ScoringRun.role).where(ScoringRun.state == "complete").order_by(ScoringRun.as_of)
        ).all()
        in_force = churn_definitions.in_force(session)
        bands = preferences.read(session).risk_bands
        targets = session.scalars(select(ImportBatch.target).where(ImportBatch.state == "applied")).all()
        kinds = set(session.scalars(select(ChurnDefinition.kind)))
        late = session.scalar(select(func.count()).where(Event.received_at > Event.occurred_at + clock.DAY_US))
        stated = session.execute(select(Subscription.key).group_by(Subscription.key).having(func.count() > 1)).all()
        newest = session.scalar(select(func.max(Event.occurred_at)))
    assert targets == list(demo.TARGETS)
    assert in_force is not None and in_force.name == demo.CANCELS
    assert kinds == {"cancel", "payment_failure"}
    assert bands[1] <= 0.15  # of a few in a hundred who leave in a month, hardly any reach the usual 0.45
    assert [as_of for as_of, role in runs if role == "replay"] == [day for day, _ in made.past]
    assert len(made.past) == 6
    assert [role for _, role in runs].count("champion") == 1
    assert runs[-1].role == "champion"
    assert late and stated and newest is not None and newest < made.end
    found = counts(app)
    assert found[0] == 600 and found[5] == 2 and found[7] > 0
    again = run("--customers", "700", "--seed", "6")
    assert "nothing was done" in again.output
    assert counts(app) == found


def test_revenue_of_the_demo_moves_in_every_way_and_who_comes_back_had_left(
    app: Flask, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_next_look", lambda session, made: None)
    assert run("--customers", "900", "--months", "12", "--seed", "5").exit_code == 0
    with app.app_context():
        run_job(settings, "analyse")
        with read_unit() as session:
            months = bridge.rows(bridge.read(session, settings))
            found = material.read(session, settings)
            definition = churn_definitions.in_force(session)
            assert definition is not None
            rule = churn_definitions.rule_of(definition)
            assert rule is not None
            history = as_of.history(session, settings)
    for kind in bridge.KINDS:
        assert sum(cast(int, month[f"{kind}_customers"]) for month in months) > 5, kind
    customers, lives = np.unique(found.stay_customer, return_counts=True)
    back = customers[lives == 2]
    assert len(back) > 20
    assert lives.max() == 2, "a change of plan is no departure"
    rows = np.isin(found.stay_customer, back)
    start, end = found.stay_start[rows].reshape(-1, 2), found.stay_end[rows].reshape(-1, 2)
    assert (start[:, 1] > end[:, 0]).all()
    # A label says what became of the stay that a customer was in: who came back later left all the same.
    left = end[:, 0][found.stay_counts[rows].reshape(-1, 2)[:, 0]]
    moment = int(np.median(left)) // clock.DAY_US * clock.DAY_US
    gone = back[(start[:, 0] < moment) & (end[:, 0] >= moment) & (end[:, 0] < moment + 30 * clock.DAY_US)]
    labels = Outcomes(rule, history, found.as_of).labels(gone, moment)
    assert len(labels.y)
    assert labels.y.max() == 1


def test_the_demo_is_loaded_whatever_the_limits_on_files_of_others(
    app: Flask, run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["RETAINSTREAM"] = replace(settings, import_max_rows=300)
    monkeypatch.setattr(demo, "_next_look", lambda session, made: None)
    done = run("--customers", "500", "--months", "4", "--seed", "5")
    assert done.exit_code == 0, done.output
    found = counts(app)
    assert found[0] == 500 and found[1] > 5_000
    path = tmp_path / "customers.csv"
    generate_streaming_customers(500, 3).to_csv(path, index=False)
    refused = app.test_cli_runner().invoke(args=["import", str(path), "--confirm-label"])
    assert refused.exit_code == 1
    assert "more than 300 rows" in refused.output
    assert counts(app)[:2] == found[:2]


def test_an_interrupted_demo_goes_on_with_the_same_service(
    app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(made: demo.Made) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(command, "_queue_training", break_off)
        assert run("--customers", "500", "--months", "4", "--seed", "5").exit_code != 0
    waiting = next_step(app)
    assert waiting is not None and waiting.name == "train"
    found = counts(app)
    assert found[0] == 500 and found[5] == 0
    done = run("--customers", "900", "--months", "12")
    assert done.exit_code == 0, done.output
    assert "500 customers over 4 months, seed 5" in done.output
    assert "Loading" not in done.output
    assert counts(app)[:4] == found[:4]
    assert next_step(app) is None


def test_a_load_that_failed_is_done_again(app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        with unit_of_work() as session:
            demo.begin(session, 500, 4, 5)
        with monkeypatch.context() as patched:
            patched.setattr(demo, "EVENT_MAPPING", {"target": "events", "columns": [{"name": "kind", "role": "kind"}]})
            assert run().exit_code != 0
    waiting = next_step(app)
    assert waiting is not None and (waiting.name, waiting.target) == ("load", "events")
    assert run().exit_code == 0
    assert next_step(app) is None


def test_a_demo_that_was_undone_stays_undone(app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        with unit_of_work() as session:
            demo.begin(session, 500, 4, 5)
        with monkeypatch.context() as patched:
            patched.setattr(demo, "TARGETS", ("customers",))
            patched.setattr(demo, "_next_look", lambda session, made: None)
            assert run().exit_code == 0
        with unit_of_work() as session:
            job_id = batches.queue_undo(session, COMMAND, 1, confirm=True).id
        see_through(job_id)
    assert next_step(app) is None


def test_a_box_with_data_of_its_own_is_left_alone(app: Flask, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    generate_streaming_customers(300, 3).to_csv(path, index=False)
    app.test_cli_runner().invoke(args=["import", str(path), "--confirm-label"])
    before = counts(app)
    assert "nothing was done" in run().output
    assert counts(app) == before
    assert next_step(app) is None


@pytest.mark.parametrize(("months", "days"), [(3, 0), (9, 0), (10, 4), (12, 6), (14, 8), (60, 8)])
def test_past_days_leave_enough_history_before_them(months: int, days: int) -> None:
    end = 20_000 * clock.DAY_US
    past = demo.Made(customers=500, months=months, seed=0, end=end).past
    assert len(past) == days
    if past:
        assert [day for day, _ in past] == sorted({day for day, _ in past})
        assert [model for _, model in past] == ["train", *["earlier"] * (days - 1)]
        assert past[0][0] - (end - round(months * 30.4375) * clock.DAY_US) >= 269 * clock.DAY_US
        assert past[-1][0] < end
