"""Health scores: made of what was known, judged against who really left, changed by people, and counted by their figures."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound, NotReady
from retainstream.ml.asof.panel import assemble
from retainstream.ml.health import HealthPanel
from retainstream.ml.health import backtest as ml_backtest
from retainstream.ml.health.backtest import points_by_date
from retainstream.models import (
    AnalysisRun,
    HealthScheme,
    HealthScore,
    Identity,
    JobRun,
    ModelVersion,
    ScoreHistory,
    ScoringRun,
)
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import permissions_of
from retainstream.services import jobs, revisions
from retainstream.services.analyses import job as analyses
from retainstream.services.customers import cells, erasure
from retainstream.services.events.rows import EventRows
from retainstream.services.health import backtest, business, ground, parts, reading, schemes
from retainstream.services.health.schemes import SchemeView
from retainstream.services.segments import saved
from tests.history import DAY, Past, write_events
from tests.population import FRAME, populate
from tests.work import run_job


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, looking_ahead: dict[str, Path]) -> Path:
    """A folder, made once and copied: a past after its first analyses."""
    settings = Settings(instance=str(tmp_path_factory.mktemp("analysed")), bcrypt_cost=4, jobs=False)
    shutil.copy(looking_ahead["past"], settings.database_file)
    with create_minimal_app(settings).app_context():
        run_job(settings, "analyse")
        db.engine.dispose()
    return settings.instance_path


@pytest.fixture
def made(past_box: Settings, analysed: Path) -> Settings:
    """The box of a past after its first analyses."""
    shutil.copytree(analysed, past_box.instance_path, dirs_exist_ok=True)
    return past_box


def active() -> tuple[SchemeView, ...]:
    with read_unit() as session:
        return schemes.active(session)


def standing() -> reading.Standing:
    with read_unit() as session:
        return reading.standing(session)


def opened(address: str) -> tuple[int, ...]:
    with read_unit() as session:
        return cells.read(session, address).ids


def test_the_first_analyses_make_a_default_scores_and_a_past(made: Settings, past: Past) -> None:
    (scheme,) = active()
    assert scheme.default
    assert sum(part.weight for part in scheme.parts) == 100
    assert {parts.SILENCE, parts.ACTIVITY, parts.PAYMENT, parts.TENURE} <= set(scheme.keys)
    found = standing()
    assert found.as_of == past.data_end
    assert len(found) > 100
    with read_unit() as session:
        runs = reading.past_runs(session)
        assert len(runs) == 1 + ground.PAST_MONTHS
        assert [run.as_of for run in runs] == sorted(run.as_of for run in runs)
    assert found.before_as_of is not None and 14 * DAY <= found.as_of - found.before_as_of <= 46 * DAY
    known = ~np.isnan(found.change)
    assert known.sum() > 50
    # What stands in a row adds up: the known parts' points by their weights.
    weights = np.array([part.weight for part in scheme.parts], float)
    points = np.column_stack([found.points[key] for key in scheme.keys])
    there = np.where(np.isnan(points), 0.0, weights)
    expected = (there * np.nan_to_num(points)).sum(axis=1) / there.sum(axis=1)
    assert np.allclose(found.score, expected, atol=0.1)
    assert np.allclose(found.confidence, there.sum(axis=1) / 100, atol=1e-3)
    assert (found.confidence < 1).any(), "somebody has no price change, or nothing to hold activity against"


def test_a_second_run_on_the_same_day_keeps_one_score_a_day(made: Settings) -> None:
    run_job(made, "analyse")
    with read_unit() as session:
        dates = session.scalars(select(AnalysisRun.as_of).where(AnalysisRun.kind == "health")).all()
        assert len(dates) == len(set(dates)) == 1 + ground.PAST_MONTHS
        assert session.scalar(select(func.count()).select_from(HealthScheme)) == 1


def test_the_back_test_stands_beside_silence_and_says_why_the_model_is_not_there(made: Settings) -> None:
    told = standing().summary["backtest"]
    (scheme,) = active()
    found = told["schemes"][str(scheme.id)]
    assert told["message"] is None and len(told["dates"]) >= 3
    past = found["past"]
    assert past["message"] is None
    assert past["health"]["low"] > 0.5, "silence and falling activity come before leaving here"
    assert past["silence"] is not None and past["model"] is None
    assert sum(band["n"] for band in past["bands"]) == past["n"]
    assert "replay" in found["beside_model"]["message"]
    assert sum(found["proposal"]["weights"].values()) == 100


def test_the_model_is_judged_on_the_same_rows_once_a_replay_was_made(ahead_box: Settings, past: Past) -> None:
    moment = past.data_end - 60 * DAY
    with read_unit() as session:
        there = ground.read(session, ahead_box).customers(moment)
    with unit_of_work() as session:
        # The run in force becomes one of a past day, by a model that knew no more, of those who were customers then.
        run = session.scalars(select(ScoringRun)).one()
        run.as_of = moment
        session.execute(update(ModelVersion).values(as_of=moment))
        session.execute(delete(ScoreHistory))
        margins = np.random.default_rng(1).normal(size=len(there)).tolist()
        session.add_all(
            ScoreHistory(customer_id=one, run_id=run.id, margin=margin, version_id=1)
            for one, margin in zip(there.tolist(), margins, strict=True)
        )
    run_job(ahead_box, "analyse")
    (scheme,) = active()
    told = standing().summary["backtest"]
    beside = told["schemes"][str(scheme.id)]["beside_model"]
    assert beside["message"] is None
    assert len(told["model_dates"]) == 1
    assert beside["model"] is not None and beside["against_model"] is not None
    assert beside["health"]["value"] - beside["model"]["value"] == pytest.approx(beside["against_model"]["value"])


def test_what_came_later_changes_no_past_score(made: Settings, past: Past) -> None:
    with read_unit() as session:
        older = reading.past_runs(session)[0]
        rows = select(HealthScore.customer_id, HealthScore.score, HealthScore.parts).where
        before = {row[0]: (row[1], json.dumps(row[2])) for row in session.execute(rows(HealthScore.run_id == older.id))}
    moment = older.as_of
    with unit_of_work() as session:
        # Events of the time before that date, which came in after it, and the run is made anew.
        some = past.events
        take = [at for at, one in enumerate(some.occurred) if moment - 20 * DAY < one < moment - DAY][:400]
        late = EventRows(
            [some.user_ids[at] for at in take],
            ["payment_failed"] * len(take),
            [some.occurred[at] + 7 for at in take],
            [moment + DAY] * len(take),
            [None] * len(take),
            [None] * len(take),
            [None] * len(take),
        )
        write_events(session, late)
        session.query(AnalysisRun).filter(AnalysisRun.kind == "health").delete()
        revisions.bump(session, "analyses")
    run_job(made, "analyse")
    with read_unit() as session:
        again = next(run for run in reading.past_runs(session) if run.as_of == moment)
        after = {row[0]: (row[1], json.dumps(row[2])) for row in session.execute(rows(HealthScore.run_id == again.id))}
    assert after == before
    assert standing().points[parts.PAYMENT] is not None


def test_planted_weights_come_back_and_a_random_score_says_nothing(made: Settings) -> None:
    with read_unit() as session:
        found = ground.read(session, made)
        (scheme,) = schemes.active(session)
    assert found.rule is not None
    panel = assemble(found.history, found.specs([scheme]), found.rule, data_end=found.moment)
    real = backtest.past_panel(panel, found, scheme)
    # Who leaves is drawn anew: by two parts alone, which weigh the same.
    given = np.nan_to_num(points_by_date(scheme.of_ml(), real), nan=50.0)
    first, second = scheme.keys.index(parts.SILENCE), scheme.keys.index(parts.PAYMENT)
    rng = np.random.default_rng(5)
    safe = 0.05 * (given[:, first] - 50) + 0.05 * (given[:, second] - 50)
    left = rng.random(len(safe)) < 1 / (1 + np.exp(safe - 1.5))
    told = backtest.proposed(replace(panel, y=left.astype(np.int8)), found, scheme)
    assert told["message"] is None
    assert abs(told["weights"][parts.SILENCE] - 50) <= 12
    assert abs(told["weights"][parts.PAYMENT] - 50) <= 12
    assert sum(told["weights"].values()) == 100
    assert told["proposed"]["value"] > told["current"]["value"]
    noise = HealthPanel(real.as_of, real.customer, rng.normal(size=real.values.shape), left)
    auc = ml_backtest(scheme.of_ml(), noise).health
    assert auc.low < 0.5 < auc.high


def edited(scheme: SchemeView, weights: list[int]) -> list[dict[str, object]]:
    return [asdict(part) | {"weight": weight} for part, weight in zip(scheme.parts, weights, strict=True)]


def wanted(scheme: SchemeView) -> list[int]:
    return [100, *([0] * (len(scheme.parts) - 1))]


def test_an_edit_is_a_new_row_whose_scores_have_a_past_again(made: Settings) -> None:
    (scheme,) = active()
    with unit_of_work() as session:
        new = schemes.change(session, SYSTEM, scheme.id, {"parts": edited(scheme, wanted(scheme))})
        old = schemes.read(session, scheme.id)
        assert old.retired_at == new.created_at and new.id != old.id
        assert schemes.before(session, new) == old
        with pytest.raises(NotFound):
            schemes.change(session, SYSTEM, scheme.id, {"name": "Again"})
    run_job(made, "analyse", job=_queued())
    found = standing()
    assert set(found.scheme.tolist()) == {new.id}
    assert np.isfinite(found.change).any(), "past dates were scored by the new scheme as well"
    assert np.allclose(found.score, found.points[new.keys[0]], atol=0.1, equal_nan=True)
    with unit_of_work() as session:
        back = schemes.undone(session, SYSTEM, new.id)
        assert [part.weight for part in back.parts] == [part.weight for part in scheme.parts]


def test_a_scheme_that_is_changed_while_the_scores_are_made_has_them_made_once_more(made: Settings) -> None:
    (scheme,) = active()
    with unit_of_work() as session:
        job = analyses.request(session, SYSTEM).id
        claimed = jobs.claim(session, "test", 600, job)
        assert claimed is not None
    with unit_of_work() as session:
        new = schemes.change(session, SYSTEM, scheme.id, {"parts": edited(scheme, wanted(scheme))})
        newest = schemes.change(session, SYSTEM, new.id, {"name": "Once more"})
    with unit_of_work() as session:
        assert jobs.finish(session, claimed, {})
    assert _queued() > job
    run_job(made, "analyse", job=_queued())
    assert set(standing().scheme.tolist()) == {newest.id} and _queued() == 0


def _queued() -> int:
    with read_unit() as session:
        return int(session.scalar(select(JobRun.id).where(JobRun.kind == "analyse", JobRun.state == "queued")) or 0)


def test_a_segment_has_its_own_scheme_and_the_rest_the_general_one(made: Settings) -> None:
    (scheme,) = active()
    rule = {"field": "health.score", "op": "lt", "value": 50}
    with unit_of_work() as session:
        segment = saved.create(session, SYSTEM, {"name": "Low", "rule": rule}, time_zone="UTC")
        own = schemes.create(
            session, SYSTEM, {"name": "Of the low", "segment_id": segment.id, "parts": edited(scheme, wanted(scheme))}
        )
        with pytest.raises(Conflict):
            schemes.create(
                session, SYSTEM, {"name": "Twice", "segment_id": segment.id, "parts": edited(scheme, wanted(scheme))}
            )
        members = cells.read(session, f"segment:{segment.id}").ids
    run_job(made, "analyse", job=_queued())
    found = standing()
    assert set(found.ids[found.scheme == own.id].tolist()) == set(members) & set(found.ids.tolist())
    assert opened(f"health:scheme.{scheme.id}") == tuple(found.ids[found.scheme == scheme.id].tolist())
    with unit_of_work() as session:
        with pytest.raises(Conflict, match="Of the low"):
            saved.delete(session, SYSTEM, segment.id)
        schemes.delete(session, SYSTEM, own.id)
        saved.delete(session, SYSTEM, segment.id)
        assert [one.id for one in schemes.active(session)] == [scheme.id]
        with pytest.raises(Conflict):
            schemes.delete(session, SYSTEM, scheme.id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"key": "silence", "weight": 90, "worst": 60, "best": 1}]}, "parts"),
        ({"parts": [{"key": "silence", "weight": 100, "worst": 5, "best": 5}]}, "parts.0.best"),
        ({"parts": [{"key": "mood", "weight": 100, "worst": 5, "best": 6}]}, "parts.0.key"),
        ({"parts": [{"key": "silence", "weight": 50.5, "worst": 5, "best": 6}]}, "parts.0.weight"),
        ({"parts": [{"key": "silence", "weight": 50, "worst": 5, "best": 6}] * 2}, "parts.1.key"),
        ({"bands": [40, 30, 80]}, "bands"),
        ({"name": " "}, "name"),
        ({"segment_id": 99}, "segment_id"),
        ({"colour": "red"}, "colour"),
    ],
)
@pytest.mark.usefixtures("made")
def test_what_is_not_a_scheme_is_refused_by_its_field(changes: dict[str, object], field: str) -> None:
    (scheme,) = active()
    with unit_of_work() as session, pytest.raises(InvalidInput) as refused:
        schemes.change(session, SYSTEM, scheme.id, changes)
    assert field in refused.value.fields


@pytest.mark.usefixtures("made")
def test_a_viewer_changes_no_scheme() -> None:
    (scheme,) = active()
    viewer = Actor(kind="user", user_id=None, permissions=permissions_of("viewer"))
    with unit_of_work() as session, pytest.raises(Forbidden):
        schemes.change(session, viewer, scheme.id, {"name": "Mine"})


def test_every_figure_counts_whom_its_address_opens_and_nobody_who_was_erased(made: Settings) -> None:
    found = standing()
    assert opened("health:all") == tuple(found.ids.tolist())
    for name in schemes.BAND_NAMES:
        assert opened(f"health:band.{name}") == tuple(found.ids[found.in_band(name)].tolist())
    assert len(opened("health:falling")) == int(found.falling().sum()) > 0
    assert len(opened("health:part-silence.low")) == int(found.low("silence").sum())
    for bad in ("health:band.nice", "health:part-mood.low", "health:scheme.999", "health:", "health:business.x"):
        with pytest.raises(InvalidInput):
            opened(bad)
    one = int(found.ids[0])
    with unit_of_work() as session:
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == one))
        assert user_id is not None
        erasure.erase(session, SYSTEM, user_id, key=b"k" * 32)
    assert one not in opened("health:all")
    assert one not in standing().ids


def test_the_business_is_rated_by_figures_that_open(made: Settings) -> None:
    with read_unit() as session:
        found = business.read(session, made)
    assert found.health.score is not None and 0 <= found.health.score <= 100
    assert found.health.score == pytest.approx(sum(part.contribution for part in found.health.parts))
    assert found.figures.customers_before == len(opened("health:business.before"))
    assert found.figures.customers_lost == len(opened("health:business.lost")) > 0
    assert found.figures.customers_active == len(opened("health:business.active"))
    assert len(opened("health:business.ten")) == 10
    trust = next(part for part in found.health.parts if part.name == "trust")
    assert trust.points is None and "not known" in trust.formula, "there is no model yet"
    assert found.health.confidence == pytest.approx(0.9)


def test_a_table_without_times_gets_scores_and_says_what_cannot_be_said(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    with pytest.raises(NotReady), read_unit() as session:
        reading.standing(session)
    with unit_of_work() as session:
        populate(session, FRAME)
    run_job(settings, "analyse")
    (scheme,) = active()
    assert "feature.last_login_days" in scheme.keys
    ends = {part.key: (part.worst, part.best) for part in scheme.parts}
    assert ends["feature.last_login_days"][0] > ends["feature.last_login_days"][1], "the label says that silence is bad"
    found = standing()
    assert len(found) == int((~FRAME["churn"]).sum())
    assert "labelled table" in found.summary["backtest"]["message"]
    with read_unit() as session:
        told = business.read(session, settings)
    assert any("no times" in note for note in told.notes)
