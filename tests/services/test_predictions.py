"""Scores as people see them: presented, listed, explained, and made on the spot."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.lib.pagination import PageRequest
from retainstream.models import (
    Customer,
    Identity,
    LatestScore,
    ModelVersion,
    ScoringRun,
)
from retainstream.security.actor import SYSTEM
from retainstream.services import (
    attributes,
    datasets,
    explanations,
    on_the_spot,
    predictions,
    registry,
    score_moves,
)
from tests.population import FRAME, staying
from tests.work import run_job


def test_present_form_words_the_values_that_were_scored(scored: list[int], settings: Settings) -> None:
    one = staying(scored)[0]
    with read_unit() as session:
        before = predictions.scores_of(session, [one])[one]
    with unit_of_work() as session:
        customer = session.get_one(Customer, one)
        attributes.write_edit(session, customer, values={"last_login_days": 59}, profile={})
    with read_unit() as session:
        after = predictions.scores_of(session, [one])[one]
        told = explanations.explanation(session, settings, one)
    assert before["stale"] is False
    assert after["stale"] is True
    assert after["reasons"] == before["reasons"]  # an edit does not rewrite why the score was what it was
    assert before["risk_band"] in ("low", "medium", "high", "very_high")
    low, high = before["interval"]
    assert before["confidence"] == pytest.approx(1 - (high - low))
    assert told["exact"] is True
    amounts = [item["contribution"] for item in told["contributions"]]
    assert told["base"] + sum(amounts) == pytest.approx(told["margin"], abs=1e-4)
    assert len(amounts) == 5
    assert "30 days" not in told["statement"]
    assert told["statement"].startswith("Resembles those who left")
    run_job(settings, "score", {"scope": "ids", "customer_ids": [one]})
    with read_unit() as session:
        fresh = predictions.scores_of(session, [one])[one]
        shown = score_moves.history(session, settings, one)["items"]
        others = session.scalar(select(func.count()).select_from(LatestScore))
    assert fresh["stale"] is False
    assert [item["margin"] for item in shown] == [fresh["margin"], before["margin"]]
    assert shown[0]["churn_probability"] == pytest.approx(fresh["churn_probability"])
    assert others == len(staying(scored))


def test_every_stored_probability_lies_in_the_interval_that_is_shown(scored: list[int]) -> None:
    with read_unit() as session:
        rows = session.scalars(select(LatestScore)).all()
        shown = predictions.scores_of(session, [row.customer_id for row in rows])
    assert len(shown) == len(staying(scored))
    for row in rows:
        one = shown[row.customer_id]
        low, high = one["interval"]
        assert 0 <= low <= one["churn_probability"] <= high <= 1
        assert low <= row.p0 and row.p1 <= high and row.probability == one["churn_probability"]
        assert one["confidence"] == 1 - (high - low)
    assert any(not row.p0 <= row.probability <= row.p1 for row in rows)  # which the raw pair does not promise


def test_prediction_on_the_spot_agrees_with_the_stored_score_and_stores_nothing(
    scored: list[int], settings: Settings
) -> None:
    one = staying(scored)[3]
    with read_unit() as session:
        stored = predictions.scores_of(session, [one])[one]
        user_id = FRAME["user_id"].iloc[scored.index(one)]
        fresh = on_the_spot.predict(session, settings, {"user_id": user_id})
        values = datasets.customer_values(session, one)
        stranger = on_the_spot.predict(session, settings, {"features": values})
        by_title = on_the_spot.predict(
            session, settings, {"features": {"DAYS SINCE LAST LOG-IN": values["last_login_days"]}}
        )
        by_name = on_the_spot.predict(session, settings, {"features": {"last_login_days": values["last_login_days"]}})
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
def test_what_is_no_feature_or_no_value_is_named(
    people: list[int], settings: Settings, features: dict[str, object], path: str
) -> None:
    assert people
    with read_unit() as session, pytest.raises(InvalidInput) as refused:
        on_the_spot.predict(session, settings, {"features": features})
    assert list(refused.value.fields) == [path]


def test_customers_in_a_batch_are_scored_by_the_booster_that_never_saw_them(
    people: list[int], settings: Settings
) -> None:
    with read_unit() as session:
        known = dict(session.execute(select(Identity.customer_id, Identity.user_id)).all())
        names = [known[one] for one in people[:20]]
        answers = on_the_spot.predict_batch(session, settings, [{"user_id": name} for name in names])
        alone = [on_the_spot.predict(session, settings, {"user_id": name}) for name in names]
    assert [answer["score"] for answer in answers] == alone


def test_a_batch_answers_each_item_for_itself(people: list[int], settings: Settings) -> None:
    assert people
    items = [
        {"features": {"last_login_days": 3}},
        {"features": {"shoe": 1}},
        {"user_id": "nobody"},
        {},
        {"features": 7},
    ]
    with read_unit() as session:
        answers = on_the_spot.predict_batch(session, settings, items)
    assert [item["index"] for item in answers] == [0, 1, 2, 3, 4]
    assert [item["error"] and item["error"]["code"] for item in answers] == [
        None, "invalid_input", "not_found", "invalid_input", "invalid_input",
    ]  # fmt: skip


def test_listing_pages_through_all_scores_without_gap(scored: list[int]) -> None:
    with read_unit() as session:
        seen: list[object] = []
        cursor = None
        while True:
            page = predictions.results(session, predictions.ResultFilter(), PageRequest(limit=70, cursor=cursor))
            seen += [item["user_id"] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        second = predictions.results(session, predictions.ResultFilter(), PageRequest(limit=70, offset=70))
        some = predictions.results(
            session,
            predictions.ResultFilter(plans=("Basic",), min_probability=0.2, model_version=1),
            PageRequest(limit=10),
        )
        none = predictions.results(session, predictions.ResultFilter(model_version=999))
    assert len(seen) == len(set(seen)) == page.total == len(staying(scored))
    assert [item["user_id"] for item in second.items] == seen[70:140]
    margins = [item["margin"] for item in second.items]
    assert margins == sorted(margins, reverse=True)
    assert all(item["churn_probability"] >= 0.2 for item in some.items)
    assert none.total == 0


def test_generate_queues_names_and_refuses_strangers(people: list[int]) -> None:
    assert people
    with unit_of_work() as session:
        job = predictions.generate(session, SYSTEM, [str(FRAME["user_id"].iloc[0])])
        assert job.payload == {"scope": "ids", "customer_ids": [people[0]]}
        with pytest.raises(InvalidInput, match=r"^1 of these customers is not known, such as 'nobody'"):
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
    one = staying(people)[0]
    with read_unit() as session:
        shown = predictions.scores_of(session, [one])[one]
        told = explanations.explanation(session, settings, one)
        listed = predictions.results(session, predictions.ResultFilter(bands=(3,)), PageRequest(limit=500))
        spot = on_the_spot.predict(session, settings, {"features": {}})
    registry.forget_loaded()
    for answer in (shown, told, spot):
        assert answer["churn_probability"] is answer["interval"] is answer["confidence"] is None
    assert 0 <= shown["risk_percentile"] <= 1
    assert told["statement"].endswith("not reliable enough to be shown.")
    assert listed.total == pytest.approx(0.03 * len(staying(people)), abs=2)
