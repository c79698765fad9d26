"""Health scores over HTTP: pages of scores, schemes that are edited, refused and adopted, back-tests, and the health of the business."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import AnalysisRun, JobRun
from retainstream.services import revisions
from tests.conftest import Cast
from tests.web.stocked import stock
from tests.work import run_job

URL, SCHEMES = "/api/v1/health-scores", "/api/v1/health-schemes"


@pytest.fixture
def scored(app: Flask, settings: Settings) -> None:
    """60 customers of a table, 48 of them active, with health scores."""
    with app.app_context():
        stock(60)
        run_job(settings, "analyse")


@pytest.mark.usefixtures("app")
def test_before_the_first_analyses_every_answer_says_so(client: FlaskClient, cast: Cast) -> None:
    for address in (URL, f"{URL}/backtest", "/api/v1/analytics/business-health"):
        answer = client.get(address, headers=cast.token("viewer"))
        assert answer.status_code == 409, address
        assert "not" in answer.json["error"]["message"]
    assert client.get(SCHEMES, headers=cast.token("viewer")).json == {"items": []}


@pytest.mark.usefixtures("scored")
def test_scores_come_page_by_page_the_worst_first(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    whole: Any = client.get(f"{URL}?limit=500", headers=viewer).json
    assert whole["total"] == len(whole["items"]) == 48
    scores = [item["score"] for item in whole["items"]]
    assert scores == sorted(scores)
    assert whole["items"][0]["parts"]["feature.last_login_days"]["value"] is not None
    walked: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page: Any = client.get(f"{URL}?limit=7" + (f"&cursor={cursor}" if cursor else ""), headers=viewer).json
        walked += page["items"]
        cursor = page["next_cursor"]
    assert walked == whole["items"]
    weak: Any = client.get(f"{URL}?band=weak&limit=500", headers=viewer).json
    assert weak["items"] == [item for item in whole["items"] if item["band"] == "weak"]
    listed: Any = client.get("/api/v1/customers?cell=health:band.weak&status=all", headers=viewer).json
    assert listed["total"] == weak["total"]
    assert client.get(f"{URL}?cursor=nonsense", headers=viewer).status_code == 422
    assert client.get(f"{URL}?band=nice", headers=viewer).status_code == 422


@pytest.mark.usefixtures("scored")
def test_a_segment_narrows_the_scores(client: FlaskClient, cast: Cast) -> None:
    rule = {"field": "plan", "op": "in", "value": ["Basic"]}
    kept: Any = client.post("/api/v1/segments", json={"name": "Basic", "rule": rule}, headers=cast.token("owner")).json
    analyst = cast.token("analyst")
    within: Any = client.get(f"{URL}?segment={kept['id']}", headers=analyst).json
    whole: Any = client.get(f"{URL}?limit=500", headers=analyst).json
    assert 0 < within["total"] < whole["total"]
    file = client.get(f"{URL}/export.csv?segment={kept['id']}", headers=analyst).text
    assert len(file.splitlines()) == within["total"] + 1
    assert client.get(f"{URL}?segment=9999", headers=analyst).status_code == 404
    assert "segment" in client.get(f"{URL}?segment=basic", headers=analyst).get_json()["error"]["fields"]


@pytest.mark.usefixtures("scored")
def test_the_file_holds_the_same_for_those_who_may_export(client: FlaskClient, cast: Cast) -> None:
    answer = client.get(f"{URL}/export.csv", headers=cast.token("analyst"))
    rows = answer.text.splitlines()
    assert len(rows) == 49
    assert rows[0].startswith("user_id,score,band,confidence,change,scheme_id,")
    assert client.get(f"{URL}/export.csv", headers=cast.token("viewer")).status_code == 403


@pytest.mark.usefixtures("scored")
def test_a_scheme_is_edited_and_its_row_stays_as_it_was(app: Flask, client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    (scheme,) = client.get(SCHEMES, headers=analyst).json["items"]
    assert scheme["default"] and sum(part["weight"] for part in scheme["parts"]) == 100
    parts = scheme["parts"]
    parts[0]["weight"] += 1
    refused = client.patch(f"{SCHEMES}/{scheme['id']}", json={"parts": parts}, headers=analyst)
    assert (refused.status_code, refused.json["error"]["fields"]) == (
        422,
        {"parts": ["weights that add up to 100, not 101"]},
    )
    parts[1]["weight"] -= 1
    changed: Any = client.patch(
        f"{SCHEMES}/{scheme['id']}", json={"parts": parts, "name": "Ours"}, headers=analyst
    ).json
    assert changed["id"] != scheme["id"] and changed["name"] == "Ours" and not changed["default"]
    old: Any = client.get(f"{SCHEMES}/{scheme['id']}", headers=analyst).json
    assert old["retired_at"] == changed["created_at"] and old["parts"][0]["weight"] == parts[0]["weight"] - 1
    assert client.patch(f"{SCHEMES}/{scheme['id']}", json={"name": "Old"}, headers=analyst).status_code == 404
    assert client.delete(f"{SCHEMES}/{changed['id']}", headers=analyst).status_code == 409, "everybody needs one"
    assert (
        client.patch(f"{SCHEMES}/{changed['id']}", json={"name": "X"}, headers=cast.token("agent")).status_code == 403
    )
    with app.app_context(), read_unit() as session:
        assert session.scalar(select(JobRun.id).where(JobRun.kind == "analyse", JobRun.state == "queued"))


@pytest.mark.usefixtures("scored")
def test_a_segment_gets_a_scheme_of_its_own_until_it_is_deleted(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    rule = {"field": "plan", "op": "in", "value": ["Basic"]}
    segment: Any = client.post("/api/v1/segments", json={"name": "Basic", "rule": rule}, headers=analyst).json
    parts = [{"key": "feature.payment_failures", "weight": 100, "worst": 3, "best": 0}]
    sent = {"name": "Of Basic", "segment_id": segment["id"], "parts": parts}
    made = client.post(SCHEMES, json=sent, headers=analyst)
    assert made.status_code == 201 and made.json["segment"] == "Basic"
    assert client.post(SCHEMES, json=sent, headers=analyst).status_code == 409
    gone = client.delete(f"{SCHEMES}/{made.json['id']}", headers=analyst)
    assert gone.json == {"deleted": True, "name": "Of Basic"}
    assert len(client.get(SCHEMES, headers=analyst).json["items"]) == 1


@pytest.mark.usefixtures("scored")
def test_what_the_past_proposes_is_adopted(app: Flask, client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    (scheme,) = client.get(SCHEMES, headers=analyst).json["items"]
    told: Any = client.get(f"{URL}/backtest", headers=analyst).json
    assert "labelled table" in told["message"]
    address = f"{SCHEMES}/{scheme['id']}/adopt-proposed"
    assert client.post(address, headers=analyst).status_code == 409
    keys = [part["key"] for part in scheme["parts"]]
    weights = {keys[0]: 90} | {keys[1]: 10} | dict.fromkeys(keys[2:], 0)
    with app.app_context(), unit_of_work() as session:
        run = session.scalars(select(AnalysisRun).where(AnalysisRun.kind == "health")).one()
        own = {"proposal": {"message": None, "weights": weights}}
        run.summary = {**run.summary, "backtest": {"message": None, "schemes": {str(scheme["id"]): own}}}
        run.made_at += 1
        revisions.bump(session, "analyses")
    adopted: Any = client.post(address, headers=analyst).json
    assert {part["key"]: part["weight"] for part in adopted["parts"]} == weights
    assert adopted["proposed"]


@pytest.mark.usefixtures("scored")
def test_the_business_says_what_is_missing(client: FlaskClient, cast: Cast) -> None:
    told: Any = client.get("/api/v1/analytics/business-health", headers=cast.token("viewer")).json
    parts = {part["name"]: part for part in told["parts"]}
    assert parts["trust"]["points"] is not None
    assert parts["retention"]["points"] is None and "not known" in parts["retention"]["formula"]
    assert told["score"] == pytest.approx(sum(part["contribution"] for part in told["parts"]))
    assert told["cells"]["now"] == "health:business.now"
    assert told["figures"]["customers_now"] == 48


@pytest.mark.usefixtures("scored")
def test_a_persons_export_holds_their_health(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    first: Any = client.get(f"{URL}?limit=1", headers=analyst).json["items"][0]
    found: Any = client.get(f"/api/v1/customers/{first['user_id']}/export", headers=analyst).json
    assert found["health"]["band"] == first["band"]
    assert found["health"]["score"] == pytest.approx(first["score"], abs=0.01)
