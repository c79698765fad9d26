"""Registering, logging in and out, rotation of refresh tokens, API tokens: through HTTP."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
import time_machine
from flask import Flask, Response
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.models import ApiToken, AuditEntry
from retainstream.services.access import setup
from tests.conftest import Cast

PASSWORD = "correct horse 42"


def log_in(client: FlaskClient, email: str, password: str = PASSWORD) -> Response:
    return client.post("/api/v1/auth/login", json={"email": email, "password": password})  # type: ignore[return-value]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def audit_of(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context(), read_unit() as session:
        return list(session.query(AuditEntry).filter_by(action=action).order_by(AuditEntry.id))


def test_first_account_needs_the_code_and_becomes_admin(client: FlaskClient, settings: Settings) -> None:
    body = {"email": "Ana@Example.com", "password": PASSWORD, "name": "Ana"}
    assert client.post("/api/v1/auth/register", json=body).status_code == 403
    code = setup.setup_code(settings)
    assert setup.code_file(settings).stat().st_mode & 0o777 == 0o600
    assert client.post("/api/v1/auth/register", json=body | {"setup_code": "AAAA-AAAA-AAAA"}).status_code == 403
    answer = client.post("/api/v1/auth/register", json=body | {"setup_code": code.lower()})
    assert answer.status_code == 201
    assert answer.json["user"]["role"] == "admin"
    assert answer.json["user"]["email"] == "ana@example.com"
    assert not setup.code_file(settings).exists()
    assert client.get("/api/v1/auth/me", headers=bearer(answer.json["access_token"])).json["user"]["name"] == "Ana"
    again = client.post("/api/v1/auth/register", json=body | {"email": "b@example.com", "setup_code": code})
    assert again.status_code == 403, "the code holds for one account"


def test_later_accounts_need_an_invitation_for_their_address(client: FlaskClient, cast: Cast, app: Flask) -> None:
    body = {"email": "new@example.com", "password": PASSWORD}
    assert client.post("/api/v1/auth/register", json=body).status_code == 403
    leave = client.post(
        "/api/v1/users", json={"email": "new@example.com", "role": "analyst"}, headers=cast.token("owner")
    )
    assert leave.status_code == 201
    token = leave.json["token"]
    assert (
        client.post(
            "/api/v1/auth/register", json=body | {"email": "other@example.com", "invitation": token}
        ).status_code
        == 403
    )
    answer = client.post("/api/v1/auth/register", json=body | {"invitation": token})
    assert answer.status_code == 201
    assert answer.json["user"]["role"] == "analyst"
    used = client.post("/api/v1/auth/register", json=body | {"email": "third@example.com", "invitation": token})
    assert used.status_code == 403
    assert [entry.outcome for entry in audit_of(app, "user.register")] == ["done"]


def test_an_invitation_ends_after_a_week_and_when_a_newer_one_is_made(client: FlaskClient, cast: Cast) -> None:
    invite = {"email": "new@example.com", "role": "agent"}
    first = client.post("/api/v1/users", json=invite, headers=cast.token("owner")).json["token"]
    second = client.post("/api/v1/users", json=invite, headers=cast.token("owner")).json["token"]
    body = {"email": "new@example.com", "password": PASSWORD}
    assert client.post("/api/v1/auth/register", json=body | {"invitation": first}).status_code == 403
    with time_machine.travel("2099-01-01", tick=True):
        assert client.post("/api/v1/auth/register", json=body | {"invitation": second}).status_code == 403
    assert client.post("/api/v1/auth/register", json=body | {"invitation": second}).status_code == 201


@pytest.mark.parametrize("password", ["short", "x" * 201, "new@example.com", "NEW@example.com"])
def test_passwords_that_break_the_rule_are_refused(client: FlaskClient, settings: Settings, password: str) -> None:
    body = {"email": "new@example.com", "password": password, "setup_code": setup.setup_code(settings)}
    answer = client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    assert "password" in answer.json["error"]["fields"]


@pytest.mark.parametrize("email", ["nobody", "a b@example.com", "a@b@c", "\ud800@x.y", "a@x\n", "ü@example.com"])
def test_what_is_no_address_is_refused(client: FlaskClient, settings: Settings, email: str) -> None:
    body = {"email": email, "password": PASSWORD, "setup_code": setup.setup_code(settings)}
    assert client.post("/api/v1/auth/register", json=body).status_code == 422


def test_log_in_and_me(client: FlaskClient, cast: Cast, app: Flask) -> None:
    answer = log_in(client, "Viewer@Example.com ")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["expires_in"] == 15 * 60
    assert answer.json["user"]["last_login_at"] is not None
    me = client.get("/api/v1/auth/me", headers=bearer(answer.json["access_token"]))
    assert me.json["means"] == "access_token"
    assert "users:manage" not in me.json["permissions"]
    entry = audit_of(app, "login.succeed")[-1]
    assert entry.actor_user_id == cast.users["viewer"]
    assert entry.address == "127.0.0.1"
    assert entry.request_id


def test_wrong_password_unknown_and_deactivated_answer_alike_and_are_audited(
    client: FlaskClient, cast: Cast, app: Flask
) -> None:
    client.delete(f"/api/v1/users/{cast.users['agent']}", headers=cast.token("owner"))
    answers = [
        log_in(client, "viewer@example.com", "wrong"),
        log_in(client, "nobody@example.com"),
        log_in(client, "agent@example.com"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json["error"]["message"] for answer in answers}) == 1
    refused = audit_of(app, "login.try")
    assert [entry.outcome for entry in refused] == ["refused"] * 3
    assert [entry.target_id for entry in refused] == [str(cast.users["viewer"]), None, str(cast.users["agent"])]


def test_unknown_accounts_cost_a_hash_like_known_ones(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retainstream.security import passwords

    calls: list[str] = []
    whole = passwords.bcrypt.hashpw
    check = passwords.bcrypt.checkpw
    monkeypatch.setattr(passwords.bcrypt, "hashpw", lambda *a: calls.append("work") or whole(*a))
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *a: calls.append("work") or check(*a))
    log_in(client, "nobody@example.com")
    log_in(client, "viewer@example.com", "wrong")
    assert calls == ["work", "work"]


def test_hashing_never_happens_inside_a_unit_of_work(
    client: FlaskClient, cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retainstream.db import in_unit
    from retainstream.security import passwords

    seen: list[bool] = []
    for name in ("hashpw", "checkpw"):
        real = getattr(passwords.bcrypt, name)
        monkeypatch.setattr(passwords.bcrypt, name, lambda *a, real=real: seen.append(in_unit()) or real(*a))
    log_in(client, "viewer@example.com")
    log_in(client, "nobody@example.com")
    client.post("/api/v1/auth/register", json={"email": "n@example.com", "password": PASSWORD})
    reset = client.post(f"/api/v1/users/{cast.users['agent']}/reset", headers=cast.token("owner")).json["token"]
    client.post("/api/v1/auth/reset", json={"token": reset, "password": "another horse 43"})
    assert seen == [False] * 4


def test_refresh_rotates_and_reuse_ends_the_log_in(client: FlaskClient, cast: Cast, app: Flask) -> None:
    first = log_in(client, "viewer@example.com").json
    second = client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert second.json["refresh_token"] != first["refresh_token"]
    assert client.get("/api/v1/auth/me", headers=bearer(second.json["access_token"])).status_code == 200
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": second.json["refresh_token"]}).status_code == 401
    assert client.get("/api/v1/auth/me", headers=bearer(second.json["access_token"])).status_code == 401
    assert len(audit_of(app, "login.reuse")) == 1
    assert log_in(client, "viewer@example.com").status_code == 200, "other log-ins go on"


def test_refresh_tokens_expire(client: FlaskClient, cast: Cast) -> None:
    pair = log_in(client, "viewer@example.com").json
    with time_machine.travel("2099-01-01", tick=True):
        assert client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": "rr_unknown"}).status_code == 401


def test_log_out_ends_this_log_in_only_and_everywhere_ends_all(client: FlaskClient, cast: Cast) -> None:
    here, there = log_in(client, "viewer@example.com").json, log_in(client, "viewer@example.com").json
    assert client.post("/api/v1/auth/logout", headers=bearer(here["access_token"])).status_code == 204
    assert client.get("/api/v1/auth/me", headers=bearer(here["access_token"])).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": here["refresh_token"]}).status_code == 401
    assert client.get("/api/v1/auth/me", headers=bearer(there["access_token"])).status_code == 200
    answer = client.post("/api/v1/auth/logout", json={"everywhere": True}, headers=bearer(there["access_token"]))
    assert answer.status_code == 204
    for headers in (bearer(there["access_token"]), cast.token("viewer")):
        assert client.get("/api/v1/auth/me", headers=headers).status_code == 401
    assert client.get("/api/v1/auth/me", headers=cast.token("owner")).status_code == 200


def _claims(app: Flask, token: str) -> dict[str, object]:
    from retainstream.security.access_tokens import AUDIENCE, signing_key

    key = signing_key(app.config["SECRET_KEY"])
    return jwt.decode(token, key.secret, algorithms=["HS256"], audience=AUDIENCE)


def test_forged_and_stale_access_tokens_are_refused(client: FlaskClient, cast: Cast, app: Flask) -> None:
    from retainstream.security.access_tokens import signing_key

    good = cast.tokens["owner"]
    key = signing_key(app.config["SECRET_KEY"])
    claims = _claims(app, good)
    header = {"kid": key.kid}

    def sign(
        changes: dict[str, object],
        secret: bytes = key.secret,
        headers: dict[str, str] = header,
        algorithm: str = "HS256",
    ) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(changed, secret, algorithm=algorithm, headers=headers)

    forged = [
        sign({}, secret=b"another secret of 32 bytes and more"),
        sign({}, secret=app.config["SECRET_KEY"].encode()),
        sign({}, headers={"kid": "old"}),
        sign({}, algorithm="HS512", secret=key.secret * 2),
        jwt.encode(claims, None, algorithm="none"),
        *(sign({name: None}) for name in ("exp", "iat", "sub", "jti", "aud", "iss", "type", "epoch", "family")),
        sign({"type": "refresh"}),
        sign({"aud": "others"}),
        sign({"iss": "others"}),
        sign({"epoch": 1}),
        sign({"family": "0" * 32}),
        sign({"sub": "x"}),
        sign({"sub": "9" * 30}),
        sign({"exp": 1}),
        good + "x",
        "a.b.c",
        "é",
    ]
    assert client.get("/api/v1/auth/me", headers=bearer(sign({}))).status_code == 200, "the forger's tool itself works"
    for token in forged:
        answer = client.get("/api/v1/auth/me", headers=bearer(token))
        assert answer.status_code == 401, token
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    with time_machine.travel("2099-01-01", tick=True):
        assert client.get("/api/v1/auth/me", headers=bearer(good)).status_code == 401


def test_nobody_other_schemes_and_cookies_are_refused(client: FlaskClient, cast: Cast) -> None:
    assert client.get("/api/v1/auth/me").status_code == 401
    assert client.get("/api/v1/auth/me", headers={"Authorization": "Basic dmlld2VyOng="}).status_code == 401
    client.set_cookie("retainstream", cast.tokens["owner"])
    assert client.get("/api/v1/auth/me").status_code == 401


def test_api_tokens_are_shown_once_scoped_and_revocable(
    client: FlaskClient, cast: Cast, app: Flask, settings: Settings
) -> None:
    made = client.post(
        "/api/v1/auth/tokens",
        json={"name": "nightly", "scopes": ["tokens:own", "dashboard:read"]},
        headers=cast.token("analyst"),
    )
    assert made.status_code == 201
    assert made.json["token"].startswith("rs_")
    secret = made.json["token"]
    for headers in (bearer(secret), {"X-API-Key": secret}):
        me = client.get("/api/v1/auth/me", headers=headers)
        assert me.json["permissions"] == ["dashboard:read", "tokens:own"]
        assert me.json["means"] == "api_token"
    listed = client.get("/api/v1/auth/tokens", headers=cast.token("analyst")).json
    assert listed["total"] == 1
    assert "token" not in listed["items"][0]
    assert listed["items"][0]["last_used_at"]
    assert secret not in Path(settings.database_file).read_bytes().decode("latin-1")
    assert client.get("/api/v1/auth/tokens", headers=cast.token("owner")).json["total"] == 0, "everybody sees their own"
    assert client.delete(f"/api/v1/auth/tokens/{made.json['id']}", headers=cast.token("owner")).status_code == 404
    assert client.delete(f"/api/v1/auth/tokens/{made.json['id']}", headers=cast.token("analyst")).status_code == 204
    assert client.get("/api/v1/auth/me", headers=bearer(secret)).status_code == 401
    assert [entry.target_id for entry in audit_of(app, "token.revoke")] == [str(made.json["id"])]


def test_a_token_never_widens_its_maker(client: FlaskClient, cast: Cast) -> None:
    widened = client.post(
        "/api/v1/auth/tokens", json={"name": "x", "scopes": ["users:manage"]}, headers=cast.token("viewer")
    )
    assert widened.status_code == 422
    wish = {"name": "x", "days": 1, "scopes": ["tokens:own"]}
    narrow = client.post("/api/v1/auth/tokens", json=wish, headers=cast.token("owner")).json["token"]
    child = client.post("/api/v1/auth/tokens", json={"name": "y"}, headers=bearer(narrow))
    assert child.status_code == 403, "a token that leaked must not outlive its end in tokens of its own making"
    assert client.get("/api/v1/users", headers=bearer(narrow)).status_code == 403
    assert client.post("/api/v1/auth/logout", headers=bearer(narrow)).status_code == 403


def test_a_token_follows_its_owners_role_and_its_end(client: FlaskClient, cast: Cast) -> None:
    token = client.post("/api/v1/auth/tokens", json={"name": "x", "days": 1}, headers=cast.token("analyst")).json[
        "token"
    ]
    assert "model:train" in client.get("/api/v1/auth/me", headers=bearer(token)).json["permissions"]
    client.patch(f"/api/v1/users/{cast.users['analyst']}", json={"role": "viewer"}, headers=cast.token("owner"))
    assert "model:train" not in client.get("/api/v1/auth/me", headers=bearer(token)).json["permissions"]
    with time_machine.travel("2099-01-01", tick=True):
        assert client.get("/api/v1/auth/me", headers=bearer(token)).status_code == 401


def test_the_last_use_of_a_token_is_noted_at_most_once_an_hour(client: FlaskClient, cast: Cast, app: Flask) -> None:
    def last_used() -> int | None:
        with app.app_context(), read_unit() as session:
            return session.query(ApiToken).one().last_used_at

    with time_machine.travel("2031-05-01T10:00:00Z", tick=False) as clock:
        token = bearer(client.post("/api/v1/auth/tokens", json={"name": "x"}, headers=_fresh(client)).json["token"])
        client.get("/api/v1/auth/me", headers=token)
        first = last_used()
        clock.shift(3599)
        client.get("/api/v1/auth/me", headers=token)
        assert last_used() == first
        clock.shift(1)
        client.get("/api/v1/auth/me", headers=token)
        assert last_used() == first + 3600 * 1_000_000


def _fresh(client: FlaskClient) -> dict[str, str]:
    return bearer(log_in(client, "viewer@example.com").json["access_token"])
