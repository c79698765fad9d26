"""Models over HTTP: status, training, versions, and what is in service."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from retainstream.schemas.model import (
    CardSchema,
    FeatureListSchema,
    ModelMetricsSchema,
    StatusSchema,
    VersionListSchema,
)
from tests.conftest import Cast
from tests.population import make_frame, populate

PREFIX = "/api/v1/model"
Jobs = Callable[[], list[dict[str, object]]]


def _fill(app: Flask) -> None:
    with app.app_context(), unit_of_work() as session:
        populate(session, make_frame(300))


def _train(client: FlaskClient, cast: Cast, run_jobs: Jobs, **options: object) -> int:
    answer = client.post(
        f"{PREFIX}/train", json={"trials": 1, "score": False, **options}, headers=cast.token("analyst")
    )
    assert answer.status_code == 202, answer.json
    (job,) = run_jobs()
    assert job["state"] == "succeeded", job
    return int(job["result"]["model_version"])


def test_an_empty_box_says_that_there_is_not_enough_data(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    status = client.get(f"{PREFIX}/status", headers=viewer)
    assert status.json["champion"] is None
    assert "not enough data" in status.json["message"]
    assert client.get(f"{PREFIX}/versions", headers=viewer).json == {"items": [], "next_cursor": None, "total": 0}
    for path in ("features", "metrics"):
        assert client.get(f"{PREFIX}/{path}", headers=viewer).status_code == 409
    assert client.get(f"{PREFIX}/versions/1", headers=viewer).status_code == 404
    assert client.get(f"{PREFIX}/versions/one", headers=viewer).status_code == 422
    assert client.post(f"{PREFIX}/rollback", headers=cast.token("analyst")).status_code == 409


def test_what_is_shown_of_a_trained_model_is_as_documented(
    app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs
) -> None:
    _fill(app)
    version = _train(client, cast, run_jobs)
    viewer = cast.token("viewer")
    status = client.get(f"{PREFIX}/status", headers=viewer)
    assert status.json["champion"]["version"] == version
    low, high = status.json["champion"]["auc_interval"]
    assert low < status.json["champion"]["auc"] < high
    same = client.get(f"{PREFIX}/status", headers={**viewer, "If-None-Match": status.headers["ETag"]})
    assert same.status_code == 304
    for path, schema in (
        ("status", StatusSchema), ("features", FeatureListSchema), ("metrics", ModelMetricsSchema), ("versions", VersionListSchema),
        (f"versions/{version}", CardSchema),
    ):  # fmt: skip
        answer = client.get(f"{PREFIX}/{path}", headers=viewer)
        assert answer.status_code == 200
        documented = set(schema().fields)
        assert set(answer.json) == documented
    metrics = client.get(f"{PREFIX}/metrics", headers=viewer).json
    assert {"base_rate", "best_single_feature", "logistic_regression"} == {rival["name"] for rival in metrics["rivals"]}
    assert metrics["gains"][-1]["share_churners"] == 1
    features = client.get(f"{PREFIX}/features", headers=viewer).json["items"]
    assert [item["rank"] for item in features] == [1, 2, 3, 4, 5]


def test_promote_and_roll_back(app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs) -> None:
    _fill(app)
    analyst = cast.token("analyst")
    first = _train(client, cast, run_jobs)
    second = _train(client, cast, run_jobs, seed=1, promote=False)
    assert client.post(f"{PREFIX}/rollback", headers=analyst).status_code == 409
    moved = client.post(f"{PREFIX}/versions/{second}/promote", headers=analyst)
    assert moved.status_code == 200
    assert moved.json["changed"] is True
    listed = client.get(f"{PREFIX}/versions", headers=analyst).json["items"]
    assert [(item["id"], item["champion"]) for item in listed] == [(second, True), (first, False)]
    back = client.post(f"{PREFIX}/rollback", headers=analyst)
    assert back.json["model_version"] == first
    assert [move["reason"] for move in client.get(f"{PREFIX}/versions/{first}", headers=analyst).json["moves"]] == [
        "first model",
        f"rolled back from version {second}",
    ]
    assert client.post(f"{PREFIX}/versions/99/promote", headers=analyst).status_code == 404
    paged = client.get(f"{PREFIX}/versions?limit=1", headers=analyst).json
    rest = client.get(f"{PREFIX}/versions?limit=1&cursor={paged['next_cursor']}", headers=analyst).json
    assert (paged["items"][0]["id"], rest["items"][0]["id"], rest["next_cursor"]) == (second, first, None)


def test_training_is_queued_once_and_wrong_options_are_named(app: Flask, client: FlaskClient, cast: Cast) -> None:
    _fill(app)
    analyst = cast.token("analyst")
    keyed = {**analyst, "Idempotency-Key": "train-1"}
    first = client.post(f"{PREFIX}/train", json={}, headers=keyed)
    again = client.post(f"{PREFIX}/train", json={}, headers=keyed)
    assert first.json["job"]["id"] == again.json["job"]["id"]
    other = client.post(f"{PREFIX}/train", json={}, headers=analyst)
    assert other.status_code == 409
    assert other.json["error"]["detail"]["job_id"] == first.json["job"]["id"]
    assert client.get(f"{PREFIX}/status", headers=analyst).json["job"]["id"] == first.json["job"]["id"]
    for body, field in (
        ({"seed": -1}, "seed"),
        ({"trials": 0}, "trials"),
        ({"promote": "perhaps"}, "promote"),
        ({"exclude": ["shoe"]}, "exclude"),
    ):
        refused = client.post(f"{PREFIX}/train", json=body, headers=analyst)
        assert refused.status_code == 422
        assert field in refused.json["error"]["fields"]


def test_viewers_look_and_analysts_act(client: FlaskClient, cast: Cast) -> None:
    for path in ("train", "rollback", "versions/1/promote"):
        assert client.post(f"{PREFIX}/{path}", json={}, headers=cast.token("agent")).status_code == 403
        assert client.post(f"{PREFIX}/{path}", json={}).status_code == 401
