"""How scores turned out over HTTP: after training, scoring and a replay, and for one customer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from tests.conftest import Cast
from tests.history import make_box, make_past

URL = "/api/v1/predictions/performance"
Jobs = Callable[[], list[dict[str, object]]]


@pytest.fixture
def box(settings: Settings, tmp_path: Path, migrated_file: Path) -> Settings:
    """Use before `app`: a box with a past and a churn rule in force."""
    (tmp_path / "past").mkdir()
    shutil.copy(make_box(tmp_path / "past", migrated_file, make_past()), settings.database_file)
    return settings


def test_promised_realised_and_a_customers_way(
    box: Settings, app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs
) -> None:
    assert box and app
    analyst, viewer = cast.token("analyst"), cast.token("viewer")
    assert client.get(URL, headers=viewer).json["summary"]["runs"] == 0
    assert client.post("/api/v1/model/train", json={"trials": 1}, headers=analyst).status_code == 202
    assert {job["state"] for job in run_jobs()} == {"succeeded"}
    sent = {"as_of": "2024-10-20", "trials": 1}
    assert client.post("/api/v1/predictions/replay", json=sent, headers=analyst).status_code == 202
    assert {job["state"] for job in run_jobs()} == {"succeeded"}

    answer = client.get(URL, headers=viewer)
    champion, replay = answer.json["items"]
    assert (champion["role"], champion["state"], champion["realised"]) == ("champion", "open", None)
    assert champion["estimated"] is None or champion["estimated"]["estimated"] is True
    assert (replay["role"], replay["state"], replay["estimated"]) == ("replay", "judged", None)
    assert replay["as_of"] == "2024-10-20T00:00:00Z"
    assert 0.5 < replay["realised"]["metrics"]["auc"]["value"] < 1
    assert 0.5 < replay["promised"]["metrics"]["auc"]["value"] < 1
    assert answer.json["summary"]["role"] == "replay"
    again = client.get(URL, headers=viewer | {"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    only = client.get(f"{URL}?role=champion&limit=1", headers=viewer).json
    assert [item["run_id"] for item in only["items"]] == [champion["run_id"]] and only["total"] == 1

    user_id = client.get("/api/v1/predictions/results?limit=1", headers=viewer).json["items"][0]["user_id"]
    items = client.get(f"/api/v1/customers/{user_id}/history", headers=viewer).json["items"]
    assert [item["role"] for item in items] == ["champion", "replay"]
    assert items[1]["outcome"]["state"] == "stayed"
    parts = items[0]["move"]["margin"]
    assert parts["total"] == pytest.approx(items[0]["margin"] - items[1]["margin"])
    total = parts["features"] + parts["model"] + parts["calibration"] + parts["unexplained"]
    assert total == pytest.approx(parts["total"], abs=1e-6)


@pytest.mark.parametrize(
    "query", ["role=challenger", "model_version=0", "cursor=xyz", "limit=0", "page=0", "nonsense=1"]
)
def test_bad_queries_are_named(client: FlaskClient, cast: Cast, query: str) -> None:
    answer = client.get(f"{URL}?{query}", headers=cast.token("viewer"))
    assert answer.status_code == 422
    assert query.split("=", maxsplit=1)[0] in answer.json["error"]["fields"]


def test_nobody_reads_it_without_signing_in(client: FlaskClient) -> None:
    assert client.get(URL).status_code == 401
