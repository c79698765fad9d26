"""Tags over HTTP: single ones of one customer, and one on many."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Cast
from tests.web.stocked import stock

API = "/api/v1/customers"


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    with app.app_context():
        stock(60)


def ask(
    client: FlaskClient, cast: Cast, method: str, path: str, status: int = 200, who: str = "agent", **sent: Any
) -> Any:
    answer = client.open(f"{API}{path}", method=method, headers=cast.token(who), **sent)
    assert answer.status_code == status, answer.text[:300]
    return answer.json


def test_tags_of_one_customer_come_and_go_without_the_others(client: FlaskClient, cast: Cast) -> None:
    path = "/cus_00030/tags"
    assert ask(client, cast, "GET", path, who="viewer") == {"user_id": "cus_00030", "tags": []}
    for _ in range(2):  # may be sent twice
        told = ask(client, cast, "POST", path, json={"tags": ["vip", "call back"]})
        assert told["tags"] == ["call back", "vip"]
    assert ask(client, cast, "GET", "/cus_00030")["tags"] == ["call back", "vip"]
    for _ in range(2):
        assert ask(client, cast, "DELETE", f"{path}?tag=vip")["tags"] == ["call back"]
    assert ask(client, cast, "GET", "/cus_00030")["user_id"] == "cus_00030", "nobody was erased"
    assert "tag" in ask(client, cast, "DELETE", path, 422)["error"]["fields"]
    assert "tags" in str(ask(client, cast, "POST", path, 422, json={"tags": ["a,b"]})["error"]["fields"])
    ask(client, cast, "GET", "/nobody/tags", 404)
    ask(client, cast, "POST", "/nobody/tags", 404, json={"tags": ["x"]})
    ask(client, cast, "POST", path, 403, who="viewer", json={"tags": ["x"]})


def test_a_customer_with_too_many_tags_gets_none_of_the_new_ones(client: FlaskClient, cast: Cast) -> None:
    path, first = "/cus_00030/tags", [f"t{number:02d}" for number in range(49)]
    ask(client, cast, "POST", path, json={"tags": first})
    assert "at most 50" in ask(client, cast, "POST", path, 409, json={"tags": ["x", "y"]})["error"]["message"]
    assert ask(client, cast, "GET", path)["tags"] == first
    assert len(ask(client, cast, "POST", path, json={"tags": ["x"]})["tags"]) == 50


def test_a_tag_is_put_on_many_who_are_named_or_of_a_list(client: FlaskClient, cast: Cast) -> None:
    users = ["cus_00030", "cus_00031"]
    assert ask(client, cast, "POST", "/tags", json={"tag": "spring", "user_ids": users}) == {"changed": 2}
    assert ask(client, cast, "POST", "/tags", json={"tag": "spring", "user_ids": [*users, "cus_00032"]}) == {
        "changed": 1
    }
    listed = ask(client, cast, "GET", "?tag=spring&status=all")
    assert listed["total"] == 3
    gone = ask(client, cast, "POST", "/tags", json={"tag": "spring", "query": "tag=spring&status=all", "remove": True})
    assert gone == {"changed": 3} and ask(client, cast, "GET", "?tag=spring&status=all")["total"] == 0
    high = ask(client, cast, "GET", "?band=high")["total"]
    assert ask(client, cast, "POST", "/tags", json={"tag": "call", "query": "band=high"}) == {"changed": high}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"tag": "x"}, "user_ids"),
        ({"tag": "x", "user_ids": ["cus_00030"], "query": ""}, "user_ids"),
        ({"tag": "x", "user_ids": ["cus_00030", "nobody"]}, "user_ids"),
        ({"tag": "a,b", "query": ""}, "tag"),
        ({"tag": "x", "query": "bandd=high"}, "bandd"),
    ],
)
def test_what_is_not_as_expected_is_named_and_nothing_is_tagged(
    client: FlaskClient, cast: Cast, sent: dict[str, Any], field: str
) -> None:
    assert field in ask(client, cast, "POST", "/tags", 422, json=sent)["error"]["fields"]
    assert ask(client, cast, "GET", "?tag=x&status=all")["total"] == 0
