"""What a caller is told whose request misses: a wrong address, method, content type, or a misspelt field."""

from __future__ import annotations

import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Cast


def test_a_wrong_address_is_named_with_the_way_to_the_right_ones(client: FlaskClient) -> None:
    answer = client.get("/api/v1/custommers")
    assert answer.status_code == 404 and answer.json is not None
    assert "/api/v1/custommers" in answer.json["error"]["message"]
    assert "/api/v1/docs" in answer.json["error"]["message"]


def test_a_wrong_method_is_told_the_possible_ones(client: FlaskClient) -> None:
    answer = client.put("/api/v1/auth/login")
    assert answer.status_code == 405 and answer.json is not None
    assert "POST" in answer.json["error"]["message"]
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_that_is_not_declared_as_json_is_refused_and_not_taken_for_none(
    client: FlaskClient, cast: Cast, content_type: str | None
) -> None:
    answer = client.post("/api/v1/auth/login", data=b'{"email": "a@example.com"}', content_type=content_type)
    assert answer.status_code == 415 and answer.json is not None
    assert answer.json["error"]["code"] == "unsupported_media_type"
    assert "application/json" in answer.json["error"]["message"]


def test_an_absent_body_is_still_none(client: FlaskClient) -> None:
    answer = client.post("/api/v1/auth/login")
    assert answer.status_code == 422 and answer.json is not None
    assert "email" in answer.json["error"]["fields"]


def test_a_misspelt_dry_run_loads_nothing(app: Flask, client: FlaskClient, cast: Cast) -> None:
    head = cast.token("analyst")
    table = io.BytesIO(
        b"id,days,churn\n" + b"".join(b"u%d,%d,%s\n" % (i, i % 7, b"yes" if i % 4 else b"no") for i in range(40))
    )
    answer = client.post("/api/v1/customers/import", headers=head, data={"file": (table, "t.csv"), "dryrun": "true"})
    assert answer.status_code == 422 and answer.json is not None
    assert "dryrun" in answer.json["error"]["fields"]
    listed = client.get("/api/v1/customers/imports", headers=head)
    assert listed.json is not None and listed.json["total"] == 0


def test_a_foreign_key_is_not_called_an_access_token(client: FlaskClient, cast: Cast) -> None:
    answer = client.get("/api/v1/customers", headers={"X-API-Key": "nonsense"})
    assert answer.status_code == 401 and answer.json is not None
    assert "API token" in answer.json["error"]["message"]
