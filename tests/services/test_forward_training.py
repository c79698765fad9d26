"""Training a model that looks ahead: what is recorded, what stops it, and what happens where there is too little."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import (
    AliasMove,
    AttributeVersion,
    Customer,
    FeatureSet,
    Feed,
    JobRun,
    ModelMetric,
    ModelVersion,
    Subscription,
    TestOpening,
)
from retainstream.schemas.model import CardSchema, ModelMetricsSchema, StatusSchema
from retainstream.security.actor import SYSTEM
from retainstream.services import as_of, attributes, feeds, jobs, model_card, registry, training
from retainstream.services.attributes import Wanted
from retainstream.services.forward_training import learning
from tests.history import DAY, START, Past, define
from tests.work import run_job


def test_a_training_by_a_rule_is_recorded_in_full_and_queues_the_scoring(past_box: Settings, past: Past) -> None:
    result = run_job(past_box, "train", {"seed": 3})
    assert result["servable"] is True, result["verdict"]
    assert result["champion"] is True
    with read_unit() as session:
        version = session.scalars(select(ModelVersion)).one()
        assert (version.kind, version.as_of, version.seed) == ("forward", past.data_end, 3)
        assert version.as_of == as_of.data_end(session)
        window = version.data_window
        assert window["rows"] == sum(part["n"] for part in window["parts"].values())  # type: ignore[attr-defined]
        ends = [window["parts"][part]["to"] for part in ("train", "calibrate")]  # type: ignore[index]
        begins = [window["parts"][part]["from"] for part in ("calibrate", "test")]  # type: ignore[index]
        assert all(end < begin for end, begin in zip(ends, begins, strict=True))
        assert window["left_out"]["announced"] > 0  # type: ignore[index]
        subjects = set(session.scalars(select(ModelMetric.subject)))
        assert {"xgboost", "base_rate", "recency", "logistic_regression", "random_forest"} <= subjects or len(
            subjects
        ) > 3
        features = session.scalars(select(FeatureSet)).one().features
        assert all(feature["recipe"] for feature in features)
        assert {
            "last_login_days",
            "watch_time_hours",
            "device_count",
            "payment_failures",
            "subscription_age_months",
        } <= {feature["name"] for feature in features}
        job = session.get_one(JobRun, result["score_job"])
        assert (job.kind, job.state, job.dedupe_key) == ("score", "queued", f"score:all:{version.id}")
        for payload, schema in (
            (model_card.card(session, version.id), CardSchema()),
            (model_card.status(session), StatusSchema()),
            (model_card.figures(session), ModelMetricsSchema()),
        ):
            assert not schema.validate(json.loads(json.dumps(payload, allow_nan=False)))
        assert model_card.card(session, version.id)["test_openings"] == 1
        told: Any = model_card.figures(session)["forward"]
        assert told == model_card.card(session, version.id)["report"]["forward"]  # type: ignore[index]
        instants = [told["data_end"], *(point["as_of"] for point in told["stability"])]
        instants += [date for window in told["windows"] for date in window["dates"]]
        assert len(instants) > 4 and all(re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", instant) for instant in instants)
    assert registry.warm() is True


def test_every_look_at_a_test_window_is_counted(past_box: Settings) -> None:
    first = run_job(past_box, "train", {"score": False, "trials": 1})["model_version"]
    second = run_job(past_box, "train", {"score": False, "trials": 1, "seed": 1})["model_version"]
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(TestOpening)) == 2
        assert session.get_one(ModelVersion, first).data_window["earlier_test_openings"] == 0
        assert session.get_one(ModelVersion, second).data_window["earlier_test_openings"] == 1
        assert model_card.card(session, first)["test_openings"] == 2


def test_a_silent_feed_stops_a_training_unless_a_person_says_otherwise(past_box: Settings) -> None:
    now = clock.now_us()
    with unit_of_work() as session:
        feed = feeds.ensure(session, "billing", now)
        feed.expected_seconds, feed.heartbeat_at = 3_600, now - 2 * DAY
    with pytest.raises(NotReady, match="'billing' went silent"):
        run_job(past_box, "train", {})
    with unit_of_work() as session, pytest.raises(NotReady, match="ignore_silent_feeds"):
        training.request(session, SYSTEM, {})
    result = run_job(past_box, "train", {"ignore_silent_feeds": True, "score": False, "trials": 1})
    assert result["servable"] is True
    with unit_of_work() as session:
        session.query(Feed).filter_by(name="billing").delete()


def test_a_kind_of_event_that_stopped_refuses_the_training(past_box: Settings, past: Past) -> None:
    with unit_of_work() as session:
        session.execute(
            text(
                "DELETE FROM events WHERE occurred_at >= :since AND kind_id = (SELECT id FROM event_kinds WHERE name = 'watch')"
            ),
            {"since": past.end - 6 * DAY},
        )
        session.execute(
            text(
                "INSERT INTO revisions (name, value) VALUES ('removals', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
        )
    result = run_job(past_box, "train", {"trials": 1})
    assert result["servable"] is False
    assert result["verdict"]["code"] == "data_stopped"
    assert "watch" in result["verdict"]["message"]


def test_a_request_is_refused_at_once_for_what_would_stop_it(past_box: Settings, past: Past) -> None:
    with unit_of_work() as session:
        with pytest.raises(InvalidInput, match="The data reach to 2024-12-26"):
            training.request(session, SYSTEM, {"as_of": past.end + 10 * DAY})
        session.execute(text("DELETE FROM settings WHERE name = 'churn_definition'"))
        with pytest.raises((InvalidInput, NotReady)):
            training.request(session, SYSTEM, {"as_of": past.end})
    with pytest.raises(InvalidInput, match="shoe"):
        with unit_of_work() as session:
            define(session, horizon_days=31)
        run_job(past_box, "train", {"exclude": ["shoe"]})


def test_left_out_features_are_not_learned_from(past_box: Settings) -> None:
    result = run_job(
        past_box, "train", {"score": False, "trials": 1, "exclude": ["Watch time in the last 30 days", "plan"]}
    )
    with read_unit() as session:
        names = [spec.name for spec in registry.load(session, result["model_version"]).features_]
    assert "plan" not in names
    assert "watch_time_hours" not in names
    assert "last_login_days" in names


def test_too_little_history_gives_a_rule_and_the_day_when_it_should_suffice(past_box: Settings, past: Past) -> None:
    early = past.end - 285 * DAY
    result = run_job(past_box, "train", {"as_of": early, "score": False})
    assert (result["servable"], result["champion"]) == (True, True)
    assert result["verdict"]["code"] == "simple_rule"
    assert "Until then customers are ranked" in result["verdict"]["message"]
    with read_unit() as session:
        version = session.get_one(ModelVersion, result["model_version"])
        assert (version.kind, version.calibrated, version.as_of) == ("simple_rule", False, early)
        assert str(version.data_window["sufficient_on"]) > str(clock.iso(early))
        assert session.scalar(select(func.count()).select_from(TestOpening)) == 0


def test_a_rule_does_not_take_the_place_of_a_model(ahead_box: Settings, past: Past) -> None:
    result = run_job(ahead_box, "train", {"as_of": past.end - 285 * DAY})
    assert result["verdict"]["code"] == "simple_rule"
    assert (result["champion"], result["score_job"]) == (False, None)
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(AliasMove)) == 1


def test_a_second_attempt_after_the_commit_trains_no_second_model(past_box: Settings) -> None:
    with unit_of_work() as session:
        job = training.request(session, SYSTEM, {"trials": 1, "score": False}).id
    first = run_job(past_box, job=job)
    again = run_job(past_box, job=job, reopen=True)
    assert again == first
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 1


def test_a_training_can_be_cancelled_while_the_panel_is_built(
    past_box: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = jobs.JobContext.progress

    def cancel(context: jobs.JobContext, phase: str, fraction: float) -> None:
        reported(context, phase, fraction)
        if phase == "panel" and fraction > 0.1:
            raise jobs.JobCancelled("asked to stop")

    monkeypatch.setattr(jobs.JobContext, "progress", cancel)
    with pytest.raises(jobs.JobCancelled):
        run_job(past_box, "train", {})
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 0


def test_a_training_beyond_its_time_is_ended_and_marked(past_box: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**9, 7200))
    monkeypatch.setattr("retainstream.lib.clock.monotonic", lambda: next(hours))
    result = run_job(replace(past_box, train_minutes=120), "train", {"trials": 1})
    assert result["verdict"]["code"] == "out_of_time"
    with read_unit() as session:
        version = session.scalars(select(ModelVersion)).one()
    assert (version.aborted, version.servable, version.kind) == (True, False, "forward")


def test_names_are_found_by_name_and_by_title(ahead_box: Settings) -> None:
    assert ahead_box
    with read_unit() as session:
        specs = registry.load(session, 1).features_
    from retainstream.services.forward_training.material import names_of

    assert names_of(specs, ["PLAN", "Watch time in the last 30 days", "cancel_reason"]) == [
        "plan",
        "watch_time_hours",
        "cancel_reason",
    ]
    assert learning.MAX_ROWS > 1_200_000  # twelve dates of 100,000 customers are never thinned


def _plant(session: Session, values: dict[int, float], name: str, kind: str) -> None:
    """Give customers an attribute that claims to have been known before anything else was."""
    (slot,) = attributes.allocate(session, [Wanted(name, name.replace("_", " ").capitalize(), kind)])
    for one, value in values.items():
        version = AttributeVersion(customer_id=one, valid_from=START, known_at=START, source="import")
        setattr(version, str(slot.slot), value)
        session.add(version)
    session.flush()


def test_a_column_that_knows_the_outcome_stops_the_training_until_a_person_decides(past_box: Settings) -> None:
    with unit_of_work() as session:
        left = set(session.scalars(select(Subscription.customer_id).where(Subscription.end_reason == "voluntary")))
        everybody = session.scalars(select(Customer.id)).all()
        _plant(session, {one: float(one in left) for one in everybody}, "cancel_reason_filled", "boolean")
    stopped = run_job(past_box, "train", {"trials": 1})
    assert (stopped["servable"], stopped["verdict"]["code"]) == (False, "leak_suspected")
    assert "Cancel reason filled" in stopped["verdict"]["message"]
    with read_unit() as session:
        card = model_card.card(session, stopped["model_version"])
    assert not CardSchema().validate(json.loads(json.dumps(card, allow_nan=False)))
    assert [one["feature"] for one in card["data_window"]["suspects"]] == ["cancel_reason_filled"]  # type: ignore[index]
    without = run_job(past_box, "train", {"trials": 1, "exclude": ["cancel_reason_filled"], "promote": False})
    kept = run_job(past_box, "train", {"trials": 1, "keep": ["Cancel reason filled"], "promote": False})
    assert without["servable"] is kept["servable"] is True
    assert kept["metrics"]["auc"]["value"] > without["metrics"]["auc"]["value"]
    with read_unit() as session:
        assert session.get_one(ModelVersion, kept["model_version"]).data_window["kept"] == ["Cancel reason filled"]


def test_a_column_dated_after_it_was_known_is_left_out(past_box: Settings, past: Past) -> None:
    with unit_of_work() as session:
        moments = {one: float(past.data_end - one * 60_000_000) for one in session.scalars(select(Customer.id))}
        _plant(session, moments, "updated_at", "number")
    result = run_job(past_box, "train", {"trials": 1, "promote": False})
    assert result["servable"] is True, result["verdict"]
    with read_unit() as session:
        version = session.get_one(ModelVersion, result["model_version"])
        names = [spec.name for spec in registry.load(session, version.id).features_]
    assert "updated_at" not in names
    assert "updated_at" in version.data_window["left_out_features"]  # type: ignore[operator]
    assert [one["feature"] for one in version.data_window["dated_after"]] == ["updated_at"]  # type: ignore[attr-defined]
