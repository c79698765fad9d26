"""Replay over HTTP and on the command line, from the question to the list that a team would have worked through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from tests.conftest import Cast
from tests.history import make_box, make_past

PREFIX = "/api/v1/predictions"
Jobs = Callable[[], list[dict[str, object]]]


@pytest.fixture(scope="module")
def past_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """A box with a past and a churn rule in force."""
    return make_box(tmp_path_factory.mktemp("past"), migrated_file, make_past())


@pytest.fixture
def box(settings: Settings, past_file: Path) -> Settings:
    """Use before `app`: the box of this test has that past."""
    import shutil

    shutil.copy(past_file, settings.database_file)
    return settings


def test_train_score_and_replay_over_http(
    box: Settings, app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs
) -> None:
    assert box
    analyst, viewer = cast.token("analyst"), cast.token("viewer")
    sent = {"trials": 1, "keep": ["plan"], "every_days": 30, "ignore_silent_feeds": False}
    assert client.post("/api/v1/model/train", json=sent, headers=analyst).status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"] * 3  # training, scoring, analyses
    first = client.get(f"{PREFIX}/results?limit=1", headers=viewer).json["items"][0]
    assert (first["kind"], first["definition"]["horizon_days"], first["stale_reasons"]) == ("forward", 30, [])
    told = client.get(f"/api/v1/customers/{first['user_id']}/explanation", headers=viewer)
    assert told.json["exact"] is True
    fresh = client.post(f"{PREFIX}/predict", json={"user_id": first["user_id"]}, headers=viewer)
    assert fresh.json["margin"] == pytest.approx(first["margin"], abs=1e-6)
    assert fresh.json["as_of"] == first["as_of"]
    listed = client.get("/api/v1/customers/high-risk", headers=viewer).json["items"]
    assert all(item["definition"]["kind"] == "cancel" for item in listed)
    card = client.get("/api/v1/model/versions/1", headers=viewer).json
    assert (card["kind"], card["as_of"], card["test_openings"]) == ("forward", "2024-12-25T00:00:00Z", 1)

    asked = client.post(f"{PREFIX}/replay", json={"as_of": "2024-10-20", "trials": 1}, headers=analyst)
    assert asked.status_code == 202
    where = f"{PREFIX}/replay/{asked.json['job']['id']}"
    assert client.get(where, headers=viewer).status_code == 409
    assert (
        client.post(f"{PREFIX}/replay", json={"as_of": "2024-10-20", "trials": 1}, headers=analyst).status_code == 409
    )
    (job,) = run_jobs()
    assert job["state"] == "succeeded", job["error"]
    shown = client.get(f"/api/v1/jobs/{job['id']}", headers=analyst).json
    assert shown["result"]["top"] and "customer_id" not in str(shown)
    found = client.get(where, headers=viewer).json
    assert (found["as_of"], found["outcome"]["closed"], found["hindsight"]) == ("2024-10-20T00:00:00Z", True, False)
    assert found["outcome"]["metrics"]["auc"]["value"] > 0.6
    assert {item["left"] for item in found["top"]} == {True, False}
    history = client.get(f"/api/v1/customers/{found['top'][0]['user_id']}/history", headers=viewer).json["items"]
    assert "replay" in {item["role"] for item in history}
    runner = app.test_cli_runner()
    said = runner.invoke(args=["replay", "--as-of", "2024-10-20", "--model", "2", "--no-keep-scores"])
    assert said.exit_code == 0, said.output
    assert "As of 2024-10-20:" in said.output
    assert "times as many as at random" in said.output
    assert found["top"][0]["user_id"] in said.output


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "as_of"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2100-01-01"}, "as_of"),
        ({"as_of": "2024-10-20", "model": "best"}, "model"),
        ({"as_of": "2024-10-20", "model": 0}, "model"),
        ({"as_of": "2024-10-20", "keep_scores": "yes"}, "keep_scores"),
        ({"as_of": "2024-10-20", "colour": "red"}, "colour"),
    ],
)
def test_wrong_questions_name_the_field(
    box: Settings, client: FlaskClient, cast: Cast, body: dict[str, object], field: str
) -> None:
    assert box
    refused = client.post(f"{PREFIX}/replay", json=body, headers=cast.token("analyst"))
    assert refused.status_code == 422
    assert field in refused.json["error"]["fields"]


def test_who_may_ask_and_what_must_be_there(client: FlaskClient, cast: Cast) -> None:
    asked = {"as_of": "2024-10-20"}
    assert client.post(f"{PREFIX}/replay", json=asked, headers=cast.token("viewer")).status_code == 403
    assert client.post(f"{PREFIX}/replay", json=asked, headers=cast.token("analyst")).status_code == 409
    assert client.get(f"{PREFIX}/replay/1", headers=cast.token("viewer")).status_code == 404
    assert client.get(f"{PREFIX}/replay/x", headers=cast.token("viewer")).status_code == 422
    assert (
        client.post("/api/v1/model/train", json={"definition_id": 9}, headers=cast.token("analyst")).status_code == 404
    )
    early = client.post("/api/v1/model/train", json=asked, headers=cast.token("analyst"))
    assert (early.status_code, list(early.json["error"]["fields"])) == (422, ["as_of"])
