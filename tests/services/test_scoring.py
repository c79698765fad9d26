"""From labelled customers to scores in force: the train and score jobs on the real model, run in this process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import func, select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.lib.pagination import PageRequest
from retainstream.models import (
    AuditEntry,
    Customer,
    JobRun,
    LatestScore,
    ScoreHistory,
    ScoringRun,
)
from retainstream.security.actor import SYSTEM
from retainstream.services import (
    attributes,
    datasets,
    explanations,
    jobs,
    predictions,
    registry,
    revisions,
    score_moves,
    training,
)
from retainstream.services.scoring import computing, writing
from tests.population import staying
from tests.work import run_job


def test_everybody_who_has_not_left_has_a_score_that_adds_up(scored: list[int]) -> None:
    with read_unit() as session:
        rows = session.scalars(select(LatestScore).order_by(LatestScore.customer_id)).all()
        run = session.scalars(select(ScoringRun)).one()
        model = registry.load(session, run.model_version_id)
        data = datasets.scoring_set(session)
    assert [row.customer_id for row in rows] == staying(scored)
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
        listed = predictions.results(session, predictions.ResultFilter(bands=(2, 3)), PageRequest(limit=500))
        percentiles = sorted(session.scalars(select(LatestScore.percentile)))
    assert run.summary["bands"] == {
        name: bands.get(index, 0) for index, name in enumerate(("low", "medium", "high", "very_high"))
    }
    assert run.summary["predicted_churners"] == listed.total == len(listed.items)
    assert all(item["predicted"] for item in listed.items)
    assert 0 < percentiles[0] < 0.05
    assert 0.95 < percentiles[-1] < 1
    assert sum(run.histograms["margin"]["counts"]) == run.n_scored


def test_who_has_left_since_loses_the_score_in_force(scored: list[int], settings: Settings) -> None:
    gone = staying(scored)[0]
    with unit_of_work() as session:
        session.get_one(Customer, gone).churned = True
    run_job(settings, "score", {})
    with read_unit() as session:
        assert session.get(LatestScore, gone) is None
        assert score_moves.history(session, settings, gone)["items"]
        with pytest.raises(NotFound, match="no score yet"):
            explanations.explanation(session, settings, gone)


def test_a_killed_run_leaves_nothing_behind(
    scored: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "put_in_force", _killed)
    monkeypatch.setattr(writing, "clean_up", lambda _: None)  # a killed process cleans nothing
    with read_unit() as session:
        before = _state(session)
    with pytest.raises(KilledError):
        run_job(settings, "score", {})
    with read_unit() as session:
        assert _state(session) == before
        assert (
            session.scalar(select(func.count()).select_from(ScoreHistory)) == 2 * before[0]
        )  # half-done, and seen by nobody
        assert len(score_moves.history(session, settings, staying(scored)[0])["items"]) == 1
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

    monkeypatch.setattr(writing, "put_in_force", cancel)
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
    rank = computing.rank

    def promoted_meanwhile(work: computing.Work, scores: computing.Scores, others: np.ndarray) -> computing.Ranks:
        if work.model.version_id != second:
            with unit_of_work() as session:
                registry.promote(session, SYSTEM, second)
        return rank(work, scores, others)

    monkeypatch.setattr(computing, "rank", promoted_meanwhile)
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
    odd, bare = staying(people)[:2]
    with unit_of_work() as session:
        attributes.write_edit(session, session.get_one(Customer, odd), values={"plan_name": "Platinum"}, profile={})
        attributes.write_edit(session, session.get_one(Customer, bare), values={"watch_time_hours": None}, profile={})
    result = run_job(settings, "score", {})
    assert result["unseen_categories"] == {"plan_name": 1}
    assert result["missing_values"] == {"watch_time_hours": 1}
    with read_unit() as session:
        assert json.loads(session.get_one(LatestScore, odd).notices or "[]") == [["plan_name", "unseen"]]
        said = explanations.explanation(session, settings, odd)["notices"]
        missing = explanations.explanation(session, settings, bare)["notices"]
    assert [(item["kind"], item["value"]) for item in said] == [("unseen", "Platinum")]
    assert [item["kind"] for item in missing] == ["missing"]


def test_scoring_without_a_model_says_so(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    with pytest.raises(NotReady, match="train one first"):
        run_job(settings, "score", {})
    with pytest.raises(InvalidInput, match="scope"):
        run_job(settings, "score", {"scope": "some"})


def test_writes_are_audited_and_caches_told(scored: list[int]) -> None:
    assert scored
    with read_unit() as session:
        actions = set(session.scalars(select(AuditEntry.action)))
        counters = revisions.read(session)
        queued = session.scalars(select(JobRun.kind)).all()
    assert {"model.train", "model.promote", "scores.run"} <= actions
    assert counters["scores"] == 1
    assert counters["model"] == 2  # the version, and the move
    assert sorted(queued) == ["analyse", "score", "train"]  # what the scores change follows in the same commit


def test_training_options_default_to_the_settings(settings: Settings) -> None:
    assert training.Options.of({}, settings) == training.Options(trials=2)
