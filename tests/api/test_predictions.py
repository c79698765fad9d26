"""Scores over HTTP, from the queued job to the explanation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from tests.conftest import Cast
from tests.population import make_frame, populate

FRAME = make_frame(300)
PREFIX = "/api/v1/predictions"
Jobs = Callable[[], list[dict[str, object]]]


@pytest.fixture
def trained(app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs) -> None:
    """A trained model, and everybody scored by the job that follows."""
    with app.app_context(), unit_of_work() as session:
        populate(session, FRAME)
    answer = client.post("/api/v1/model/train", json={"trials": 1}, headers=cast.token("analyst"))
    assert answer.status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"] * 3  # training, scoring, analyses


@pytest.mark.usefixtures("trained")
def test_the_whole_way_from_generate_to_explanation(client: FlaskClient, cast: Cast, run_jobs: Jobs) -> None:
    answer = client.post(f"{PREFIX}/generate", json={"scope": "all"}, headers=cast.token("analyst"))
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['job']['id']}"
    again = client.post(f"{PREFIX}/generate", json={"scope": "all"}, headers=cast.token("analyst"))
    assert again.status_code == 409
    job, _ = run_jobs()  # the second makes the analyses
    assert job["result"]["n_scored"] == int((~FRAME["churn"]).sum())
    listed = client.get(f"{PREFIX}/results?limit=5", headers=cast.token("viewer"))
    assert listed.status_code == 200
    assert listed.json["total"] == job["result"]["n_scored"]
    first = listed.json["items"][0]
    assert first["reasons"][0]["sentence"]
    same = client.get(
        f"{PREFIX}/results?limit=5", headers={**cast.token("viewer"), "If-None-Match": listed.headers["ETag"]}
    )
    assert same.status_code == 304
    following = client.get(
        f"{PREFIX}/results?limit=5&cursor={listed.json['next_cursor']}", headers=cast.token("viewer")
    )
    assert following.json["items"][0]["margin"] <= listed.json["items"][-1]["margin"]
    fresh = client.post(f"{PREFIX}/predict", json={"user_id": first["user_id"]}, headers=cast.token("viewer"))
    assert fresh.json["margin"] == pytest.approx(first["margin"])


@pytest.mark.usefixtures("trained")
def test_filters_narrow_and_wrong_ones_are_named(client: FlaskClient, cast: Cast) -> None:
    high = client.get(
        f"{PREFIX}/results?band=high,very_high&plan=Basic&min_probability=0.5&model_version=1",
        headers=cast.token("viewer"),
    )
    assert high.status_code == 200
    assert all(item["risk_band"] in ("high", "very_high") for item in high.json["items"])
    for query, field in (
        ("band=huge", "band"),
        ("min_probability=2", "min_probability"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=x&page=1", "page"),
    ):
        refused = client.get(f"{PREFIX}/results?{query}", headers=cast.token("viewer"))
        assert refused.status_code == 422
        assert field in refused.json["error"]["fields"]


@pytest.mark.usefixtures("trained")
def test_predictions_on_the_spot(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    good = client.post(f"{PREFIX}/predict", json={"features": {"Plan": "Gold", "last_login_days": 50}}, headers=viewer)
    assert good.status_code == 200
    assert {"unseen", "missing"} == {notice["kind"] for notice in good.json["notices"]}
    unknown = client.post(f"{PREFIX}/predict", json={"features": {"shoe_size": 42}}, headers=viewer)
    assert unknown.status_code == 422
    assert list(unknown.json["error"]["fields"]) == ["features.shoe_size"]
    assert "last_login_days" in unknown.json["error"]["message"]
    assert client.post(f"{PREFIX}/predict", json={"user_id": "nobody"}, headers=viewer).status_code == 404
    assert client.post(f"{PREFIX}/predict", json={}, headers=viewer).status_code == 422
    batch = client.post(
        f"{PREFIX}/predict/batch", json={"items": [{"features": {}}, {"features": {"x": 1}}]}, headers=viewer
    )
    assert (batch.json["scored"], batch.json["failed"]) == (1, 1)
    assert batch.json["items"][1]["error"]["code"] == "invalid_input"
    too_many = client.post(f"{PREFIX}/predict/batch", json={"items": [{}] * 1001}, headers=viewer)
    assert too_many.status_code == 422


def test_without_a_model_every_route_says_so_or_is_empty(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    assert client.get(f"{PREFIX}/results", headers=analyst).json == {"items": [], "next_cursor": None, "total": 0}
    for path, body in (
        ("generate", {"scope": "all"}),
        ("predict", {"features": {}}),
        ("predict/batch", {"items": [{"features": {}}]}),
    ):
        answer = client.post(f"{PREFIX}/{path}", json=body, headers=analyst)
        assert answer.status_code == 409
        assert answer.json["error"]["code"] == "not_ready"


def test_a_viewer_may_look_but_not_generate(client: FlaskClient, cast: Cast) -> None:
    assert client.post(f"{PREFIX}/generate", json={"scope": "all"}, headers=cast.token("viewer")).status_code == 403
    assert client.get(f"{PREFIX}/results").status_code == 401


@pytest.mark.usefixtures("trained")
def test_generate_for_named_customers(client: FlaskClient, cast: Cast, run_jobs: Jobs) -> None:
    some = [str(FRAME["user_id"].iloc[0]), str(FRAME["user_id"].iloc[1])]
    headers = {**cast.token("analyst"), "Idempotency-Key": "once"}
    first = client.post(f"{PREFIX}/generate", json={"customer_ids": some}, headers=headers)
    again = client.post(f"{PREFIX}/generate", json={"customer_ids": some}, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json["job"]["id"] == again.json["job"]["id"]
    (job,) = run_jobs()
    assert job["result"]["n_scored"] == 2
    strangers = client.post(f"{PREFIX}/generate", json={"customer_ids": ["nobody"]}, headers=cast.token("analyst"))
    assert strangers.status_code == 422
    assert (
        client.post(
            f"{PREFIX}/generate", json={"scope": "all", "customer_ids": some}, headers=cast.token("analyst")
        ).status_code
        == 422
    )
