"""Every list of customers that takes a band or a plan takes a segment: customers, scores, exports, tasks, today's list, lifetime values, scoring."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import tasks
from tests.conftest import Cast
from tests.population import make_frame, populate
from tests.shop import open_shop
from tests.web.stocked import stock

API = "/api/v1"
BASIC = {"field": "plan", "op": "in", "value": ["Basic"]}
ENDS = {"field": "plan", "op": "in", "value": ["Basic", "Family"]}
RISKY = {"field": "risk_band", "op": "in", "value": ["high", "very_high"]}
Jobs = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored."""
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})


def keep(client: FlaskClient, cast: Cast, rule: Any, name: str = "one") -> int:
    answer: Any = client.post(f"{API}/segments", json={"name": name, "rule": rule}, headers=cast.token("analyst"))
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])


def get(client: FlaskClient, cast: Cast, path: str, status: int = 200) -> Any:
    answer = client.get(f"{API}{path}", headers=cast.token("owner"))
    assert answer.status_code == status, answer.text
    return answer.json


def named(answer: Any) -> list[str]:
    return [item["user_id"] for item in answer["items"]]


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(
    "path", ["/customers", "/customers/high-risk", "/customers/high-value", "/predictions/results"]
)
def test_a_list_takes_segments_as_it_takes_the_plan(client: FlaskClient, cast: Cast, path: str) -> None:
    ends, risky = keep(client, cast, ENDS), keep(client, cast, RISKY, "two")
    whole = get(client, cast, f"{path}?limit=500")
    wanted = get(client, cast, f"{path}?plan=Basic,Family&limit=500")
    found = get(client, cast, f"{path}?segment={ends}&limit=500")
    assert named(found) == named(wanted) and 0 < found["total"] == wanted["total"]
    # Everybody who pays most is of one of these plans.
    assert found["total"] < whole["total"] or path.endswith("high-value")
    both = get(client, cast, f"{path}?segment={ends},{risky}&limit=500")
    assert named(both) == named(get(client, cast, f"{path}?plan=Basic,Family&band=high,very_high&limit=500"))
    assert named(get(client, cast, f"{path}?cell=segment:{ends}&limit=500")) == named(wanted)
    first = get(client, cast, f"{path}?segment={ends}&limit=1")
    following = get(client, cast, f"{path}?segment={ends}&limit=500&cursor={first['next_cursor']}")
    assert [*named(first), *named(following)] == named(wanted)
    get(client, cast, f"{path}?segment=99", 422)
    get(client, cast, f"{path}?segment=Basic", 422)
    get(client, cast, f"{path}?segment=1,2,3&cell=rfm:a;rfm:b", 422)


@pytest.mark.usefixtures("box")
def test_exports_hold_the_segments_members(client: FlaskClient, cast: Cast) -> None:
    basic = keep(client, cast, BASIC)
    wanted = named(get(client, cast, f"/customers?segment={basic}&limit=500"))
    sent = client.get(f"{API}/customers/export.csv?segment={basic}", headers=cast.token("owner"))
    assert [row["user_id"] for row in csv.DictReader(io.StringIO(sent.text))] == wanted
    assert client.get(f"{API}/customers/export.xlsx?segment={basic}", headers=cast.token("owner")).status_code == 200


def test_tasks_and_todays_list_take_segments(
    app: Flask, client: FlaskClient, cast: Cast, settings: Settings, box: None
) -> None:
    basic = keep(client, cast, BASIC)
    members = set(named(get(client, cast, f"/customers?segment={basic}&status=all&limit=500")))
    with app.app_context(), unit_of_work() as session:
        for place in range(4):
            tasks.take(session, SYSTEM, settings, f"cus_{place:05d}", owner=None)
    every = get(client, cast, "/tasks?limit=500")
    found = get(client, cast, f"/tasks?segment={basic}")
    assert named(found) == [one for one in named(every) if one in members] and found["total"] == 1
    today = get(client, cast, "/tasks/today?limit=500")
    part = get(client, cast, f"/tasks/today?segment={basic}&limit=500")
    assert named(part) == [one for one in named(today) if one in members]
    assert 0 < part["total"] < today["total"]
    assert (part["capacity"], part["used"], part["counts"]) == (today["capacity"], today["used"], today["counts"])
    get(client, cast, "/tasks/today?segment=99", 422)
    get(client, cast, "/tasks?segment=99", 422)


def test_a_figure_of_the_desk_is_counted_anew_once_a_task_is_taken(
    app: Flask, client: FlaskClient, cast: Cast, settings: Settings, box: None
) -> None:
    before = get(client, cast, "/customers?cell=desk:proposed&status=all&limit=500")
    assert before["total"] == len(before["items"]) > 0
    with app.app_context(), unit_of_work() as session:
        tasks.take(session, SYSTEM, settings, before["items"][0]["user_id"], owner=None)
    after = get(client, cast, "/customers?cell=desk:proposed&status=all&limit=500")
    assert after["total"] == len(after["items"]) == before["total"] - 1


def test_lifetime_values_take_segments(app: Flask, client: FlaskClient, cast: Cast, settings: Settings) -> None:
    with app.app_context():
        open_shop(settings)
    dear = keep(client, cast, {"field": "lifetime.value", "op": "gt", "value": 0})
    none = keep(client, cast, {"field": "lifetime.value", "op": "lt", "value": 0}, "none")
    whole = get(client, cast, "/clv/predictions?limit=500")
    found = get(client, cast, f"/clv/predictions?segment={dear}&limit=500")
    assert named(found) == [one["user_id"] for one in whole["items"] if one["value"]["amount_minor"] > 0]
    assert found["total"] == len(found["items"])
    assert get(client, cast, f"/clv/predictions?segment={none}")["total"] == 0


def test_a_segment_or_a_list_is_scored(app: Flask, client: FlaskClient, cast: Cast, run_jobs: Jobs) -> None:
    with app.app_context(), unit_of_work() as session:
        populate(session, make_frame(300))
    analyst = cast.token("analyst")
    url = f"{API}/predictions/generate"
    plans = {item["plan"] for item in get(client, cast, "/customers?limit=500")["items"]}
    rule = {"field": "plan", "op": "in", "value": [min(plans)]}
    assert client.post(url, json={"query": "plan=x"}, headers=analyst).status_code == 409  # no model yet
    client.post(f"{API}/model/train", json={"trials": 1}, headers=analyst)
    run_jobs()
    segment = keep(client, cast, rule)
    nobody = keep(client, cast, {"all": [rule, {"not": rule}]}, "nobody")
    active = get(client, cast, f"/customers?segment={segment}&limit=1")["total"]
    everybody = get(client, cast, f"/customers?segment={segment}&status=all&limit=1")["total"]
    assert 0 < active < everybody
    run_jobs()
    queued = client.post(url, json={"segment": segment}, headers=analyst)
    assert queued.status_code == 202, queued.text
    # The same list in other words is the same scoring, which is queued already.
    again = client.post(url, json={"query": f"segment={segment}&sort=-revenue&status=all"}, headers=analyst)
    assert again.status_code == 409
    scored = [job for job in run_jobs() if job["kind"] == "score"]
    assert [job["result"]["n_scored"] for job in scored] == [active]
    for wrong in (
        {"segment": nobody},
        {"segment": 99},
        {"query": "band=dark"},
        {"segment": segment, "scope": "all"},
        {"query": "status=left&plan=none-such"},
        {"query": "?plan=none-such"},
        {},
    ):
        assert client.post(url, json=wrong, headers=analyst).status_code == 422, wrong
