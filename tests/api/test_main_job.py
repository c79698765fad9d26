"""The main job on twins of real tables, through the API alone: import, train, score, list who is at risk and why."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from tests import twins
from tests.conftest import Cast

API = "/api/v1"


def _import(client: FlaskClient, cast: Cast, data: bytes, name: str, **fields: str):
    sent = {"file": (io.BytesIO(data), name), **fields}
    return client.post(f"{API}/customers/import", data=sent, headers=cast.token("analyst"))


@pytest.mark.parametrize(
    ("name", "data", "identifier", "label"),
    [
        ("telephone.csv", twins.telephone(), "customerID", "Churn"),
        ("telephone_crlf.csv", twins.telephone(end="\r\n"), "customerID", "Churn"),
        ("operator.csv", twins.operator(), None, "Churn"),
        ("landline.csv", twins.landline(), "phonenumber", "churn"),
        ("bank.csv", twins.bank(), "CustomerId", "Exited"),
    ],
)
def test_from_file_to_reasons(
    client: FlaskClient,
    cast: Cast,
    run_jobs: Callable[[], list[dict]],
    name: str,
    data: bytes,
    identifier: str | None,
    label: str,
) -> None:
    preview = _import(client, cast, data, name, dry_run="true")
    assert preview.status_code == 200
    roles = {column["role"]: column["name"] for column in preview.get_json()["mapping"]["columns"]}
    assert roles.get("identifier") == identifier and roles["label"] == label
    assert _import(client, cast, data, name).status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"]
    assert client.post(f"{API}/model/train", json={}, headers=cast.token("analyst")).status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"] * 3  # training, scoring, analyses
    status = client.get(f"{API}/model/status", headers=cast.token("viewer")).get_json()
    assert status["champion"] is not None
    page = client.get(f"{API}/customers/high-risk", headers=cast.token("viewer")).get_json()
    everybody = client.get(f"{API}/customers", headers=cast.token("viewer")).get_json()
    assert everybody["total"] > 300
    for item in page["items"] or everybody["items"]:
        assert item["reasons"][0]["sentence"] and 0 <= item["confidence"] <= 1


def test_an_inverted_label_stops_until_it_is_flipped(
    client: FlaskClient, cast: Cast, run_jobs: Callable[[], list[dict]]
) -> None:
    data = twins.operator_inverted()
    stopped = _import(client, cast, data, "inverted.csv")
    assert stopped.status_code == 409 and stopped.get_json()["error"]["code"] == "confirmation_needed"
    assert client.get(f"{API}/customers/imports", headers=cast.token("analyst")).get_json()["total"] == 0
    assert _import(client, cast, data, "inverted.csv", label="flip").status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"]
    assert client.get(f"{API}/dashboard/metrics", headers=cast.token("viewer")).get_json()["churn_rate"] < 0.5


def test_a_web_page_is_refused_in_one_sentence(client: FlaskClient, cast: Cast) -> None:
    refused = _import(client, cast, twins.WEB_PAGE, "log.json")
    assert refused.status_code in (400, 415, 422)
    assert "web page" in refused.get_json()["error"]["message"]


def test_random_labels_serve_no_model_and_the_old_one_stays(
    client: FlaskClient, cast: Cast, run_jobs: Callable[[], list[dict]]
) -> None:
    import numpy as np

    _import(client, cast, twins.telephone(), "telephone.csv")
    run_jobs()
    client.post(f"{API}/model/train", json={}, headers=cast.token("analyst"))
    run_jobs()
    before = client.get(f"{API}/model/status", headers=cast.token("viewer")).get_json()["champion"]["version"]
    lines = twins.telephone().decode().splitlines()
    chance = np.random.default_rng(5).choice(["Yes", "No"], len(lines) - 1, p=[0.3, 0.7])
    shuffled = [lines[0]] + [f"{line.rpartition(',')[0]},{word}" for line, word in zip(lines[1:], chance, strict=True)]
    assert _import(client, cast, "\n".join(shuffled).encode(), "chance.csv").status_code == 202
    run_jobs()
    assert client.post(f"{API}/model/train", json={}, headers=cast.token("analyst")).status_code == 202
    run_jobs()
    status = client.get(f"{API}/model/status", headers=cast.token("viewer")).get_json()
    assert status["champion"]["version"] == before
    newest = client.get(f"{API}/model/versions", headers=cast.token("viewer")).get_json()["items"][0]
    assert newest["servable"] is False
    assert newest["id"] != before


def test_columns_of_an_undone_import_teach_nothing(
    client: FlaskClient, cast: Cast, run_jobs: Callable[[], list[dict]]
) -> None:
    _import(client, cast, twins.bank(), "bank.csv")
    run_jobs()
    undone = client.post(f"{API}/customers/imports/1/undo", headers=cast.token("analyst"))
    assert undone.status_code == 202
    run_jobs()
    _import(client, cast, twins.telephone(), "telephone.csv")
    run_jobs()
    client.post(f"{API}/model/train", json={}, headers=cast.token("analyst"))
    assert run_jobs()[0]["state"] == "succeeded"
    features = client.get(f"{API}/model/features", headers=cast.token("viewer")).get_json()
    assert "balance" not in [item["name"] for item in features["items"]]
    card = client.get(f"{API}/model/versions/{features['model_version']}", headers=cast.token("viewer")).get_json()
    assert "Balance" in card["data_window"]["left_out_empty"]
    answer = client.post(
        f"{API}/predictions/predict", json={"features": {"SeniorCitizen": 1, "tenure": 2}}, headers=cast.token("viewer")
    )
    assert answer.status_code == 200
    assert not any("balance" in str(notice).lower() for notice in answer.get_json()["notices"])


def test_a_training_that_failed_is_what_the_status_tells(
    client: FlaskClient, cast: Cast, run_jobs: Callable[[], list[dict]]
) -> None:
    refused = client.post(f"{API}/model/train", json={}, headers=cast.token("analyst"))
    assert refused.status_code == 409 and refused.get_json()["error"]["code"] == "not_ready"
    _import(client, cast, twins.telephone(), "telephone.csv")
    run_jobs()
    client.post(f"{API}/model/train", json={}, headers=cast.token("analyst"))
    client.post(f"{API}/customers/imports/1/undo", headers=cast.token("analyst"))
    with (
        client.application.app_context(),
        unit_of_work() as session,
    ):  # the undo goes first, so that the training finds nothing
        session.connection().exec_driver_sql("UPDATE job_runs SET id = id + 100 WHERE kind = 'train'")
    run_jobs()
    status = client.get(f"{API}/model/status", headers=cast.token("viewer")).get_json()
    assert status["champion"] is None and "did not come about" in status["message"]


def test_features_sent_to_the_wrong_route_are_not_passed_over(client: FlaskClient, cast: Cast) -> None:
    answer = client.post(f"{API}/dashboard/predict", json={"features": {"a": 1}}, headers=cast.token("analyst"))
    assert answer.status_code == 422 and "predictions/predict" in str(answer.get_json()["error"]["fields"])
