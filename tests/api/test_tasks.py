"""The desk over HTTP: today's list for scripts, tasks that one of two callers gets, outcomes written back, and who may do what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import Exposure, IdempotencyKey, Setting, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import ranking
from tests.conftest import Cast
from tests.web.stocked import stock

URL = "/api/v1/tasks"


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored, and nobody held out until a test asks for it."""
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            session.get_one(Setting, "hold_out_salt").value = "salt of the tests"  # the same members in every run
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})


def best(client: FlaskClient, cast: Cast, count: int = 1) -> list[str]:
    found: Any = client.get(f"{URL}/today?limit={count}", headers=cast.token("agent")).json
    return [item["user_id"] for item in found["items"]]


def take(client: FlaskClient, cast: Cast, user_id: str, who: str = "agent", **body: Any) -> Any:
    return client.post(URL, json={"user_id": user_id, **body}, headers=cast.token(who))


def test_a_script_pulls_the_list_and_writes_outcomes_back(client: FlaskClient, cast: Cast) -> None:
    agent = cast.token("agent")
    first = client.get(f"{URL}/today?limit=3", headers=agent)
    told: Any = first.json
    assert (told["capacity"], told["used"], told["total"], told["measure"]) == (20, 0, 12, "net_gain")
    assert told["next_cursor"]
    assert [item["state"] for item in told["items"]] == ["proposed"] * 3
    assert told["items"][0]["reasons"][0]["sentence"]
    assert told["items"][0]["net_gain"]["currency"] == "USD"
    for item in told["items"]:
        made = take(client, cast, item["user_id"])
        assert made.status_code == 201
        assert client.get(made.headers["Location"], headers=agent).json == made.json
        ended = client.post(f"{URL}/{made.json['id']}/outcome", json={"outcome": "saved"}, headers=agent)
        assert (ended.status_code, ended.json["outcome"]) == (200, "saved")  # type: ignore[index]
    after: Any = client.get(f"{URL}/today", headers=agent).json
    assert (after["used"], after["counts"]["done_today"], after["counts"]["resting"]) == (3, 3, 3)
    done: Any = client.get(f"{URL}?state=done&owner=mine&outcome=saved", headers=agent).json
    assert (done["total"], done["items"][0]["exposed"]) == (3, True)
    kept: Any = client.get(f"{URL}/sla", headers=agent).json
    assert (kept["team"]["ended_7"], kept["owners"][0]["owner"]["name"]) == (3, "Agent")
    for path in ("sla", "today"):
        etag = client.get(f"{URL}/{path}", headers=agent).headers["ETag"]
        assert client.get(f"{URL}/{path}", headers={**agent, "If-None-Match": etag}).status_code == 304


def test_of_callers_who_take_one_customer_at_once_exactly_one_gets_it(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    (user,) = best(client, cast)
    together = Barrier(4)

    def race(who: str) -> Any:
        other = app.test_client()
        together.wait()
        return who, other.post(URL, json={"user_id": user}, headers=cast.token(who))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(race, ["agent", "analyst", "agent", "analyst"]))
    assert sorted(answer.status_code for _, answer in answers) == [201, 409, 409, 409]
    winner = next(answer.json for _, answer in answers if answer.status_code == 201)
    for _, answer in answers:
        if answer.status_code == 409:
            error = answer.json["error"]
            assert error["detail"] == {"task_id": winner["id"], "owner": winner["owner"]}
            assert winner["owner"]["name"] in error["message"]
    with app.app_context(), read_unit() as session:
        assert session.scalar(select(func.count()).select_from(Task)) == 1


def test_of_callers_who_reach_for_one_free_task_exactly_one_owns_it(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    (user,) = best(client, cast)
    number = take(client, cast, user, owner_id=None).json["id"]
    together = Barrier(2)

    def race(who: str) -> int:
        other = app.test_client()
        body = {"owner_id": cast.users[who], "only_if_free": True}
        together.wait()
        return other.patch(f"{URL}/{number}", json=body, headers=cast.token(who)).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(race, ["agent", "analyst"])) == [200, 409]


def test_sending_twice_takes_and_ends_once(app: Flask, client: FlaskClient, cast: Cast) -> None:
    (user,) = best(client, cast)
    keyed = {**cast.token("agent"), "Idempotency-Key": "take-1"}
    first: Any = client.post(URL, json={"user_id": user}, headers=keyed)
    second: Any = client.post(URL, json={"user_id": user}, headers=keyed)
    assert (first.status_code, second.status_code, first.json) == (201, 201, second.json)
    keyed["Idempotency-Key"] = "end-1"
    path = f"{URL}/{first.json['id']}/outcome"
    for outcome in ("left", "wrong"):
        for reason in ({}, {"reason": "  "}):
            refused = client.post(path, json={"outcome": outcome, **reason}, headers=keyed)
            assert (refused.status_code, list(refused.get_json()["error"]["fields"])) == (422, ["reason"])
    sent = {"outcome": "left", "reason": "moved abroad"}  # the key is still free: nothing was done with it
    assert [client.post(path, json=sent, headers=keyed).status_code for _ in range(2)] == [200, 200]
    with app.app_context(), read_unit() as session:
        assert session.scalar(select(func.count()).select_from(Exposure)) == 1


def test_no_kept_answer_names_somebody_who_was_erased(app: Flask, client: FlaskClient, cast: Cast) -> None:
    (user,) = best(client, cast)
    keyed = {**cast.token("agent"), "Idempotency-Key": "take-1"}
    assert client.post(URL, json={"user_id": user}, headers=keyed).status_code == 201
    with app.app_context(), read_unit() as session:
        assert any(user in (body or "") for body in session.scalars(select(IdempotencyKey.body)))
    assert client.delete(f"/api/v1/customers/{user}", headers=cast.token("owner")).status_code < 300
    with app.app_context(), read_unit() as session:
        assert not any(user in (body or "") for body in session.scalars(select(IdempotencyKey.body)))
        assert session.scalar(select(func.count()).select_from(Task)) == 0


def test_the_hold_out_is_counted_and_refused(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.5})
    told: Any = client.get(f"{URL}/today?limit=500", headers=cast.token("viewer")).json
    with app.app_context(), read_unit() as session:
        held = ranking.held_out(session)
    listed = {item["user_id"] for item in told["items"]}
    users = {f"cus_{customer - 1:05d}" for customer in held}
    assert not listed & users
    assert told["counts"]["held_out"] > 0
    refused = take(client, cast, min(users))
    assert refused.status_code == 409
    assert refused.json["error"]["detail"] == {"held_out": True}
    sent = {"owner_id": cast.users["agent"], "user_ids": sorted(users)[:3]}
    answer: Any = client.post(f"{URL}/assign", json=sent, headers=cast.token("agent")).json
    assert [item["result"] for item in answer["items"]] == ["refused"] * 3


def test_a_task_is_changed_dropped_and_reopened(client: FlaskClient, cast: Cast) -> None:
    agent = cast.token("agent")
    (user,) = best(client, cast)
    due, later = (f"{clock.now() + timedelta(days=days):%Y-%m-%d}" for days in (200, 300))
    path = f"{URL}/{take(client, cast, user, kind='email', due_at=due).json['id']}"
    changed: Any = client.patch(path, json={"snoozed_until": later, "kind": "visit"}, headers=agent).json
    assert (changed["standing"], changed["kind"], changed["due_at"]) == ("snoozed", "visit", f"{due}T00:00:00Z")
    assert client.patch(path, json={}, headers=agent).status_code == 422
    assert client.patch(path, json={"steps": [{"step": 0}]}, headers=agent).status_code == 404
    dropped: Any = client.post(f"{path}/drop", json={"reason": "called already"}, headers=agent).json
    assert (dropped["state"], dropped["exposed"]) == ("dropped", False)
    assert client.patch(path, json={"kind": "call"}, headers=agent).status_code == 409
    assert client.post(f"{path}/reopen", headers=agent).json["state"] == "open"  # type: ignore[index]
    assert client.post(f"{path}/reopen", headers=agent).status_code == 409


@pytest.mark.parametrize("day", ["1999-01-01", "9999-12-31", "2199-06-30T12:00:00Z"])
def test_a_date_that_nobody_can_mean_is_refused(client: FlaskClient, cast: Cast, day: str) -> None:
    agent, users = cast.token("agent"), best(client, cast, 2)
    refused = take(client, cast, users[0], due_at=day)
    assert refused.status_code == 422
    assert "between today and a year from now" in refused.json["error"]["message"]
    path = f"{URL}/{take(client, cast, users[1]).json['id']}"
    for field in ("due_at", "snoozed_until"):
        answer: Any = client.patch(path, json={field: day}, headers=agent)
        assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, [field])
    today = f"{clock.now():%Y-%m-%d}"
    assert client.patch(path, json={"due_at": today}, headers=agent).status_code == 200
    assert client.patch(path, json={"due_at": None}, headers=agent).status_code == 200


def test_bulk_assignment_tells_what_became_of_each(client: FlaskClient, cast: Cast) -> None:
    users = best(client, cast, 3)
    take(client, cast, users[0], "analyst")
    sent = {"owner_id": cast.users["agent"], "user_ids": [*users, "nobody"]}
    answer: Any = client.post(f"{URL}/assign", json=sent, headers=cast.token("agent")).json
    assert [item["result"] for item in answer["items"]] == ["refused", "taken", "taken", "refused"]
    assert "Analyst" in answer["items"][0]["message"]
    mine: Any = client.get(f"{URL}/today?owner=mine", headers=cast.token("agent")).json
    assert {item["user_id"] for item in mine["items"]} == set(users[1:])
    theirs: Any = client.get(f"{URL}/today?owner={cast.users['analyst']}", headers=cast.token("agent")).json
    assert [item["user_id"] for item in theirs["items"]] == users[:1]
    assert client.post(f"{URL}/assign", json={**sent, "top": 2}, headers=cast.token("agent")).status_code == 422


def test_notes_need_the_permission_to_see_personal_details(client: FlaskClient, cast: Cast) -> None:
    agent, (user,) = cast.token("agent"), best(client, cast)
    path = f"/api/v1/customers/{user}/notes"
    made: Any = client.post(path, json={"text": "Two lines.\nRing after six."}, headers=agent)
    assert (made.status_code, made.json["author"]["name"]) == (201, "Agent")
    assert client.get(path, headers=cast.token("viewer")).status_code == 403
    assert client.post(path, json={"text": "x\x00"}, headers=agent).status_code == 422
    listed: Any = client.get(path, headers=cast.token("analyst")).json
    assert [(item["text"], item["mine"]) for item in listed["items"]] == [("Two lines.\nRing after six.", False)]
    assert client.delete(f"/api/v1/notes/{made.json['id']}", headers=cast.token("analyst")).status_code == 403
    assert client.delete(f"/api/v1/notes/{made.json['id']}", headers=agent).status_code == 204
    assert client.delete(f"/api/v1/notes/{made.json['id']}", headers=agent).status_code == 404


@pytest.mark.parametrize(("who", "reads", "writes"), [("viewer", 200, 403), ("agent", 200, 201), ("owner", 200, 201)])
def test_viewers_look_and_agents_act(client: FlaskClient, cast: Cast, who: str, reads: int, writes: int) -> None:
    (user,) = best(client, cast)
    found: Any = client.get(f"{URL}/today", headers=cast.token(who))
    assert found.status_code == reads
    assert (found.json["items"][0]["name"] is None) == (who == "viewer")
    made = take(client, cast, user, who)
    assert made.status_code == writes
    if writes == 403:
        number = take(client, cast, user).json["id"]
        for path in ("outcome", "drop", "reopen"):
            body = {"outcome": "saved"} if path == "outcome" else {}
            assert client.post(f"{URL}/{number}/{path}", json=body, headers=cast.token(who)).status_code == 403


@pytest.mark.parametrize("query", ["owner=nobody", "owner=0", "limit=0", "cursor=x", "state=open"])
def test_a_misspelt_question_is_refused(client: FlaskClient, cast: Cast, query: str) -> None:
    assert client.get(f"{URL}/today?{query}", headers=cast.token("agent")).status_code == 422
