"""Timeline, export, peers, what-if, groups and trends over HTTP: what a person sees on pages, a script can have."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.schemas.customer_insight import PeersSchema, PortraitSchema, TimelineSchema, WhatIfAnswerSchema
from retainstream.schemas.dashboard import GroupsSchema

PREFIX = "/api/v1/customers"


@pytest.fixture
def one(scored: Any, client: Any, cast: Any) -> str:
    """The customer at the highest risk, who logged in this morning."""
    (item,) = client.get(f"{PREFIX}/high-risk?limit=1", headers=cast.token("viewer")).json["items"]
    sent = [
        {"user_id": item["user_id"], "kind": "login", "occurred_at": f"2026-01-0{day}T08:00:00Z"} for day in range(1, 6)
    ]
    assert client.post("/api/v1/events", json=sent, headers=cast.token("owner")).status_code == 200
    return str(item["user_id"])


def test_the_timeline_is_paged_and_holds_what_the_caller_may_see(one: str, client: Any, cast: Any) -> None:
    whole = client.get(f"{PREFIX}/{one}/timeline", headers=cast.token("agent")).json
    assert TimelineSchema().validate(whole) == {}
    sources = {item["source"] for item in whole["items"]}
    assert sources >= {"event", "version", "score"} and whole["next_cursor"] is None
    assert [item["at"] for item in whole["items"]] == sorted((item["at"] for item in whole["items"]), reverse=True)
    paged, cursor = [], ""
    while cursor is not None:
        answer = client.get(
            f"{PREFIX}/{one}/timeline?limit=2{cursor and f'&cursor={cursor}'}", headers=cast.token("agent")
        )
        paged += answer.json["items"]
        cursor = answer.json["next_cursor"]
    assert paged == whole["items"]
    seen = client.get(f"{PREFIX}/{one}/timeline", headers=cast.token("viewer")).json["items"]
    assert {item["source"] for item in seen} == sources - {"event", "subscription"}
    some = client.get(f"{PREFIX}/{one}/timeline?source=event,version", headers=cast.token("agent")).json["items"]
    assert some == [item for item in whole["items"] if item["source"] in ("event", "version")]
    assert client.get(f"{PREFIX}/{one}/timeline?source=rumour", headers=cast.token("agent")).status_code == 422
    assert client.get(f"{PREFIX}/{one}/timeline?cursor=odd", headers=cast.token("agent")).status_code == 422
    assert client.get(f"{PREFIX}/nobody/timeline", headers=cast.token("agent")).status_code == 404


@pytest.mark.parametrize("part", ["[1e300,0,1]", "[true,0,1]", '["a",0,1]', "[1,-1,1]"])
def test_a_cursor_made_by_hand_is_refused(one: str, client: Any, cast: Any, part: str) -> None:
    import base64

    cursor = base64.urlsafe_b64encode(f'["timeline",{part}]'.encode()).decode().rstrip("=")
    answer = client.get(f"{PREFIX}/{one}/timeline?cursor={cursor}", headers=cast.token("agent"))
    assert answer.status_code == 422 and "cursor" in answer.json["error"]["fields"]


def test_an_export_holds_the_person_and_is_audited(one: str, client: Any, cast: Any) -> None:
    answer = client.get(f"{PREFIX}/{one}/export", headers=cast.token("analyst"))
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert PortraitSchema().validate(answer.json) == {}
    assert answer.json["customer"]["user_id"] == one and len(answer.json["events"]) == 5
    trail = client.get("/api/v1/audit?action=customer.export", headers=cast.token("owner")).json
    assert trail["total"] == 1
    assert client.get(f"{PREFIX}/{one}/export", headers=cast.token("agent")).status_code == 403
    scopes = {"name": "narrow", "scopes": ["customers:export"]}
    made = client.post("/api/v1/auth/tokens", json=scopes, headers=cast.token("analyst"))
    assert client.get(f"{PREFIX}/{one}/export", headers={"X-API-Key": made.json["token"]}).status_code == 403


def test_peers_tell_where_values_stand(one: str, client: Any, cast: Any) -> None:
    answer = client.get(f"{PREFIX}/{one}/peers", headers=cast.token("viewer"))
    items = answer.json["items"]
    assert PeersSchema().validate(answer.json) == {}
    assert items and all(0 <= item["same"] <= 1 for item in items)
    assert any(item["below"] is not None for item in items)
    told = client.get(f"{PREFIX}/{one}/explanation", headers=cast.token("viewer")).json
    assert [item["feature"] for item in items] == [item["feature"] for item in told["contributions"]]
    same = {**cast.token("viewer"), "If-None-Match": answer.headers["ETag"]}
    assert client.get(f"{PREFIX}/{one}/peers", headers=same).status_code == 304


def test_what_if_moves_the_score_and_stores_nothing(one: str, client: Any, cast: Any) -> None:
    headers, path = cast.token("viewer"), f"{PREFIX}/{one}/what-if"
    told = client.get(f"{PREFIX}/{one}/explanation", headers=headers).json
    numbers = [item for item in told["contributions"] if isinstance(item["value"], int | float)]
    changes = {numbers[0]["feature"]: None, numbers[1]["feature"]: 0}
    answer = client.post(path, json={"changes": changes}, headers=headers).json
    assert answer["before"]["margin"] == pytest.approx(told["margin"], abs=1e-3)
    assert answer["after"]["margin"] != answer["before"]["margin"] and answer["changes"] == changes
    assert WhatIfAnswerSchema().validate(answer) == {}
    nothing = client.post(path, json={"changes": {}}, headers=headers).json
    assert nothing["before"] == nothing["after"]
    assert client.get(f"{PREFIX}/{one}/explanation", headers=headers).json["margin"] == told["margin"]
    for changes in ({"odd": 1}, {numbers[0]["feature"]: "many"}, {numbers[0]["feature"]: [1]}):
        refused = client.post(path, json={"changes": changes}, headers=headers)
        assert refused.status_code == 422
        assert list(refused.json["error"]["fields"]) == [f"changes.{next(iter(changes))}"]
    assert client.post(f"{PREFIX}/nobody/what-if", json={"changes": {}}, headers=headers).status_code == 404


def test_groups_and_trends_are_those_of_the_home_page(scored: Any, client: Any, cast: Any) -> None:
    headers = cast.token("viewer")
    groups = client.get("/api/v1/dashboard/groups", headers=headers).json
    assert GroupsSchema().validate(groups) == {}
    for group in groups["items"]:
        listed = client.get(f"{PREFIX}?group={group['name']}&sort=group", headers=headers).json
        assert listed["total"] == group["total"]
        first = [item["user_id"] for item in listed["items"][:5]]
        assert [item["user_id"] for item in group["customers"]] == first
    assert any(group["total"] for group in groups["items"])
    (moment,) = client.get("/api/v1/dashboard/trends", headers=headers).json["items"]
    metrics = client.get("/api/v1/dashboard/metrics", headers=headers).json
    assert (moment["scored"], moment["predicted_churners"]) == (
        metrics["scored_customers"],
        metrics["predicted_churners"],
    )


def test_nobody_scored_is_no_group_and_no_trend(client: Any, cast: Any) -> None:
    headers = cast.token("viewer")
    assert {item["total"] for item in client.get("/api/v1/dashboard/groups", headers=headers).json["items"]} == {0}
    assert client.get("/api/v1/dashboard/trends", headers=headers).json == {"items": []}
