"""One's own sessions, log-ins and password, and invitations, over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.app import create_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.models import User
from retainstream.security.passwords import hash_password
from retainstream.services.access import accounts, login, sessions
from tests.conftest import Cast

SESSIONS = "/api/v1/auth/sessions"
PASSWORD = "/api/v1/auth/password"
FRESH = "another long and quiet sentence"


@pytest.fixture
def browsers(app: Flask, cast: Cast) -> None:
    """Two browsers that the analyst is signed in with, and one of the owner."""
    with app.app_context(), unit_of_work() as session:
        for who in ("analyst", "analyst", "owner"):
            user = session.query(User).filter_by(email=cast.emails[who]).one()
            sessions.create(
                session, app.config["RETAINSTREAM"], user, user_agent=f"Browser of {who}", address="1.2.3.4"
            )


def logged_in(client: FlaskClient, cast: Cast, who: str) -> dict[str, str]:
    answer = client.post("/api/v1/auth/login", json={"email": cast.emails[who], "password": cast.password})
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


@pytest.mark.usefixtures("browsers")
def test_sessions_are_listed_paged_and_ended(client: FlaskClient, cast: Cast) -> None:
    headers, other = logged_in(client, cast, "analyst"), logged_in(client, cast, "analyst")
    page = client.get(SESSIONS, headers=headers).json
    kinds = [item["kind"] for item in page["items"]]
    assert page["total"] == len(kinds) and kinds.count("browser") == 2
    (current,) = [item for item in page["items"] if item["current"]]
    assert current["kind"] == "api"
    seen, cursor = [], ""
    while cursor is not None:
        part = client.get(f"{SESSIONS}?limit=1{cursor and f'&cursor={cursor}'}", headers=headers).json
        seen += [item["id"] for item in part["items"]]
        cursor = part["next_cursor"]
    assert seen == [item["id"] for item in page["items"]]
    browser = next(item["id"] for item in page["items"] if item["kind"] == "browser")
    assert client.delete(f"{SESSIONS}/{browser}", headers=headers).status_code == 204
    assert browser not in [item["id"] for item in client.get(SESSIONS, headers=headers).json["items"]]
    ended = client.delete(SESSIONS, headers=headers).json["ended"]
    assert ended == page["total"] - 2
    assert [item["id"] for item in client.get(SESSIONS, headers=headers).json["items"]] == [current["id"]]
    assert client.get(SESSIONS, headers=other).status_code == 401
    assert client.delete(f"{SESSIONS}/{current['id']}", headers=headers).status_code == 204
    assert client.get(SESSIONS, headers=headers).status_code == 401


@pytest.mark.usefixtures("browsers")
def test_nobody_ends_what_is_another_persons(client: FlaskClient, cast: Cast) -> None:
    owner, analyst = logged_in(client, cast, "owner"), logged_in(client, cast, "analyst")
    own = [item["id"] for item in client.get(SESSIONS, headers=owner).json["items"]]
    for one in [*own, "999", "f" * 32, "nothing"]:
        assert client.delete(f"{SESSIONS}/{one}", headers=analyst).status_code == 404
    client.delete(SESSIONS, headers=analyst)
    assert [item["id"] for item in client.get(SESSIONS, headers=owner).json["items"]] == own


def test_a_script_with_an_api_token_sees_them_too(client: FlaskClient, cast: Cast) -> None:
    made = client.post("/api/v1/auth/tokens", json={"name": "night"}, headers=cast.token("viewer"))
    key = {"X-API-Key": made.json["token"]}
    page = client.get(SESSIONS, headers=key).json
    assert page["total"] >= 1 and not any(item["current"] for item in page["items"])
    assert client.delete(SESSIONS, headers=key).json["ended"] == page["total"]
    assert client.get(SESSIONS, headers=key).json == {"items": [], "next_cursor": None, "total": 0}


@pytest.mark.usefixtures("browsers")
def test_a_password_is_changed_and_everything_else_ends(client: FlaskClient, cast: Cast) -> None:
    made = client.post("/api/v1/auth/tokens", json={"name": "night"}, headers=cast.token("analyst"))
    old = logged_in(client, cast, "analyst")
    wrong = client.post(PASSWORD, json={"current_password": "no", "password": FRESH}, headers=old)
    assert wrong.status_code == 422 and "current_password" in wrong.json["error"]["fields"]
    weak = client.post(
        PASSWORD, json={"current_password": cast.password, "password": cast.emails["analyst"]}, headers=old
    )
    assert weak.status_code == 422 and "password" in weak.json["error"]["fields"]
    done = client.post(PASSWORD, json={"current_password": cast.password, "password": FRESH}, headers=old)
    assert done.status_code == 200 and done.headers["Cache-Control"] == "no-store"
    assert client.get(SESSIONS, headers=old).status_code == 401
    fresh = {"Authorization": f"Bearer {done.json['access_token']}"}
    assert [item["current"] for item in client.get(SESSIONS, headers=fresh).json["items"]] == [True]
    assert client.get(SESSIONS, headers={"X-API-Key": made.json["token"]}).status_code == 200
    sent = {"email": cast.emails["analyst"], "password": cast.password}
    assert client.post("/api/v1/auth/login", json=sent).status_code == 401
    assert client.post("/api/v1/auth/login", json={**sent, "password": FRESH}).status_code == 200


def test_guessing_the_password_is_locked_like_a_log_in(settings: Settings) -> None:
    app = create_app(replace(settings, limit_login="3 per 15 minutes"))
    with app.app_context(), unit_of_work() as session:
        user = accounts.create_user(session, "viewer@example.com", "V", "viewer", hash_password(FRESH, 4))
        headers = {"Authorization": f"Bearer {login.issue_tokens(session, settings, user).access}"}
    client = app.test_client()
    wrong = {"current_password": "no", "password": "something else entirely"}
    answers = [client.post(PASSWORD, json=wrong, headers=headers).status_code for _ in range(4)]
    assert answers == [422, 422, 422, 429]
    right = client.post(PASSWORD, json={**wrong, "current_password": FRESH}, headers=headers)
    assert right.status_code == 429 and int(right.headers["Retry-After"]) > 0
    with app.app_context():
        db.engine.dispose()


def test_invitations_are_listed_and_taken_back(client: FlaskClient, cast: Cast) -> None:
    headers = cast.token("owner")
    made = client.post("/api/v1/invitations", json={"email": "new@example.com", "role": "agent"}, headers=headers)
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    page = client.get("/api/v1/invitations", headers=headers).json
    (item,) = page["items"]
    assert (item["email"], item["role"], page["total"]) == ("new@example.com", "agent", 1)
    assert made.json["token"] not in str(page)
    assert client.delete(f"/api/v1/invitations/{item['id']}", headers=headers).status_code == 204
    assert client.delete(f"/api/v1/invitations/{item['id']}", headers=headers).status_code == 404
    sent = {"email": "new@example.com", "password": FRESH, "invitation": made.json["token"]}
    assert client.post("/api/v1/auth/register", json=sent).status_code == 403
    assert client.get("/api/v1/invitations", headers=cast.token("analyst")).status_code == 403
