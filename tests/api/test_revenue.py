"""Revenue over HTTP: the bridge, the trends, closing a month, and what later data correct."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.services.revenue import bridge
from tests import billed
from tests.conftest import Cast
from tests.work import run_job

API = "/api/v1"


@pytest.fixture
def box(app: Flask, settings: Settings) -> Settings:
    """The seven customers of `tests.billed`, looked at."""
    with app.app_context():
        billed.bill(settings)
    return settings


@pytest.mark.usefixtures("box")
def test_the_bridge_and_its_customers(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    answer = client.get(f"{API}/revenue/bridge", headers=viewer)
    found: Any = answer.json
    assert answer.headers["ETag"]
    assert (found["currency"], found["time_zone"], found["why_not"]) == ("EUR", "UTC", None)
    for row in found["items"]:
        expected = billed.BRIDGE[row["month"]]
        said = {name: row[name] if name.endswith("_customers") else row[name]["amount_minor"] for name in expected}
        assert said == expected
        assert {row[name]["currency"] for name in bridge.FIGURES} == {"EUR"}
    march = next(row for row in found["items"] if row["month"] == "2024-03")
    listed: Any = client.get(f"{API}/customers?cell=revenue:2024-03.churn&status=all", headers=viewer).json
    assert [one["user_id"] for one in listed["items"]] == ["b"]
    assert march["churn_customers"] == 1
    assert client.get(f"{API}/customers?cell=revenue:2024-03.nobody", headers=viewer).status_code == 422


@pytest.mark.usefixtures("box")
def test_trends_by_month_and_plan(client: FlaskClient, cast: Cast) -> None:
    found: Any = client.get(f"{API}/analytics/revenue-trends", headers=cast.token("viewer")).json
    april = next(row for row in found["items"] if row["month"] == "2024-04")
    assert (april["revenue_minor"], april["customers"], april["average_minor"]) == (5700, 5, 1140)
    assert {row["plan"]: row["revenue_minor"] for row in april["plans"]} == {"plus, yearly/100%": 3500, "basic": 2200}
    assert found["sales"] == []
    assert found["at_risk"]["revenue_at_risk"] is None


def test_a_month_is_closed_once_and_corrected_later(app: Flask, client: FlaskClient, cast: Cast, box: Settings) -> None:
    analyst, viewer = cast.token("analyst"), cast.token("viewer")
    assert client.get(f"{API}/revenue/months", headers=viewer).json == {"next_to_close": "2024-04", "items": []}
    address = f"{API}/revenue/months/2024-03"
    assert client.post(f"{address}/close", headers=viewer).status_code == 403
    assert client.get(f"{address}/corrections", headers=viewer).status_code == 404
    answer = client.post(f"{address}/close", headers=analyst)
    made: Any = answer.json
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{address}/corrections")
    assert (made["closed_by"], made["as_closed"]["churn"], made["corrections"]) == (
        "Analyst", {"amount_minor": -1000, "currency": "EUR"}, 0,
    )  # fmt: skip
    assert client.post(f"{address}/close", headers=analyst).status_code == 409
    for wrong, status in (("2024-05", 409), ("2023-01", 404), ("march", 422)):
        assert client.post(f"{API}/revenue/months/{wrong}/close", headers=analyst).status_code == status
    with app.app_context():
        billed.state((("z", "basic", 300, 302, None, None),), batch=billed.load("subscriptions.csv"))
        run_job(box, "analyse")
    listed: Any = client.get(f"{API}/revenue/months", headers=viewer).json
    assert (listed["next_to_close"], listed["items"][0]["corrected"]["new"]["amount_minor"]) == ("2024-04", 1000)
    found: Any = client.get(f"{address}/corrections", headers=viewer).json
    assert {(one["figure"], one["before"], one["after"], one["currency"]) for one in found["items"]} == {
        ("new", 700, 1000, "EUR"), ("new_customers", 1, 2, None), ("closing", 5700, 6000, "EUR"), ("closing_customers", 4, 5, None),
    }  # fmt: skip
    assert "import subscriptions.csv on" in found["items"][0]["reason"]


def test_a_change_under_the_same_key_is_expansion_and_a_correction_is_not(
    app: Flask, client: FlaskClient, cast: Cast, box: Settings
) -> None:
    told = {"user_id": "g", "key": "pc1", "plan": "pro", "currency": "EUR", "started_at": "2024-02-10T00:00:00Z"}

    def state(price: int, day: str) -> dict[str, dict[str, Any]]:
        item = told | {"revenue_minor": price, "received_at": f"2024-{day}T09:00:00Z"}
        body = {"source": "billing", "known_at_time": True, "subscriptions": [item]}
        answer: Any = client.post(f"{API}/subscriptions", json=body, headers=cast.token("analyst"))
        assert answer.json["counts"]["statements"] == 1
        with app.app_context():
            run_job(box, "analyse")
        found: Any = client.get(f"{API}/revenue/bridge", headers=cast.token("viewer")).json
        return {row["month"]: row for row in found["items"]}

    def money(row: dict[str, Any], name: str) -> int:
        assert row[name]["currency"] == "EUR"
        return int(row[name]["amount_minor"]) - billed.BRIDGE[row["month"]].get(name, 0)

    first = state(1_000_000, "02-15")
    second = state(5_000_000, "04-15")
    assert [second[month] for month in ("2024-01", "2024-02", "2024-03")] == [
        first[month] for month in ("2024-01", "2024-02", "2024-03")
    ]
    assert (money(second["2024-02"], "new"), money(second["2024-02"], "expansion")) == (1_000_000, 0)
    assert (money(second["2024-04"], "new"), money(second["2024-04"], "expansion")) == (0, 4_000_000)
    assert second["2024-04"]["net_retention"] > 1 > second["2024-04"]["gross_retention"]
    # The rise was typed wrong; then it turns out that the first price was, too.
    assert money(state(2_000_000, "04-15")["2024-04"], "expansion") == 1_000_000
    last = state(2_000_000, "02-15")
    assert (money(last["2024-02"], "new"), money(last["2024-04"], "expansion")) == (2_000_000, 0)


def test_before_there_is_anything_the_answer_says_so(client: FlaskClient, cast: Cast) -> None:
    for path in ("revenue/bridge", "revenue/months", "analytics/revenue-trends"):
        answer: Any = client.get(f"{API}/{path}", headers=cast.token("viewer"))
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_ready")
