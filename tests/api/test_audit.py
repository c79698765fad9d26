"""Reading the trail: order, filters, cursor, and who may."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.conftest import Cast


def _some_history(client: FlaskClient, cast: Cast) -> None:
    client.post("/api/v1/auth/login", json={"email": cast.emails["viewer"], "password": "wrong"})
    client.post("/api/v1/auth/login", json={"email": cast.emails["viewer"], "password": cast.password})
    client.post("/api/v1/auth/tokens", json={"name": "a"}, headers=cast.token("viewer"))
    client.patch(f"/api/v1/users/{cast.users['viewer']}", json={"name": "V"}, headers=cast.token("owner"))


def test_the_trail_is_newest_first_and_can_be_filtered(client: FlaskClient, cast: Cast) -> None:
    _some_history(client, cast)
    owner = cast.token("owner")
    everything = client.get("/api/v1/audit", headers=owner).json
    assert [entry["action"] for entry in everything["items"]] == [
        "user.change",
        "token.create",
        "login.succeed",
        "login.try",
    ]
    assert everything["items"][3]["outcome"] == "refused"
    assert everything["items"][3]["actor"]["user_id"] is None
    assert everything["items"][0]["actor"]["email"] == cast.emails["owner"]
    assert everything["items"][0]["target"] == {"kind": "user", "id": str(cast.users["viewer"])}
    assert everything["items"][0]["at"].endswith("Z")
    for query, count in (
        ("action=login.try", 1),
        (f"user_id={cast.users['viewer']}", 2),
        ("target_kind=api_token", 1),
        ("action=nothing", 0),
        (f"target_kind=user&target_id={cast.users['viewer']}", 3),
        ("from=2001-01-01", 4),
        ("to=2001-01-01", 0),
    ):
        assert client.get(f"/api/v1/audit?{query}", headers=owner).json["total"] == count


def test_pages_of_the_trail_neither_repeat_nor_skip_while_it_grows(client: FlaskClient, cast: Cast) -> None:
    _some_history(client, cast)
    owner, seen, cursor = cast.token("owner"), [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/audit?limit=1{'&cursor=' + cursor if cursor else ''}", headers=owner).json
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["next_cursor"]
        client.post("/api/v1/auth/login", json={"email": "nobody@example.com", "password": "wrong"})
    assert len(seen) == 4
    assert seen == sorted(set(seen), reverse=True)
    assert client.get("/api/v1/audit?cursor=x", headers=owner).status_code == 422


def test_only_administrators_read_it(client: FlaskClient, cast: Cast) -> None:
    for who in ("analyst", "agent", "viewer"):
        assert client.get("/api/v1/audit", headers=cast.token(who)).status_code == 403
