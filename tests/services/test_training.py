"""The train job: what is recorded when a model is served, and what when it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotReady
from retainstream.models import (
    AliasMove,
    FeatureImportance,
    FeatureSet,
    JobRun,
    Label,
    ModelArtifact,
    ModelMetric,
    ModelVersion,
)
from retainstream.security.actor import SYSTEM
from retainstream.services import datasets, model_card, registry, training
from tests.population import make_frame, populate
from tests.work import run_job


def _populate(n: int = 400, *, learnable: bool = True) -> None:
    with unit_of_work() as session:
        populate(session, make_frame(n, learnable=learnable))


def test_a_served_training_is_recorded_in_full_and_queues_the_scoring(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    _populate()
    result = run_job(settings, "train", {"seed": 3, "trials": 1})
    assert result["servable"] is True
    assert result["champion"] is True
    assert (
        0.5
        < result["metrics"]["auc"]["low"]
        < result["metrics"]["auc"]["value"]
        < result["metrics"]["auc"]["high"]
        <= 1
    )
    with read_unit() as session:
        version = session.scalars(select(ModelVersion)).one()
        assert (version.seed, version.kind, version.aborted) == (3, "snapshot", False)
        assert version.data_window["rows"] == 400
        assert version.libraries["scikit-learn"]
        artifact = session.scalars(select(ModelArtifact)).one()
        assert artifact.sha256 == version.artifact_sha256
        move = session.scalars(select(AliasMove)).one()
        assert (move.alias, move.model_version_id, move.reason) == ("champion", version.id, "first model")
        subjects = set(session.scalars(select(ModelMetric.subject)))
        assert {"xgboost", "base_rate", "best_single_feature", "logistic_regression"} <= subjects
        names = set(session.scalars(select(ModelMetric.name).where(ModelMetric.subject == "xgboost")))
        assert {"auc", "pr_auc", "log_loss", "brier", "ece", "precision", "recall", "f1", "top_decile_lift"} <= names
        ranks = session.execute(
            select(FeatureImportance.rank, FeatureImportance.shap_value).order_by(FeatureImportance.rank)
        ).all()
        assert [rank for rank, _ in ranks] == [1, 2, 3, 4, 5]
        assert [value for _, value in ranks] == sorted((value for _, value in ranks), reverse=True)
        stored = session.scalars(select(FeatureSet)).one()
        assert [item["name"] for item in stored.features] == [spec.name for spec in datasets.feature_specs(session)]
        job = session.get_one(JobRun, result["score_job"])
        assert (job.kind, job.state, job.payload) == ("score", "queued", {"scope": "all"})
    assert registry.warm() is True
    with read_unit() as session:
        assert model_card.status(session)["message"] == f"Version {version.id} is in service."
        card = model_card.card(session, version.id)
        assert card["metrics"]["xgboost"]["auc"]["value"] == result["metrics"]["auc"]["value"]  # type: ignore[index]


def test_the_same_seed_gives_the_same_figures(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    _populate(300)
    options = {"seed": 7, "trials": 2, "score": False}
    first, second = (run_job(settings, "train", options) for _ in range(2))
    assert first["model_version"] != second["model_version"]
    assert first["metrics"] == second["metrics"]
    with read_unit() as session:
        a, b = (registry.load(session, result["model_version"]) for result in (first, second))
        data = datasets.training_set(session)
    np.testing.assert_array_equal(a.margin(data.frame, data.ids), b.margin(data.frame, data.ids))


def test_random_labels_are_refused_and_the_old_model_stays(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    _populate()
    good = run_job(settings, "train", {"trials": 1, "score": False})["model_version"]
    with unit_of_work() as session:
        rng = np.random.default_rng(4)
        for label in session.scalars(select(Label)):
            label.value = bool(rng.random() < 0.3)
    result = run_job(settings, "train", {"trials": 1})
    assert result["servable"] is False
    assert result["verdict"]["code"] == "nothing_to_learn"
    assert result["score_job"] is None
    with read_unit() as session:
        champion = registry.champion(session)
        assert champion is not None
        assert champion.version_id == good
        refused = session.get_one(ModelVersion, result["model_version"])
        assert refused.artifact_sha256 is None
        assert refused.report["metrics"]["auc"]["value"] == result["metrics"]["auc"]["value"]
        assert session.scalar(select(func.count()).select_from(ModelArtifact)) == 1
        assert "The last training was refused" in str(model_card.status(session)["message"])


@pytest.mark.parametrize(("n", "code"), [(150, "too_few_rows"), (250, "one_class")])
def test_data_that_say_too_little_are_refused_with_what_is_needed(
    minimal_app: Flask, settings: Settings, n: int, code: str
) -> None:
    assert minimal_app
    _populate(n)
    if code == "one_class":
        with unit_of_work() as session:
            session.query(Label).update({"value": True})
    result = run_job(settings, "train", {})
    assert result["verdict"]["code"] == code
    assert result["servable"] is False
    with read_unit() as session:
        assert registry.champion(session) is None
        status = model_card.status(session)
        card = model_card.card(session, result["model_version"])
    assert str(status["message"]).startswith("No model is in service. The last training was refused")
    assert card["artifact"] is None


def test_a_training_that_cannot_start_fails_in_words(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    with pytest.raises(NotReady, match="nothing to learn from"):
        run_job(settings, "train", {})
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 0


def test_a_training_beyond_its_time_is_ended_and_marked(
    minimal_app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert minimal_app
    _populate(300)
    hours = iter(range(0, 10**9, 7200))
    monkeypatch.setattr("retainstream.lib.clock.monotonic", lambda: next(hours))
    result = run_job(replace(settings, train_minutes=120), "train", {"trials": 1})
    assert result["verdict"]["code"] == "out_of_time"
    with read_unit() as session:
        version = session.scalars(select(ModelVersion)).one()
    assert (version.aborted, version.servable, version.report) == (True, False, {})


def test_a_second_attempt_after_the_commit_trains_no_second_model(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    _populate(300)
    with unit_of_work() as session:
        job = training.request(session, SYSTEM, {"trials": 1, "score": False}).id
    first = run_job(settings, job=job)
    again = run_job(settings, job=job, reopen=True)
    assert again == first
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 1


def test_without_promotion_the_champion_stays(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    _populate(300)
    result = run_job(settings, "train", {"trials": 1, "promote": False, "exclude": ["paperless"]})
    assert (result["servable"], result["champion"], result["score_job"]) == (True, False, None)
    with read_unit() as session:
        assert registry.champion(session) is None
        model = registry.load(session, result["model_version"])
        assert session.scalars(select(ModelVersion)).one().data_window["excluded"] == ["paperless"]
    assert "paperless" not in [spec.name for spec in model.features_]
    with unit_of_work() as session:
        moved = training.promote(session, SYSTEM, result["model_version"])
        assert moved["changed"] is True
        assert moved["score_job"] is not None
        again = training.promote(session, SYSTEM, result["model_version"])
    assert again == {"model_version": result["model_version"], "changed": False, "score_job": None}


def test_a_request_is_refused_at_once_for_what_would_stop_it(minimal_app: Flask) -> None:
    assert minimal_app
    _populate(20)
    with unit_of_work() as session:
        with pytest.raises(InvalidInput, match="shoe"):
            training.request(session, SYSTEM, {"exclude": ["shoe"]})
        training.request(session, SYSTEM, {})
        with pytest.raises(Conflict, match="already queued"):
            training.request(session, SYSTEM, {})
    with unit_of_work() as session:
        populate(session, make_frame(5, seed=9), state="applying")
        session.add(JobRun(kind="import", state="running", dedupe_key="batch:2", created_at=1))
        session.flush()
        with pytest.raises(NotReady, match="being applied"):
            training.request(session, SYSTEM, {})


def test_a_column_that_gives_the_answer_away_is_scored_both_ways(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    frame = make_frame(400)
    frame["payment_failures"] = frame["churn"].astype(int) * 9
    with unit_of_work() as session:
        populate(session, frame)
    result = run_job(settings, "train", {"trials": 1, "score": False})
    assert result["servable"] is True
    with read_unit() as session:
        told = model_card.figures(session)
    (giveaway,) = told["giveaways"]  # type: ignore[misc]
    assert giveaway["feature"] == "payment_failures"
    assert giveaway["auc_without"] < 0.95 < giveaway["auc_with"]
