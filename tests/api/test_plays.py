"""Plays over HTTP: analysts keep them, agents use them, and counts never claim a cause."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from tests.conftest import Cast
from tests.web.stocked import stock

URL = "/api/v1/plays"
PLAY = {
    "name": "Call first",
    "features": ["*"],
    "steps": [{"text": "Call", "kind": "call"}, {"text": "Write", "kind": "email"}],
}


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored, and nobody held out."""
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})


def test_templates_are_offered_until_a_play_has_their_name(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    found: Any = client.get(URL, headers=cast.token("viewer")).json
    assert (found["items"], len(found["templates"])) == ([], 4)
    template = {name: value for name, value in found["templates"][0].items() if name != "key"}
    assert client.post(URL, json=template, headers=analyst).status_code == 201
    found = client.get(URL, headers=analyst).json
    assert (len(found["items"]), len(found["templates"])) == (1, 3)


def test_a_play_is_kept_used_counted_and_retired(client: FlaskClient, cast: Cast) -> None:
    analyst, agent = cast.token("analyst"), cast.token("agent")
    made: Any = client.post(URL, json=PLAY, headers=analyst)
    assert made.status_code == 201
    path = made.headers["Location"]
    today: Any = client.get("/api/v1/tasks/today", headers=agent).json
    entry = next(item for item in today["items"] if item["play"])
    task: Any = client.post("/api/v1/tasks", json={"user_id": entry["user_id"]}, headers=agent).json
    assert (task["play"]["name"], [step["text"] for step in task["steps"]]) == ("Call first", ["Call", "Write"])
    ticked: Any = client.patch(f"/api/v1/tasks/{task['id']}", json={"steps": [{"step": 0}]}, headers=agent).json
    assert [step["done_by"] and step["done_by"]["name"] for step in ticked["steps"]] == ["Agent", None]
    client.post(f"/api/v1/tasks/{task['id']}/outcome", json={"outcome": "unreachable"}, headers=agent)
    counted: Any = client.get(path, headers=agent).json["tried"]  # type: ignore[index]
    assert (counted["done"], counted["outcomes"]["unreachable"], counted["too_early"]) == (1, 1, 1)
    assert (counted["left_share"], counted["causal"]) == (None, False)
    acts: Any = client.get(f"/api/v1/customers/{entry['user_id']}/exposures", headers=agent).json
    assert acts["items"][0]["source"] == f"play:{made.json['id']}"
    assert client.delete(path, headers=analyst).json["retired_at"]  # type: ignore[index]
    assert client.get(URL, headers=agent).json["items"] == []  # type: ignore[index]
    assert len(client.get(f"{URL}?retired=true", headers=agent).json["items"]) == 1  # type: ignore[index]
    assert client.patch(path, json={"retired": False, "name": "Call"}, headers=analyst).json["retired_at"] is None  # type: ignore[index]


def test_names_are_unique_and_fields_are_checked(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    first: Any = client.post(URL, json=PLAY, headers=analyst).json
    other = client.post(URL, json={**PLAY, "name": "CALL FIRST"}, headers=analyst)
    assert other.status_code == 409
    assert other.json["error"]["detail"] == {"play_id": first["id"]}  # type: ignore[index]
    for wrong in ({"steps": []}, {"name": ""}, {"steps": [{"text": "x", "kind": "dance"}]}, {"features": [""]}):
        assert client.post(URL, json={**PLAY, "name": "Other", **wrong}, headers=analyst).status_code == 422
    assert client.patch(f"{URL}/{first['id']}", json={}, headers=analyst).status_code == 422
    assert client.get(f"{URL}/99", headers=analyst).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("agent", 403), ("analyst", 201), ("owner", 201)])
def test_analysts_write_plays(client: FlaskClient, cast: Cast, who: str, status: int) -> None:
    assert client.post(URL, json=PLAY, headers=cast.token(who)).status_code == status
    assert client.get(URL, headers=cast.token(who)).status_code == 200
