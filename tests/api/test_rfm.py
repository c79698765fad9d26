"""RFM over HTTP: groups, the map, and moves that sum; each figure's address lists whom it counts."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from tests.conftest import Cast
from tests.shop import open_shop

URL = "/api/v1/rfm"


@pytest.fixture
def shop(app: Flask, settings: Settings) -> None:
    with app.app_context():
        open_shop(settings, 120)


def get(client: FlaskClient, cast: Cast, path: str = "", status: int = 200, who: str = "viewer") -> Any:
    answer = client.get(f"{URL}{path}", headers=cast.token(who))
    assert answer.status_code == status, answer.json
    return answer.json


def listed(client: FlaskClient, cast: Cast, cell: str) -> int:
    query = {"cell": cell, "status": "all", "limit": "1"}
    answer: Any = client.get("/api/v1/customers", query_string=query, headers=cast.token("viewer")).json
    return int(answer["total"])


@pytest.mark.usefixtures("shop")
def test_groups_and_map_count_everybody_once(client: FlaskClient, cast: Cast) -> None:
    found = get(client, cast)
    assert found["meaning"] == "purchases" and len(found["groups"]) == 10 and len(found["map"]) == 25
    for figures in (found["groups"], found["map"]):
        assert sum(one["n"] for one in figures) == found["customers"] == 120
    for one in (*found["groups"], *found["map"][::6]):
        assert listed(client, cast, one["cell"]) == one["n"]
    assert all(group["churn_probability"] is None and group["money"]["currency"] == "USD" for group in found["groups"])


@pytest.mark.usefixtures("shop")
def test_moves_sum_to_the_population_on_both_sides(client: FlaskClient, cast: Cast) -> None:
    days = [day["name"] for day in get(client, cast)["days"]]
    assert len(days) == 13 and days[-1] == "now"
    found = get(client, cast, f"/migration?from={days[2]}&to={days[5]}")
    assert (found["from"]["name"], found["to"]["name"]) == (days[2], days[5])
    for figures in (found["moves"], found["before"], found["after"]):
        assert sum(one["n"] for one in figures) == found["population"]
    for one in (*found["moves"], *found["before"], *found["after"]):
        assert listed(client, cast, one["cell"]) == one["n"], one
    newest = get(client, cast, "/migration")
    assert (newest["from"]["name"], newest["to"]["name"]) == (days[-2], "now")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("asked", ["from=2031-01", "to=yesterday", "from=now", "from=2022-12&to=2022-12", "since=1"])
def test_days_that_are_none_are_refused(client: FlaskClient, cast: Cast, asked: str) -> None:
    assert get(client, cast, f"/migration?{asked}", status=422)["error"]["fields"]


def test_before_it_was_made_it_says_so(client: FlaskClient, cast: Cast) -> None:
    assert "minute" in get(client, cast, status=409)["error"]["message"]
    assert get(client, cast, "/migration", status=409)
