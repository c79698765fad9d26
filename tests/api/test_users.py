"""Managing people: the list, roles, deactivating, the last administrator, one-time password links."""

from __future__ import annotations

import time_machine
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import read_unit
from retainstream.models import AuditEntry
from tests.conftest import PASSWORD, Cast

NEW = "another horse 43"


def log_in(client: FlaskClient, email: str, password: str = PASSWORD) -> int:
    return client.post("/api/v1/auth/login", json={"email": email, "password": password}).status_code


def test_users_are_listed_by_cursor_and_by_page(client: FlaskClient, cast: Cast) -> None:
    owner = cast.token("owner")
    first = client.get("/api/v1/users?limit=3", headers=owner).json
    rest = client.get(f"/api/v1/users?limit=3&cursor={first['next_cursor']}", headers=owner).json
    assert [user["id"] for user in first["items"] + rest["items"]] == sorted(cast.users.values())
    assert first["total"] == 4
    assert rest["next_cursor"] is None
    assert client.get("/api/v1/users?page=2&page_size=3", headers=owner).json["items"] == rest["items"]
    assert client.get(f"/api/v1/users?page=2&cursor={first['next_cursor']}", headers=owner).status_code == 422
    assert client.get("/api/v1/users?cursor=bm90", headers=owner).status_code == 422
    assert "password" not in str(first)
    etag = client.get("/api/v1/users", headers=owner).headers["ETag"]
    assert client.get("/api/v1/users", headers=owner | {"If-None-Match": etag}).status_code == 304


def test_a_changed_role_counts_from_the_next_request(client: FlaskClient, cast: Cast) -> None:
    target = f"/api/v1/users/{cast.users['analyst']}"
    assert client.get("/api/v1/users", headers=cast.token("analyst")).status_code == 403
    answer = client.patch(target, json={"role": "admin", "name": " Zoë "}, headers=cast.token("owner"))
    assert answer.json["role"] == "admin"
    assert answer.json["name"] == "Zoë"
    assert client.get("/api/v1/users", headers=cast.token("analyst")).status_code == 200


def test_the_last_active_administrator_stays(client: FlaskClient, cast: Cast) -> None:
    owner, me = cast.token("owner"), f"/api/v1/users/{cast.users['owner']}"
    assert client.patch(me, json={"role": "viewer"}, headers=owner).status_code == 409
    assert client.patch(me, json={"active": False}, headers=owner).status_code == 409
    assert client.delete(me, headers=owner).status_code == 409
    assert client.patch(me, json={"name": "Still here"}, headers=owner).json["role"] == "admin"
    other = f"/api/v1/users/{cast.users['agent']}"
    client.patch(other, json={"role": "admin"}, headers=owner)
    client.delete(other, headers=owner)
    assert client.delete(me, headers=owner).status_code == 409, "a deactivated administrator does not count"
    client.patch(other, json={"active": True}, headers=owner)
    assert client.delete(me, headers=owner).status_code == 204
    assert client.get("/api/v1/auth/me", headers=owner).status_code == 401


def test_deactivating_ends_everything_for_good(client: FlaskClient, cast: Cast) -> None:
    agent, owner, target = cast.token("agent"), cast.token("owner"), f"/api/v1/users/{cast.users['agent']}"
    secret = client.post("/api/v1/auth/tokens", json={"name": "x"}, headers=agent).json["token"]
    refresh = client.post("/api/v1/auth/login", json={"email": cast.emails["agent"], "password": PASSWORD}).json[
        "refresh_token"
    ]
    assert client.delete(target, headers=owner).status_code == 204
    client.patch(target, json={"active": True}, headers=owner)
    assert client.get("/api/v1/auth/me", headers=agent).status_code == 401
    assert client.get("/api/v1/auth/me", headers={"X-API-Key": secret}).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": refresh}).status_code == 401
    assert log_in(client, cast.emails["agent"]) == 200


def test_a_password_link_holds_once_and_ends_what_is_open(client: FlaskClient, cast: Cast) -> None:
    path = f"/api/v1/users/{cast.users['agent']}/reset"
    stale = client.post(path, headers=cast.token("owner")).json["token"]
    leave = client.post(path, headers=cast.token("owner"))
    assert leave.status_code == 201
    assert leave.json["email"] == cast.emails["agent"]
    token = leave.json["token"]
    assert client.post("/api/v1/auth/reset", json={"token": stale, "password": NEW}).status_code == 403
    assert client.post("/api/v1/auth/reset", json={"token": token, "password": cast.emails["agent"]}).status_code == 422
    with time_machine.travel("2099-01-01", tick=True):
        assert client.post("/api/v1/auth/reset", json={"token": token, "password": NEW}).status_code == 403
    assert log_in(client, cast.emails["agent"]) == 200, "the old password holds until the link is used"
    assert client.post("/api/v1/auth/reset", json={"token": token, "password": NEW}).status_code == 204
    assert client.post("/api/v1/auth/reset", json={"token": token, "password": NEW}).status_code == 403
    assert client.get("/api/v1/auth/me", headers=cast.token("agent")).status_code == 401
    assert (log_in(client, cast.emails["agent"]), log_in(client, cast.emails["agent"], NEW)) == (401, 200)


def test_what_does_not_exist_or_is_taken_is_said(client: FlaskClient, cast: Cast) -> None:
    owner = cast.token("owner")
    assert client.patch("/api/v1/users/999", json={"name": "x"}, headers=owner).status_code == 404
    assert client.delete("/api/v1/users/abc", headers=owner).status_code == 422
    assert client.patch("/api/v1/users/999999999999999999", json={}, headers=owner).status_code == 404
    assert (
        client.post("/api/v1/users", json={"email": "AGENT@example.com", "role": "viewer"}, headers=owner).status_code
        == 409
    )
    assert (
        client.post("/api/v1/users", json={"email": "x@example.com", "role": "king"}, headers=owner).status_code == 422
    )


def test_every_write_is_audited_with_field_names_and_no_values(client: FlaskClient, cast: Cast, app: Flask) -> None:
    owner, target = cast.token("owner"), f"/api/v1/users/{cast.users['agent']}"
    client.post("/api/v1/users", json={"email": "secret-person@example.com", "role": "viewer"}, headers=owner)
    client.patch(target, json={"name": "Hidden Name", "role": "viewer"}, headers=owner)
    client.post(target + "/reset", headers=owner)
    client.delete(target, headers=owner)
    with app.app_context(), read_unit() as session:
        entries = list(session.query(AuditEntry).order_by(AuditEntry.id))
        rows = [(entry.action, entry.actor_user_id, entry.fields) for entry in entries]
    assert rows == [
        ("user.invite", cast.users["owner"], ["email", "role"]),
        ("user.change", cast.users["owner"], ["name", "role"]),
        ("user.reset_start", cast.users["owner"], []),
        ("user.deactivate", cast.users["owner"], ["active"]),
    ]
