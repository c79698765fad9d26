"""Segments over HTTP: a rule is tried out, kept, listed with its members, changed and deleted; lists of customers take its address."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.models import SavedView
from retainstream.security.actor import SYSTEM
from retainstream.services.segments import usage
from tests.conftest import Cast
from tests.web.stocked import stock
from tests.work import run_job

URL = "/api/v1/segments"
TRY = "/api/v1/customers/segment"
RISKY = {"all": [{"field": "risk_band", "op": "in", "value": ["high", "very_high"]}, {"field": "plan", "op": "known"}]}
ACTIVE_BASIC = {"all": [{"field": "plan", "op": "in", "value": ["Basic"]}, {"not": {"field": "churned", "op": "is", "value": True}}]}  # fmt: skip


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored."""
    with app.app_context():
        stock(60)


def keep(client: FlaskClient, cast: Cast, rule: Any = ACTIVE_BASIC, name: str = "Basic") -> Any:
    answer = client.post(URL, json={"name": name, "rule": rule}, headers=cast.token("analyst"))
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_rule_is_tried_out_with_figures_and_a_page(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    listed: Any = client.get("/api/v1/customers?band=high,very_high&limit=500", headers=viewer).json
    found: Any = client.post(TRY, json={"rule": RISKY, "limit": 3}, headers=viewer).json
    assert found["total"] == found["summary"]["customers"] == listed["total"]
    first = [item["user_id"] for item in found["items"]]
    assert first == [item["user_id"] for item in listed["items"][:3]]
    following: Any = client.post(
        TRY, json={"rule": RISKY, "limit": 3, "cursor": found["next_cursor"]}, headers=viewer
    ).json
    assert [item["user_id"] for item in following["items"]] == [item["user_id"] for item in listed["items"][3:6]]
    expected = sum(item["churn_probability"] for item in listed["items"])
    assert found["summary"]["expected_churners"] == pytest.approx(expected)
    assert "name" not in found["items"][0]
    alone: Any = client.post(TRY, json={"rule": RISKY, "limit": 0}, headers=viewer).json
    assert (alone["items"], alone["summary"]) == ([], found["summary"])


def test_a_wrong_rule_is_named_by_its_place(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    wrong = {"all": [{"field": "plan", "op": "in", "value": []}]}
    answer = client.post(TRY, json={"rule": wrong}, headers=viewer)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, ["rule.all.0.value"])
    answer = client.post(TRY, json={"rule": {"field": "rfm.name", "op": "in", "value": ["x"]}}, headers=viewer)
    assert answer.status_code == 422
    assert "not been made" in answer.text


def test_a_segment_lives(client: FlaskClient, cast: Cast, app: Flask, settings: Settings) -> None:
    analyst, viewer = cast.token("analyst"), cast.token("viewer")
    kept = keep(client, cast)
    assert kept["summary"]["customers"] == kept["summary"]["active"] == 12
    path = f"{URL}/{kept['id']}"
    assert client.post(URL, json={"name": "basic", "rule": RISKY}, headers=analyst).status_code == 409
    assert client.patch(path, json={"name": "Cheap"}, headers=viewer).status_code == 403
    assert client.patch(path, json={"name": "Cheap"}, headers=analyst).json["name"] == "Cheap"  # type: ignore[index]
    with app.app_context():
        run_job(settings, "segments", job=1)
    members: Any = client.get(f"{path}/members", headers=viewer).json
    assert members["total"] == 12
    looks: Any = client.get(f"{path}/history", headers=viewer).json["items"]  # type: ignore[index]
    assert [(one["customers"], one["entered"]) for one in looks] == [(12, 12)]
    then: Any = client.get(f"{path}/members?at={looks[0]['as_of']}", headers=viewer).json
    before: Any = client.get(f"{path}/members?at=2020-01-01", headers=viewer).json
    assert (then["total"], before["total"]) == (12, 0)
    changed: Any = client.patch(path, json={"rule": RISKY}, headers=analyst).json
    assert changed["revision"] == 2
    assert client.delete(path, headers=analyst).json == {"deleted": True, "name": "Cheap"}
    assert client.get(path, headers=viewer).status_code == 404
    assert client.get("/api/v1/customers?cell=segment:1", headers=viewer).status_code == 422


def test_lists_and_exports_take_its_address(client: FlaskClient, cast: Cast) -> None:
    kept, analyst = keep(client, cast), cast.token("analyst")
    listed: Any = client.get(f"/api/v1/customers?cell={kept['cell']}&status=all", headers=analyst).json
    assert listed["total"] == kept["summary"]["customers"]
    assert {item["plan"] for item in listed["items"]} == {"Basic"}
    lines = client.get(f"/api/v1/customers/export.csv?cell={kept['cell']}", headers=analyst).text.splitlines()
    assert len(lines) - 1 == listed["total"]


def test_the_summary_counts_nobody_twice(client: FlaskClient, cast: Cast) -> None:
    keep(client, cast)
    keep(client, cast, {"field": "plan", "op": "in", "value": ["Basic", "Family"]}, "Two plans")
    found: Any = client.get(f"{URL}/summary", headers=cast.token("viewer")).json
    assert (found["customers"], found["in_any"], len(found["items"])) == (60, 30, 2)


def test_fields_come_with_what_customers_have(client: FlaskClient, cast: Cast) -> None:
    answer = client.get(f"{URL}/fields", headers=cast.token("viewer"))
    found: Any = {field["key"]: field for field in answer.json["items"]}  # type: ignore[index]
    assert {one["value"]: one["count"] for one in found["plan"]["choices"]}["Basic"] == 15
    assert found["revenue"]["type"] == "money"
    assert found["events.count"]["missing"]
    assert found["attribute.watch_time_hours"]["unit"] == "hours"


def test_a_declared_feature_is_a_field_with_unit_and_group(client: FlaskClient, cast: Cast) -> None:
    owner = cast.token("owner")
    known: Any = client.get("/api/v1/customers?limit=1&status=all", headers=owner).json
    user_id = known["items"][0]["user_id"]
    events = [
        {"user_id": user_id, "kind": "login", "occurred_at": f"2026-03-0{day}T10:00:00Z", "received_at": f"2026-03-0{day}T10:00:00Z"}
        for day in (1, 2, 3)
    ]  # fmt: skip
    sent = client.post("/api/v1/events", json={"source": "app", "events": events, "known_at_time": True}, headers=owner)  # fmt: skip
    assert sent.status_code == 200, sent.text
    body = {"name": "logins", "title": "Log-ins", "aggregate": "count", "event": "login", "window_days": 5, "unit": "visits"}  # fmt: skip
    assert client.post("/api/v1/features", json=body, headers=owner).status_code == 201
    answer: Any = client.get(f"{URL}/fields", headers=owner).json
    field = next(item for item in answer["items"] if item["key"] == "feature.logins")
    assert (field["title"], field["group"], field["unit"], field["missing"]) == ("Log-ins", "Declared features", "visits", None)  # fmt: skip
    # The third one is of the day that has not ended in the data.
    found: Any = client.post(
        TRY, json={"rule": {"field": "feature.logins", "op": "eq", "value": 2}}, headers=owner
    ).json
    assert [item["user_id"] for item in found["items"]] == [user_id]


def test_a_segment_that_others_build_on_is_not_deleted(client: FlaskClient, cast: Cast) -> None:
    kept, other = keep(client, cast), keep(client, cast, RISKY, "Risky")
    analyst, path, cell = cast.token("analyst"), f"{URL}/{kept['id']}", f"cell={kept['cell']}"
    scheme = {
        "name": "Of Basic",
        "segment_id": kept["id"],
        "parts": [{"key": "feature.payment_failures", "weight": 100, "worst": 3, "best": 0}],
    }
    report = {"name": "Basic weekly", "subject": "customers", "parameters": f"{cell}&band=high", "format": "csv"}
    made = [
        client.post("/api/v1/health-schemes", json=scheme, headers=analyst),
        client.post("/api/v1/reports", json=report, headers=analyst),
        client.post("/api/v1/customers/views", json={"name": "Mine", "parameters": cell}, headers=analyst),
        client.post(
            "/api/v1/customers/views", json={"name": "Theirs", "parameters": cell}, headers=cast.token("owner")
        ),
    ]
    assert [answer.status_code for answer in made] == [201] * 4, [answer.text for answer in made]
    refused = client.delete(path, headers=analyst)
    assert refused.status_code == 409
    error: Any = refused.get_json()["error"]
    used: Any = [(one["kind"], one["name"]) for one in error["detail"]["used_by"]]
    assert used == [("health_scheme", "Of Basic"), ("report", "Basic weekly"), ("view", "Mine")]
    for words in ("“Of Basic”", "“Basic weekly”", "“Mine”"):
        assert words in error["message"]
    assert client.delete(f"{URL}/{other['id']}", headers=analyst).status_code == 200
    schemes: Any = client.get("/api/v1/health-schemes", headers=analyst).json
    (mine,) = (one["id"] for one in schemes["items"] if one["segment_id"] == kept["id"])
    gone = (f"health-schemes/{mine}", f"reports/{made[1].json['id']}", f"customers/views/{made[2].json['id']}")  # type: ignore[index] # fmt: skip
    for address in gone:
        assert client.delete(f"/api/v1/{address}", headers=analyst).status_code == 200, address
    assert (
        client.delete(path, headers=analyst).status_code == 200
    )  # another's own view cannot be seen, and holds nothing up


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("cell=segment%3A7", True),
        ("cell=rfm:at_risk;segment:7", True),
        ("cell=segment:7@2026-01-01", True),
        ("by=segment.7", True),
        ("segment=3,7", True),
        ("cell=segment:71&min_tenure=7", False),
        ("q=segment+7&plan=7", False),
    ],
)
def test_a_query_names_a_segment_however_it_is_written(cast: Cast, app: Flask, query: str, named: bool) -> None:
    with app.app_context(), unit_of_work() as session:
        session.add(SavedView(owner_id=cast.users["owner"], name="x", query=query, shared=True, created_at=1))
        session.flush()
        assert bool(usage.of_segment(session, SYSTEM, 7)) is named
