"""From labelled customers to scores in force: the train and score jobs on the real model, run in this process."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.models import (
    AuditEntry,
    Customer,
    JobRun,
    LatestScore,
    ModelVersion,
    ScoreHistory,
    ScoringRun,
)
from retainstream.security.actor import SYSTEM
from retainstream.services import (
    attributes,
    datasets,
    explanations,
    jobs,
    on_the_spot,
    predictions,
    registry,
    revisions,
    scoring,
    training,
)
from tests.population import make_frame, populate
from tests.work import run_job

FRAME = make_frame(500)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Path]:
    """Two database files, made once and copied: a champion trained on 500 customers, and the same with everybody scored."""
    settings = Settings(instance=str(tmp_path_factory.mktemp("templates")), bcrypt_cost=4, jobs=False, train_trials=1)
    shutil.copy(migrated_file, settings.database_file)
    found = {}
    with create_minimal_app(settings).app_context():
        with unit_of_work() as session:
            populate(session, FRAME)
        result = run_job(settings, "train", {"score": False})
        assert result["servable"], result["verdict"]
        for name in ("trained", "scored"):
            if name == "scored":
                run_job(settings, "score", {})
            found[name] = settings.instance_path / f"{name}.db"
            with unit_of_work() as session:
                assert session.scalar(select(func.count()).select_from(Customer)) == len(FRAME)
            db.engine.dispose()  # the last connection to go folds the write-ahead log into the file
            shutil.copy(settings.database_file, found[name])
    return found


def _ids() -> list[int]:
    with read_unit() as session:
        return list(session.scalars(select(Customer.id).order_by(Customer.id)))


@pytest.fixture
def people(minimal_app: Flask, settings: Settings, templates: dict[str, Path]) -> list[int]:
    """500 customers and a champion that was trained on them; nobody is scored yet."""
    assert minimal_app
    shutil.copy(templates["trained"], settings.database_file)
    return _ids()


@pytest.fixture
def scored(minimal_app: Flask, settings: Settings, templates: dict[str, Path]) -> list[int]:
    """The same, with everybody scored once."""
    assert minimal_app
    shutil.copy(templates["scored"], settings.database_file)
    return _ids()


def _staying(ids: list[int]) -> list[int]:
    return [one for one, gone in zip(ids, FRAME["churn"], strict=True) if not gone]


def test_everybody_who_has_not_left_has_a_score_that_adds_up(scored: list[int]) -> None:
    with read_unit() as session:
        rows = session.scalars(select(LatestScore).order_by(LatestScore.customer_id)).all()
        run = session.scalars(select(ScoringRun)).one()
        model = registry.load(session, run.model_version_id)
        data = datasets.scoring_set(session)
    assert [row.customer_id for row in rows] == _staying(scored)
    expected = model.score_rows(data.frame, row_ids=data.ids)
    np.testing.assert_allclose([row.margin for row in rows], expected.margin)
    np.testing.assert_allclose([row.p0 for row in rows], expected.p0)
    total = expected.contributions.base + expected.contributions.values.sum(axis=1)
    np.testing.assert_allclose([row.margin for row in rows], total, atol=1e-4)
    assert run.state == "complete"
    assert run.n_scored == len(rows)
    if expected.probability is not None:
        assert run.summary["expected_churners"] == pytest.approx(expected.probability.sum())
        low, high = run.summary["expected_churners_interval"]
        assert low < run.summary["expected_churners"] < high
        assert run.summary["revenue_at_risk_minor"] == pytest.approx(1_000 * expected.probability.sum(), abs=1)


def test_in_sample_scores_are_never_shown(scored: list[int]) -> None:
    with read_unit() as session:
        run = session.scalars(select(ScoringRun)).one()
        model = registry.load(session, run.model_version_id)
        data = datasets.scoring_set(session)
        stored = dict(session.execute(select(LatestScore.customer_id, LatestScore.margin)).all())
    strange = model.margin(data.frame)  # without ids every booster has its say, also those that saw the row
    assert not np.allclose(strange, [stored[one] for one in data.ids.tolist()], atol=1e-3)


def test_summary_equals_the_lists_behind_it(scored: list[int]) -> None:
    assert scored
    with read_unit() as session:
        run = session.scalars(select(ScoringRun)).one()
        bands = dict(session.execute(select(LatestScore.band, func.count()).group_by(LatestScore.band)).all())
        listed = predictions.results(session, predictions.ResultFilter(bands=(2, 3)), limit=500)
        percentiles = sorted(session.scalars(select(LatestScore.percentile)))
    assert run.summary["bands"] == {
        name: bands.get(index, 0) for index, name in enumerate(("low", "medium", "high", "very_high"))
    }
    assert run.summary["predicted_churners"] == listed.total == len(listed.items)
    assert all(item["predicted"] for item in listed.items)
    assert 0 < percentiles[0] < 0.05
    assert 0.95 < percentiles[-1] < 1
    assert sum(run.histograms["margin"]["counts"]) == run.n_scored


def test_present_form_words_the_values_that_were_scored(scored: list[int], settings: Settings) -> None:
    one = _staying(scored)[0]
    with read_unit() as session:
        before = predictions.scores_of(session, [one])[one]
    with unit_of_work() as session:
        customer = session.get_one(Customer, one)
        attributes.write_edit(session, customer, values={"last_login_days": 59}, profile={})
    with read_unit() as session:
        after = predictions.scores_of(session, [one])[one]
        told = explanations.explanation(session, one)
    assert before["stale"] is False
    assert after["stale"] is True
    assert after["reasons"] == before["reasons"]  # an edit does not rewrite why the score was what it was
    assert before["risk_band"] in ("low", "medium", "high", "very_high")
    p0, p1 = before["interval"]
    assert before["confidence"] == pytest.approx(1 - (p1 - p0))
    assert told["exact"] is True
    amounts = [item["contribution"] for item in told["contributions"]]
    assert told["base"] + sum(amounts) == pytest.approx(told["margin"], abs=1e-4)
    assert len(amounts) == 5
    assert "30 days" not in told["statement"]
    assert told["statement"].startswith("Resembles those who left")
    run_job(settings, "score", {"scope": "ids", "customer_ids": [one]})
    with read_unit() as session:
        fresh = predictions.scores_of(session, [one])[one]
        shown = explanations.history(session, one)["items"]
        others = session.scalar(select(func.count()).select_from(LatestScore))
    assert fresh["stale"] is False
    assert [item["margin"] for item in shown] == [fresh["margin"], before["margin"]]
    assert shown[0]["churn_probability"] == pytest.approx(fresh["churn_probability"])
    assert others == len(_staying(scored))


def test_who_has_left_since_loses_the_score_in_force(scored: list[int], settings: Settings) -> None:
    gone = _staying(scored)[0]
    with unit_of_work() as session:
        session.get_one(Customer, gone).churned = True
    run_job(settings, "score", {})
    with read_unit() as session:
        assert session.get(LatestScore, gone) is None
        assert explanations.history(session, gone)["items"]
        with pytest.raises(NotFound, match="no score yet"):
            explanations.explanation(session, gone)


def test_a_killed_run_leaves_nothing_behind(
    scored: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_finish", _killed)
    monkeypatch.setattr(scoring, "_clean_up", lambda _: None)  # a killed process cleans nothing
    with read_unit() as session:
        before = _state(session)
    with pytest.raises(KilledError):
        run_job(settings, "score", {})
    with read_unit() as session:
        assert _state(session) == before
        assert (
            session.scalar(select(func.count()).select_from(ScoreHistory)) == 2 * before[0]
        )  # half-done, and seen by nobody
        assert len(explanations.history(session, _staying(scored)[0])["items"]) == 1
    monkeypatch.undo()
    run_job(settings, "score", {})
    with read_unit() as session:
        assert session.scalars(select(ScoringRun.state).order_by(ScoringRun.id)).all() == [
            "complete",
            "abandoned",
            "complete",
        ]
        dead = session.scalars(select(ScoringRun.id).where(ScoringRun.state == "abandoned")).one()
        assert session.scalar(select(func.count()).where(ScoreHistory.run_id == dead)) == 0


class KilledError(Exception):
    """The process is gone."""


def _killed(*_: object) -> None:
    raise KilledError


def _state(session) -> tuple[object, ...]:  # type: ignore[no-untyped-def]
    total, newest = session.execute(select(func.count(), func.max(LatestScore.run_id)).select_from(LatestScore)).one()
    return total, newest, revisions.read(session)["scores"]


def test_a_cancelled_run_takes_its_traces_away(
    scored: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scored

    def cancel(*_: object) -> None:
        raise jobs.JobCancelled("asked to stop")

    monkeypatch.setattr(scoring, "_finish", cancel)
    with pytest.raises(jobs.JobCancelled):
        run_job(settings, "score", {})
    with read_unit() as session:
        assert session.scalars(select(ScoringRun.state).order_by(ScoringRun.id)).all() == ["complete", "abandoned"]
        assert session.scalar(select(func.count(func.distinct(ScoreHistory.run_id)))) == 1


def test_a_second_attempt_after_the_commit_repeats_nothing(scored: list[int], settings: Settings) -> None:
    assert scored
    with unit_of_work() as session:
        job = jobs.enqueue(session, SYSTEM, "score", {})
    first = run_job(settings, job=job.id)
    again = run_job(settings, job=job.id, reopen=True)
    assert again == first
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ScoringRun)) == 2


def test_a_model_that_comes_into_service_meanwhile_scores_in_its_place(
    scored: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scored
    second = run_job(settings, "train", {"trials": 1, "seed": 5, "score": False, "promote": False})["model_version"]
    ranks = scoring._ranks

    def promoted_meanwhile(work: scoring.Work, scores: scoring.Scores) -> scoring.Ranks:
        if work.champion.version_id != second:
            with unit_of_work() as session:
                registry.promote(session, SYSTEM, second)
        return ranks(work, scores)

    monkeypatch.setattr(scoring, "_ranks", promoted_meanwhile)
    assert run_job(settings, "score", {})["model_version"] == second
    with read_unit() as session:
        assert session.scalars(select(ScoringRun.state).order_by(ScoringRun.id)).all() == [
            "complete",
            "abandoned",
            "complete",
        ]


def test_unseen_categories_and_missing_values_are_scored_counted_and_said(
    people: list[int], settings: Settings
) -> None:
    odd, bare = _staying(people)[:2]
    with unit_of_work() as session:
        attributes.write_edit(session, session.get_one(Customer, odd), values={"plan_name": "Platinum"}, profile={})
        attributes.write_edit(session, session.get_one(Customer, bare), values={"watch_time_hours": None}, profile={})
    result = run_job(settings, "score", {})
    assert result["unseen_categories"] == {"plan_name": 1}
    assert result["missing_values"] == {"watch_time_hours": 1}
    with read_unit() as session:
        assert json.loads(session.get_one(LatestScore, odd).notices or "[]") == [["plan_name", "unseen"]]
        said = explanations.explanation(session, odd)["notices"]
        missing = explanations.explanation(session, bare)["notices"]
    assert [(item["kind"], item["value"]) for item in said] == [("unseen", "Platinum")]
    assert [item["kind"] for item in missing] == ["missing"]


def test_scoring_without_a_model_says_so(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    with pytest.raises(NotReady, match="train one first"):
        run_job(settings, "score", {})
    with pytest.raises(InvalidInput, match="scope"):
        run_job(settings, "score", {"scope": "some"})


def test_prediction_on_the_spot_agrees_with_the_stored_score_and_stores_nothing(scored: list[int]) -> None:
    one = _staying(scored)[3]
    with read_unit() as session:
        stored = predictions.scores_of(session, [one])[one]
        user_id = FRAME["user_id"].iloc[scored.index(one)]
        fresh = on_the_spot.predict(session, {"user_id": user_id})
        values = datasets.customer_values(session, one)
        stranger = on_the_spot.predict(session, {"features": values})
        by_title = on_the_spot.predict(session, {"features": {"DAYS SINCE LAST LOG-IN": values["last_login_days"]}})
        by_name = on_the_spot.predict(session, {"features": {"last_login_days": values["last_login_days"]}})
        assert session.scalar(select(func.count()).select_from(ScoringRun)) == 1
    assert fresh["margin"] == pytest.approx(stored["margin"])
    assert fresh["churn_probability"] == pytest.approx(stored["churn_probability"])
    assert [r["feature"] for r in fresh["reasons"]] == [r["feature"] for r in stored["reasons"]]
    assert [r["sentence"] for r in fresh["reasons"]] == [r["sentence"] for r in stored["reasons"]]
    assert stranger["margin"] != fresh["margin"]  # values alone may be anybody's, so all boosters have their say
    assert by_title == by_name
    assert {item["feature"] for item in by_name["notices"]} == {
        "watch_time_hours",
        "payment_failures",
        "paperless",
        "plan_name",
    }


@pytest.mark.parametrize(
    ("features", "path"),
    [
        ({"shoe_size": 42}, "features.shoe_size"),
        ({"last_login_days": [1]}, "features.last_login_days"),
        ({"last_login_days": 10**400}, "features.last_login_days"),
        ({"plan_name": "half of a pair: \ud83d"}, "features.plan_name"),
        ({"Plan": "Basic", "plan_name": "Basic"}, "features.plan_name"),
    ],
)
def test_what_is_no_feature_or_no_value_is_named(people: list[int], features: dict[str, object], path: str) -> None:
    assert people
    with read_unit() as session, pytest.raises(InvalidInput) as refused:
        on_the_spot.predict(session, {"features": features})
    assert list(refused.value.fields) == [path]


def test_a_batch_answers_each_item_for_itself(people: list[int]) -> None:
    assert people
    items = [
        {"features": {"last_login_days": 3}},
        {"features": {"shoe": 1}},
        {"user_id": "nobody"},
        {},
        {"features": 7},
    ]
    with read_unit() as session:
        answers = on_the_spot.predict_batch(session, items)
    assert [item["index"] for item in answers] == [0, 1, 2, 3, 4]
    assert [item["error"] and item["error"]["code"] for item in answers] == [
        None, "invalid_input", "not_found", "invalid_input", "invalid_input",
    ]  # fmt: skip


def test_listing_pages_through_all_scores_without_gap(scored: list[int]) -> None:
    with read_unit() as session:
        seen: list[object] = []
        cursor = None
        while True:
            page = predictions.results(session, predictions.ResultFilter(), limit=70, cursor=cursor)
            seen += [item["user_id"] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        second = predictions.results(session, predictions.ResultFilter(), limit=70, page=2)
        some = predictions.results(
            session, predictions.ResultFilter(plans=("Basic",), min_probability=0.2, model_version=1), limit=10
        )
        none = predictions.results(session, predictions.ResultFilter(model_version=999))
    assert len(seen) == len(set(seen)) == page.total == len(_staying(scored))
    assert [item["user_id"] for item in second.items] == seen[70:140]
    margins = [item["margin"] for item in second.items]
    assert margins == sorted(margins, reverse=True)
    assert all(item["churn_probability"] >= 0.2 for item in some.items)
    assert none.total == 0


def test_writes_are_audited_and_caches_told(scored: list[int]) -> None:
    assert scored
    with read_unit() as session:
        actions = set(session.scalars(select(AuditEntry.action)))
        counters = revisions.read(session)
        queued = session.scalars(select(JobRun.kind)).all()
    assert {"model.train", "model.promote", "scores.run"} <= actions
    assert counters["scores"] == 1
    assert counters["model"] == 2  # the version, and the move
    assert sorted(queued) == ["score", "train"]


def test_generate_queues_names_and_refuses_strangers(people: list[int]) -> None:
    assert people
    with unit_of_work() as session:
        job = predictions.generate(session, SYSTEM, [str(FRAME["user_id"].iloc[0])])
        assert job.payload == {"scope": "ids", "customer_ids": [people[0]]}
        with pytest.raises(InvalidInput, match="'nobody'"):
            predictions.generate(session, SYSTEM, ["nobody"])


def test_an_uncalibrated_model_shows_ranks_only(
    people: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unit_of_work() as session:
        model = registry.load(session, 1)
        session.query(ModelVersion).update({"calibrated": False})
    report = model.report_
    monkeypatch.setattr(
        type(model),
        "report_",
        property(lambda _: replace(report, calibration=replace(report.calibration, passed=False))),
    )
    served = replace(model.served_, report=model.report_)
    monkeypatch.setattr(model, "served_", served)
    result = run_job(settings, "score", {})
    assert result["expected_churners"] is None
    assert result["revenue_at_risk_minor"] is None
    one = _staying(people)[0]
    with read_unit() as session:
        shown = predictions.scores_of(session, [one])[one]
        told = explanations.explanation(session, one)
        listed = predictions.results(session, predictions.ResultFilter(bands=(3,)), limit=500)
    registry.forget_loaded()
    assert shown["churn_probability"] is None
    assert 0 <= shown["risk_percentile"] <= 1
    assert told["statement"].endswith("not reliable enough to be shown.")
    assert listed.total == pytest.approx(0.03 * len(_staying(people)), abs=2)


def test_training_options_default_to_the_settings(settings: Settings) -> None:
    assert training.Options.of({}, settings) == training.Options(trials=2)
