"""Following and cancelling jobs over HTTP."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from retainstream.security.actor import COMMAND
from retainstream.services import jobs
from tests.conftest import Cast


def queue(app: Flask, count: int = 1) -> list[int]:
    with app.app_context(), unit_of_work() as session:
        return [jobs.enqueue(session, COMMAND, "count", {}).id for _ in range(count)]


def test_a_job_is_followed_by_its_etag(app: Flask, client: FlaskClient, cast: Cast) -> None:
    (job_id,) = queue(app)
    url, viewer = f"/api/v1/jobs/{job_id}", cast.token("viewer")
    first = client.get(url, headers=viewer)
    assert first.status_code == 200
    assert first.json is not None
    assert first.json["state"] == "queued"
    again = client.get(url, headers={**viewer, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    with app.app_context(), unit_of_work() as session:
        jobs.claim(session, "test", 60)
    moved = client.get(url, headers={**viewer, "If-None-Match": first.headers["ETag"]})
    assert moved.status_code == 200
    assert moved.json is not None
    assert moved.json["state"] == "running"


def test_lists_are_filtered_and_paged(app: Flask, client: FlaskClient, cast: Cast) -> None:
    ids = queue(app, 5)
    viewer = cast.token("viewer")
    page = client.get("/api/v1/jobs?limit=2&state=queued&kind=count", headers=viewer).json
    assert page is not None
    assert ([item["id"] for item in page["items"]], page["total"]) == (ids[:2:-1], 5)
    rest = client.get(f"/api/v1/jobs?limit=2&cursor={page['next_cursor']}", headers=viewer).json
    assert rest is not None
    assert [item["id"] for item in rest["items"]] == ids[2:0:-1]
    last = client.get("/api/v1/jobs?page=3&page_size=2", headers=viewer).json
    assert last is not None
    assert [item["id"] for item in last["items"]] == ids[:1]
    for wrong in ("state=lost", "limit=0", "cursor=%00"):
        assert client.get(f"/api/v1/jobs?{wrong}", headers=viewer).status_code == 422, wrong


def test_cancelling_needs_the_permission_and_an_open_job(app: Flask, client: FlaskClient, cast: Cast) -> None:
    (job_id,) = queue(app)
    url = f"/api/v1/jobs/{job_id}"
    assert client.delete(url, headers=cast.token("viewer")).status_code == 403
    done = client.delete(url, headers=cast.token("analyst"))
    assert done.status_code == 202
    assert done.json is not None
    assert done.json["job"]["state"] == "cancelled"
    assert done.headers["Location"].endswith(url)
    assert client.delete(url, headers=cast.token("analyst")).status_code == 409


@pytest.mark.parametrize(("part", "status"), [("999999", 404), ("x", 422), ("1" * 19, 422), ("-1", 422)])
def test_jobs_that_are_not_there(client: FlaskClient, cast: Cast, part: str, status: int) -> None:
    answer = client.get(f"/api/v1/jobs/{part}", headers=cast.token("viewer"))
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["error"]["message"]


def test_strangers_see_nothing(client: FlaskClient) -> None:
    assert client.get("/api/v1/jobs").status_code == 401


def test_work_that_failed_is_asked_for_again_by_those_who_may(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        job = jobs.enqueue(session, COMMAND, "judge", {})
        job.state = "failed"
        job_id = job.id
    url = f"/api/v1/jobs/{job_id}/retry"
    assert client.post(url, headers=cast.token("viewer")).status_code == 403
    fresh = client.post(url, headers=cast.token("analyst"))
    assert fresh.status_code == 202
    assert fresh.json is not None
    assert (fresh.json["job"]["kind"], fresh.json["job"]["state"]) == ("judge", "queued")
    assert fresh.headers["Location"] == f"/api/v1/jobs/{fresh.json['job']['id']}"
    again = client.post(url, headers=cast.token("analyst"))
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "conflict")
    assert client.post("/api/v1/jobs/999/retry", headers=cast.token("owner")).status_code == 404
