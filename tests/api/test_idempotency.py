"""The decorator on small routes of its own: replay, other request, still running, failures, secrets, age."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import marshmallow as ma
import pytest
import time_machine
from flask import Flask, Response, request
from flask.testing import FlaskClient

from retainstream.api.base import ApiBlueprint, json_response, requires
from retainstream.api.idempotency import idempotent
from retainstream.errors import Conflict
from retainstream.schemas.base import Schema
from retainstream.security.permissions import Permission
from tests.conftest import Cast


class TrialQuerySchema(Schema):
    """A parameter, so that two addresses can differ."""

    dry_run = ma.fields.String()


class Work:
    """What the routes did, and what they are to do next."""

    def __init__(self) -> None:
        self.calls = 0
        self.before: Callable[[], None] = lambda: None

    def answer(self) -> Response:
        self.calls += 1
        self.before()
        return json_response({"call": self.calls}, 202, {"Location": f"/api/v1/jobs/{self.calls}"})


@pytest.fixture
def work(app: Flask) -> Work:
    """Add the routes to the app before its first request."""
    done = Work()
    blueprint = ApiBlueprint("trial", "/trial", "Routes of this test")

    @blueprint.route("/plain", methods=["POST"])
    @requires(Permission.DASHBOARD_READ)
    @idempotent
    @blueprint.arguments(TrialQuerySchema, location="query")
    def plain(query: dict[str, str]) -> Response:
        return done.answer()

    @blueprint.route("/upload", methods=["POST"])
    @requires(Permission.DASHBOARD_READ)
    @idempotent
    def upload() -> Response:
        assert request.files["file"].stream.read() != b"", "the hash leaves the file at its beginning"
        return done.answer()

    @blueprint.route("/secret", methods=["POST"])
    @requires(Permission.DASHBOARD_READ)
    @idempotent(secret=True)
    def secret() -> Response:
        return done.answer()

    app.register_blueprint(blueprint)
    app.extensions["csrf"].exempt(blueprint)
    return done


@pytest.fixture
def post(client: FlaskClient, cast: Cast, work: Work) -> Callable[..., Response]:
    """Return a function that calls a trial route as the viewer."""

    def call(path: str = "plain", key: str | None = "k1", who: str = "viewer", **sent: object) -> Response:
        headers = cast.token(who) | ({} if key is None else {"Idempotency-Key": key})
        return client.post(f"/api/v1/trial/{path}", headers=headers, **(sent or {"json": {"a": 1}}))  # type: ignore[arg-type,return-value]

    return call


def test_a_repeated_call_gets_the_first_answer(post: Callable[..., Response], work: Work) -> None:
    first, second = post(), post()
    assert work.calls == 1
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert (second.status_code, second.json) == (first.status_code, first.json) == (202, {"call": 1})


def test_keys_are_of_one_caller_and_one_route_and_optional(post: Callable[..., Response], work: Work) -> None:
    post()
    post(who="owner")
    post(path="secret")
    post(key="k2")
    post(key=None)
    post(key=None)
    assert work.calls == 6


def test_another_request_with_the_key_is_refused(post: Callable[..., Response], work: Work) -> None:
    post()
    for other in ({"json": {"a": 2}}, {"json": {"a": 1}, "query_string": {"dry_run": "1"}}):
        answer = post(**other)
        assert answer.status_code == 422
        assert "Idempotency-Key" in answer.json["error"]["fields"]
    assert work.calls == 1


def test_a_form_is_the_same_with_another_boundary_but_not_with_another_file(
    post: Callable[..., Response], work: Work
) -> None:
    def form(content: bytes) -> dict[str, object]:
        return {
            "data": {"on_error": "skip", "file": (io.BytesIO(content), "a.csv")},
            "content_type": "multipart/form-data",
        }

    assert post("upload", **form(b"id\n1\n")).status_code == 202
    assert post("upload", **form(b"id\n1\n")).headers["Idempotent-Replay"] == "true"
    assert post("upload", **form(b"id\n2\n")).status_code == 422
    assert work.calls == 1


def test_a_second_call_while_the_first_runs_is_refused(post: Callable[..., Response], work: Work, app: Flask) -> None:
    seen: list[int] = []

    def repeat() -> None:
        work.before = lambda: None
        thread = threading.Thread(target=lambda: seen.append(post().status_code))
        thread.start()
        thread.join()

    work.before = repeat
    assert post().status_code == 202
    assert seen == [409]
    assert work.calls == 1


@pytest.mark.parametrize("failure", [RuntimeError("broken"), Conflict("a job runs already")])
def test_a_failed_call_frees_its_key(post: Callable[..., Response], work: Work, failure: Exception) -> None:
    def fail() -> None:
        raise failure

    work.before = fail
    assert post().status_code in (409, 500)
    work.before = lambda: None
    again = post()
    assert again.status_code == 202
    assert "Idempotent-Replay" not in again.headers


def test_a_secret_is_not_kept(post: Callable[..., Response], work: Work, client: FlaskClient, cast: Cast) -> None:
    assert post("secret").status_code == 202
    assert post("secret").status_code == 409
    assert work.calls == 1
    headers = cast.token("viewer") | {"Idempotency-Key": "token"}
    assert client.post("/api/v1/auth/tokens", json={"name": "x"}, headers=headers).status_code == 201
    assert client.post("/api/v1/auth/tokens", json={"name": "x"}, headers=headers).status_code == 409


def test_keys_live_a_day(post: Callable[..., Response], work: Work, client: FlaskClient, cast: Cast) -> None:
    with time_machine.travel("2031-05-01T10:00:00Z", tick=False) as clock:
        sign_in = {"email": cast.emails["viewer"], "password": cast.password}

        def call() -> Response:
            token = client.post("/api/v1/auth/login", json=sign_in).json["access_token"]
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "day"}
            return client.post("/api/v1/trial/plain", json={}, headers=headers)

        call()
        clock.shift(24 * 3600 - 1)
        assert call().headers["Idempotent-Replay"] == "true"
        clock.shift(2)
        assert "Idempotent-Replay" not in call().headers


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
def test_a_key_that_is_no_key_is_refused(post: Callable[..., Response], work: Work, key: str) -> None:
    assert post(key=key).status_code == 422
    assert work.calls == 0
