"""Scores of a model that looks ahead: who is scored, from what, how they are shown, and when they are stale."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sqlalchemy import func, select, text

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.ml.asof.builder import features
from retainstream.ml.asof.outcomes import standing
from retainstream.models import ChurnDefinition, Customer, Identity, LatestScore, ScoreHistory, ScoringRun, Subscription
from retainstream.schemas.customers import ScoreFieldsSchema
from retainstream.schemas.predictions import ExplanationSchema, PredictionSchema
from retainstream.services import as_of, churn_definitions, explanations, feeds, on_the_spot, predictions, registry
from retainstream.services.events.rows import EventRows
from retainstream.services.scoring import writing
from tests.history import DAY, Past, write_events
from tests.work import run_job


def test_scores_are_those_of_the_builder_at_the_end_of_the_data(ahead_box: Settings, past: Past) -> None:
    with read_unit() as session:
        run = session.scalars(select(ScoringRun)).one()
        stored = session.execute(
            select(LatestScore.customer_id, LatestScore.margin).order_by(LatestScore.customer_id)
        ).all()
        model = registry.load(session, run.model_version_id)
        rule = churn_definitions.rule_of(session.get_one(ChurnDefinition, run.definition_id))
        history = as_of.history(session, ahead_box)
        assert rule is not None
    assert (run.as_of, run.role, run.state) == (past.data_end, "champion", "complete")
    assert run.data_as_of < run.as_of
    here = standing(rule, history, run.as_of)
    assert [one for one, _ in stored] == here.customers.tolist()
    expected = model.margin(features(history, model.features_, run.as_of, here.customers))
    np.testing.assert_array_equal([margin for _, margin in stored], expected)
    assert (run.summary["active"], run.summary["announced"]) == (len(here.customers), len(here.announced))


def test_who_has_left_follows_from_the_rule(ahead_box: Settings, past: Past) -> None:
    assert ahead_box
    with unit_of_work() as session:
        session.execute(text("UPDATE customers SET churned = NULL, churned_at = NULL"))
    result = run_job(ahead_box, "score", {})
    with read_unit() as session:
        left = set(session.scalars(select(Customer.id).where(Customer.churned.is_(True))))
        stayed = set(session.scalars(select(Customer.id).where(Customer.churned.is_(False))))
        scored = set(session.scalars(select(LatestScore.customer_id)))
        ended = dict(
            session.execute(
                select(Subscription.customer_id, func.max(Subscription.ended_at)).group_by(Subscription.customer_id)
            ).all()
        )
        dates = dict(session.execute(select(Customer.id, Customer.churned_at).where(Customer.churned)).all())
        total = session.scalar(select(func.count()).select_from(Customer))
    gone = {one for one, moment in ended.items() if moment is not None and moment < past.data_end}
    assert left == gone
    assert dates == {one: ended[one] for one in gone}
    assert scored <= stayed
    assert len(left) + len(stayed) == total
    assert result["left"] == len(left)


def test_scores_say_what_they_forecast_and_from_when(ahead_box: Settings) -> None:
    with read_unit() as session:
        page = predictions.results(session, predictions.ResultFilter(), PageRequest(limit=20))
        definition = session.scalars(select(ChurnDefinition)).one()
        run = session.scalars(select(ScoringRun)).one()
        one = session.scalars(select(LatestScore).order_by(LatestScore.margin.desc(), LatestScore.customer_id)).first()
        assert one is not None
        behind = json.loads(one.reason_values or "")
        assert session.scalars(select(ScoreHistory.version_id).distinct()).all() == [None]
        told = explanations.explanation(session, ahead_box, one.customer_id)
        user_id = session.get_one(Identity, one.customer_id).user_id
        fresh = on_the_spot.predict(session, ahead_box, {"user_id": user_id})
        by_hand = on_the_spot.predict(session, ahead_box, {"features": {"last_login_days": 25}})
    first = page.items[0]
    assert first["kind"] == "forward"
    assert first["definition"] == {
        "id": definition.id, "name": definition.name, "kind": "cancel", "horizon_days": 30, "lead_days": 0,
    }  # fmt: skip
    assert (first["as_of"], first["data_as_of"]) == (clock.iso(run.as_of), clock.iso(run.data_as_of))
    assert (first["stale"], first["stale_reasons"]) == (False, [])
    assert [reason["value"] for reason in first["reasons"]] == [
        behind[reason["feature"]] for reason in first["reasons"]
    ]  # type: ignore[index, attr-defined]
    assert told["exact"] is True
    assert told["margin"] == first["margin"] == pytest.approx(fresh["margin"], abs=1e-6)
    assert fresh["churn_probability"] == pytest.approx(first["churn_probability"], abs=1e-9)
    assert fresh["reasons"] == first["reasons"] == told["reasons"]
    amounts = [item["contribution"] for item in told["contributions"]]  # type: ignore[attr-defined]
    assert told["base"] + sum(amounts) == pytest.approx(told["margin"], abs=1e-4)  # type: ignore[operator]
    assert "within 30 days" in str(told["statement"])
    assert told["statement"] == fresh["statement"]
    assert (by_hand["as_of"], fresh["as_of"]) == (None, first["as_of"])
    for payload, schema in (
        ({key: value for key, value in first.items() if key != "user_id"}, ScoreFieldsSchema()),
        (told, ExplanationSchema()),
        (fresh, PredictionSchema()),
    ):
        assert not schema.validate(json.loads(json.dumps(payload, allow_nan=False)))


def test_a_batch_reads_the_history_once_and_says_what_single_calls_say(
    ahead_box: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    history = as_of.history

    def counted(*args: object, **options: object) -> object:
        reads.append(options)
        return history(*args, **options)  # type: ignore[arg-type]

    with read_unit() as session:
        scored = list(session.scalars(select(LatestScore.customer_id).order_by(LatestScore.customer_id).limit(25)))
        left = session.scalars(select(Customer.id).where(Customer.churned)).first()
        known = dict(session.execute(select(Identity.customer_id, Identity.user_id)).all())
        names = [known[one] for one in [*scored, left]]
        alone = [on_the_spot.predict(session, ahead_box, {"user_id": name}) for name in names[:25]]
        monkeypatch.setattr(as_of, "history", counted)
        items = [*({"user_id": name} for name in names), {"user_id": "nobody"}, {"user_id": names[0]}, {"user_id": 7}]
        answers = on_the_spot.predict_batch(session, ahead_box, items)
    assert len(reads) == 1
    assert [answer["score"] for answer in answers[:25]] == alone
    assert answers[27]["score"] == alone[0]
    failed = [answer["error"]["code"] for answer in answers if answer["error"] is not None]  # type: ignore[index]
    assert failed == ["conflict", "not_found", "invalid_input"]


def test_a_customer_who_has_left_is_not_scored_on_the_spot(ahead_box: Settings) -> None:
    with read_unit() as session:
        gone = session.scalar(
            select(Identity.user_id).join(Customer, Customer.id == Identity.customer_id).where(Customer.churned)
        )
        with pytest.raises(Conflict, match="has left already"):
            on_the_spot.predict(session, ahead_box, {"user_id": gone})


def test_scores_grow_stale_with_new_data_and_with_another_model(ahead_box: Settings, past: Past) -> None:
    def reasons() -> list[str]:
        with read_unit() as session:
            item = predictions.results(session, predictions.ResultFilter(), PageRequest(limit=1)).items[0]
        assert item["stale"] == bool(item["stale_reasons"])
        return list(item["stale_reasons"])  # type: ignore[call-overload]

    with unit_of_work() as session:
        write_events(session, _logins(past, days_later=1))
    assert reasons() == []
    with unit_of_work() as session:
        write_events(session, _logins(past, days_later=3))
    assert reasons() == ["as_of_old"]
    with unit_of_work() as session:
        feed = feeds.ensure(session, "billing", clock.now_us())
        feed.expected_seconds, feed.heartbeat_at = 3_600, clock.now_us() - 2 * DAY
    assert reasons() == ["as_of_old", "feed_silent"]
    run_job(ahead_box, "score", {})
    assert reasons() == ["feed_silent"]
    with unit_of_work() as session:
        session.query(feeds.Feed).filter_by(name="billing").delete()
    run_job(ahead_box, "train", {"trials": 1, "seed": 4, "score": False})
    assert reasons() == ["model_replaced"]


def _logins(past: Past, days_later: int) -> EventRows:
    at = [past.end + days_later * DAY - 5 + i for i in range(3)]
    return EventRows(past.events.user_ids[:3], ["login"] * 3, at, at, [None] * 3, [None] * 3, [None] * 3)


def test_some_customers_are_scored_among_all_the_others(ahead_box: Settings) -> None:
    with read_unit() as session:
        before = dict(session.execute(select(LatestScore.customer_id, LatestScore.percentile)).all())
        gone = session.scalar(select(Customer.id).where(Customer.churned).limit(1))
    some = sorted(before)[:5]
    result = run_job(ahead_box, "score", {"scope": "ids", "customer_ids": [*some, gone]})
    with read_unit() as session:
        after = dict(session.execute(select(LatestScore.customer_id, LatestScore.percentile)).all())
    assert result["n_scored"] == 5
    assert after == pytest.approx(before)


def test_a_killed_run_leaves_scores_and_customers_as_they_were(
    past_box: Settings, ahead_box: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert past_box

    def state() -> tuple[object, ...]:
        with read_unit() as session:
            churned = session.execute(
                select(Customer.id, Customer.churned, Customer.churned_at).order_by(Customer.id)
            ).all()
            scores = session.execute(
                select(LatestScore.customer_id, LatestScore.run_id).order_by(LatestScore.customer_id)
            ).all()
        return churned, scores

    with unit_of_work() as session:
        session.execute(text("UPDATE customers SET churned = NULL"))
    before = state()

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(writing, "complete", killed)
        patched.setattr(writing, "clean_up", lambda _: None)
        with pytest.raises(KilledError):
            run_job(ahead_box, "score", {})
    assert state() == before
    run_job(ahead_box, "score", {})
    with read_unit() as session:
        assert session.scalars(select(ScoringRun.state).order_by(ScoringRun.id)).all() == [
            "complete",
            "abandoned",
            "complete",
        ]
