"""The search over HTTP: what fits a text, by kind, and customers alone."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Cast
from tests.web.stocked import stock

URL = "/api/v1/search"


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored."""
    with app.app_context():
        stock(60)


def test_hits_come_in_groups_with_their_pages(client: FlaskClient, cast: Cast) -> None:
    answer: Any = client.get(f"{URL}?q=cus_0001", headers=cast.token("viewer")).json
    assert answer["q"] == "cus_0001"
    (group,) = answer["groups"]
    assert (group["kind"], group["title"], group["more"]) == (
        "customer",
        "Customers",
        "/customers?q=cus_0001&status=all",
    )
    first = group["items"][0]
    assert (first["title"], first["address"], first["posts"]) == ("cus_00010", "/customers/cus_00010", False)
    assert first["facts"]["user_id"] == "cus_00010"
    acts: Any = client.get(f"{URL}?q=score+now", headers=cast.token("analyst")).json
    assert [(item["address"], item["posts"]) for group in acts["groups"] for item in group["items"]] == [
        ("/score", True)
    ]
    assert client.get(f"{URL}?q=score+now", headers=cast.token("viewer")).json["groups"] == []
    assert client.get(URL).status_code == 401
    assert client.get(f"{URL}?q={'a' * 101}", headers=cast.token("viewer")).status_code == 422


def test_customers_alone_are_a_list_as_any_other(client: FlaskClient, cast: Cast) -> None:
    viewer, agent = cast.token("viewer"), cast.token("agent")
    found: Any = client.get(f"{URL}/customers?q=cus_0000&limit=3", headers=viewer).json
    listed: Any = client.get("/api/v1/customers?q=cus_0000&status=all&limit=3", headers=viewer).json
    assert found == listed
    assert found["total"] == 10
    following: Any = client.get(
        f"{URL}/customers?q=cus_0000&limit=3&cursor={found['next_cursor']}", headers=viewer
    ).json
    assert not {one["user_id"] for one in following["items"]} & {one["user_id"] for one in found["items"]}
    assert client.get(f"{URL}/customers?q=Name+7", headers=viewer).json["total"] == 0
    assert client.get(f"{URL}/customers?q=Name+7", headers=agent).json["items"][0]["user_id"] == "cus_00007"
    assert client.get(f"{URL}/customers", headers=viewer).status_code == 422
