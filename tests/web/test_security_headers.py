"""Headers of every answer, and other origins at the API."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.app import create_app
from retainstream.config import Settings

LISTED = "https://app.example.com"


@pytest.fixture
def sharing(settings: Settings) -> FlaskClient:
    """A client of a box that lists one origin and stands behind TLS."""
    return create_app(
        replace(settings, cors_origins=(LISTED,), secure_cookies=True, limit_anonymous="2 per 15 minutes")
    ).test_client()


@pytest.mark.parametrize(
    "path", ["/sign-in", "/nothing-here", "/live", "/api/v1/jobs", "/static/app.css", "/api/v1/docs"]
)
def test_every_answer_carries_the_strict_policy(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_pages_are_not_stored_and_static_files_are_kept(client: FlaskClient) -> None:
    page = client.get("/set-up")
    assert page.headers["Cache-Control"] == "no-store"
    address = next(part.split('"')[0] for part in page.text.split('href="') if part.startswith("/static/app.css"))
    assert "immutable" in client.get(address).headers["Cache-Control"]
    assert client.get("/static/app.css").headers["Cache-Control"] == "no-cache"


def test_transport_is_strict_behind_tls(sharing: FlaskClient) -> None:
    assert "max-age=" in sharing.get("/sign-in").headers["Strict-Transport-Security"]


def test_no_origin_is_let_in_by_default(client: FlaskClient) -> None:
    answer = client.get("/api/v1/jobs", headers={"Origin": LISTED})
    assert not any(name.startswith("Access-Control") for name, _ in answer.headers)
    preflight = client.options("/api/v1/jobs", headers={"Origin": LISTED, "Access-Control-Request-Method": "GET"})
    assert not any(name.startswith("Access-Control") for name, _ in preflight.headers)


def test_listed_origin_may_call_the_api_without_cookies(sharing: FlaskClient) -> None:
    answer = sharing.get("/api/v1/jobs", headers={"Origin": LISTED})
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.com.evil.example", "null", "http://app.example.com", ""]
)
def test_other_origins_get_nothing(sharing: FlaskClient, origin: str) -> None:
    answer = sharing.get("/api/v1/jobs", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_pages_are_never_shared(sharing: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in sharing.get("/sign-in", headers={"Origin": LISTED}).headers


def test_preflights_are_answered_and_not_counted(sharing: FlaskClient) -> None:
    for _ in range(5):
        preflight = sharing.options(
            "/api/v1/customers",
            headers={
                "Origin": LISTED,
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.status_code == 204
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert sharing.get("/api/v1/jobs", headers={"Origin": LISTED}).status_code == 401


def test_every_page_says_who_may_see_it(app: Flask) -> None:
    unguarded = [
        f"{rule.rule} {rule.endpoint}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("web_") and getattr(app.view_functions[rule.endpoint], "guard", None) is None
    ]
    assert unguarded == []
