"""Feeds, findings and acts over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.security.actor import SYSTEM
from retainstream.services import feeds, preferences


@pytest.fixture
def fed(app: Flask) -> None:
    """A feed that a person expects every hour, last heard of yesterday."""
    now = clock.now_us()
    with app.app_context(), unit_of_work() as session:
        seen = now - clock.DAY_US
        feeds.arrived(session, "app", n=3, first_occurred=seen, last_occurred=seen, received=seen, now=seen)
        feeds.change(session, SYSTEM, "app", {"expected_seconds": 3600})


def test_a_silent_feed_is_listed_found_and_mended(client: Any, cast: Any, fed: None) -> None:
    analyst = cast.token("analyst")
    (item,) = client.get("/api/v1/feeds", headers=analyst).get_json()["items"]
    assert item["silent"] and item["live"] and item["rows"] == 3
    (finding,) = client.get("/api/v1/findings", headers=analyst).get_json()["items"]
    assert finding["kind"] == "feed_silent" and "app" in finding["message"]
    address = f"/api/v1/findings/{finding['id']}"
    assert client.patch(address, json={"muted": True}, headers=cast.token("agent")).status_code == 403
    muted = client.patch(address, json={"muted": True}, headers=analyst).get_json()
    assert muted["state"] == "muted" and muted["muted_at"]
    assert client.get("/api/v1/feeds", headers=analyst).get_json()["items"][0]["muted"] is True
    assert client.get("/api/v1/findings?state=muted&severity=error", headers=analyst).get_json()["total"] == 1
    assert client.patch(address, json={"muted": False}, headers=analyst).get_json()["state"] == "open"
    assert client.post("/api/v1/feeds/app/heartbeat", headers=analyst).get_json()["silent"] is False
    assert client.patch(address, json={"muted": True}, headers=analyst).status_code == 409
    assert client.patch("/api/v1/findings/99", json={"muted": True}, headers=analyst).status_code == 404
    assert client.get("/api/v1/findings", headers=analyst).get_json()["total"] == 0
    assert client.get("/api/v1/findings?state=all", headers=analyst).get_json()["total"] == 1
    assert client.patch("/api/v1/feeds/app", json={"expected_seconds": 5}, headers=analyst).status_code == 422
    assert client.post("/api/v1/feeds/other/heartbeat", headers=analyst).status_code == 404
    assert client.post("/api/v1/feeds/app/heartbeat", headers=cast.token("viewer")).status_code == 403


def test_acts_respect_the_permanent_hold_out(scored: Any, app: Flask, client: Any, cast: Any) -> None:
    headers = cast.token("agent")
    ids = [item["user_id"] for item in client.get("/api/v1/customers?limit=200", headers=headers).get_json()["items"]]
    with app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.3})
    answers = {
        one: client.post(f"/api/v1/customers/{one}/exposures", json={"kind": "call"}, headers=headers) for one in ids
    }
    refused = [one for one, answer in answers.items() if answer.status_code == 409]
    assert {answer.status_code for answer in answers.values()} == {201, 409}
    assert 0.15 < len(refused) / len(ids) < 0.45
    again = client.post(f"/api/v1/customers/{refused[0]}/exposures", json={"kind": "call"}, headers=headers)
    assert again.status_code == 409, "a member stays one, even when the first act of all was refused"
    assert "hold-out" in again.get_json()["error"]["message"]
    held = {"kind": "call", "arm": "held_out"}
    answer = client.post(f"/api/v1/customers/{refused[0]}/exposures", json=held, headers=headers)
    assert answer.status_code == 201 and answer.get_json()["propensity"] == pytest.approx(0.3)
    listed = client.get(f"/api/v1/customers/{refused[0]}/exposures", headers=headers).get_json()
    assert listed["held_out"] is True and [item["arm"] for item in listed["items"]] == ["held_out"]


def test_an_act_is_checked(scored: Any, client: Any, cast: Any) -> None:
    headers = cast.token("agent")
    one = client.get("/api/v1/customers?limit=1", headers=headers).get_json()["items"][0]["user_id"]
    path = f"/api/v1/customers/{one}/exposures"
    for body in ({}, {"kind": ""}, {"kind": "x", "propensity": 0}, {"kind": "x", "at": "2999-01-01T00:00:00Z"}):
        assert client.post(path, json=body, headers=headers).status_code == 422
    assert client.post("/api/v1/customers/nobody/exposures", json={"kind": "x"}, headers=headers).status_code == 404
    slashed = {"user_id": "shop/7", "kind": "login", "occurred_at": "2024-03-01T10:00:00Z"}
    assert client.post("/api/v1/events", json=[slashed], headers=cast.token("owner")).status_code == 200
    for method in ("GET", "POST"):  # any identifier
        body = {"json": {"kind": "x", "override": True}} if method == "POST" else {}
        answer = client.open("/api/v1/customers/shop/7/exposures", method=method, headers=headers, **body)
        assert answer.status_code in (200, 201), answer.get_json()
    assert client.post(path, json={"kind": "x"}, headers=cast.token("viewer")).status_code == 403
