"""Churn definitions over the API: make, list, read, put in force, and a proposal that can be posted as it is."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import in_unit, unit_of_work
from retainstream.ml.asof import proposal
from retainstream.models import Event
from retainstream.services import as_of, churn_definitions, revisions
from tests.conftest import Cast
from tests.services.as_of import happened
from tests.services.as_of.happened import START
from tests.web.stocked import stock

API = "/api/v1/churn-definitions"
CANCEL: dict[str, Any] = {"name": "Cancels", "kind": "cancel", "horizon_days": 30, "grace_days": 7}


@pytest.fixture
def people(app: Flask) -> None:
    """Eighty customers who log in every few days for up to 300 days, and each stop at some time."""
    with app.app_context(), unit_of_work() as session:
        happened.people_who_go_quiet(session)


def test_a_definition_is_made_listed_and_put_in_force(client: FlaskClient, cast: Cast) -> None:
    analyst, viewer = cast.token("analyst"), cast.token("viewer")
    made = client.post(API, json=CANCEL, headers=analyst)
    assert made.status_code == 201
    first = made.json
    assert (first["version"], first["in_force"], first["forward"], first["maturity_days"]) == (1, True, True, 37)
    assert first["parameters"] == {"reasons": ["voluntary"], "grace_days": 7, "settle_days": 0}
    second = client.post(API, json={**CANCEL, "grace_days": 0, "activate": False}, headers=analyst).json
    assert (second["version"], second["in_force"]) == (2, False)
    listed = client.get(API, headers=viewer)
    assert [item["id"] for item in listed.json["items"]] == [second["id"], first["id"]]
    assert listed.json["total"] == 2
    assert client.get(API, headers={**viewer, "If-None-Match": listed.headers["ETag"]}).status_code == 304
    moved = client.post(f"{API}/{second['id']}/activate", headers=analyst)
    assert moved.json["in_force"] is True
    assert {**client.get(f"{API}/{first['id']}", headers=viewer).json, "settle_days_measured": True} == {
        **first,
        "in_force": False,
    }


def test_the_same_key_makes_one_definition(client: FlaskClient, cast: Cast) -> None:
    headers = {**cast.token("analyst"), "Idempotency-Key": "once"}
    one, two = (client.post(API, json=CANCEL, headers=headers) for _ in range(2))
    assert one.json == two.json
    assert client.get(API, headers=headers).json["total"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"kind": "boredom"}, "kind"),
        ({"inactive_days": 30}, "inactive_days"),
        ({"kind": "inactivity", "inactive_days": 30}, "grace_days"),
        ({"kind": "inactivity", "grace_days": None}, "grace_days"),
        ({"kind": "inactivity", "grace_days": 0, "inactive_days": 30, "activity": ["levitation"]}, "activity"),
        ({"reasons": ["whim"]}, "reasons.0"),
        ({"name": "   "}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    client: FlaskClient, cast: Cast, changes: dict[str, Any], field: str
) -> None:
    refused = client.post(API, json={**CANCEL, **changes}, headers=cast.token("analyst"))
    assert refused.status_code == 422
    assert list(refused.json["error"]["fields"]) == [field]
    assert client.get(API, headers=cast.token("analyst")).json["total"] == 0


def test_who_may_do_what(client: FlaskClient, cast: Cast) -> None:
    for who in ("agent", "viewer"):
        assert client.get(API, headers=cast.token(who)).status_code == 200
        assert client.post(API, json=CANCEL, headers=cast.token(who)).status_code == 403
        assert client.post(f"{API}/1/activate", headers=cast.token(who)).status_code == 403
        assert client.post(f"{API}/propose", json={}, headers=cast.token(who)).status_code == 403
    owner = cast.token("owner")
    assert client.get(f"{API}/5", headers=owner).status_code == 404
    assert client.post(f"{API}/5/activate", headers=owner).status_code == 404
    assert client.get(f"{API}/five", headers=owner).status_code == 422


def test_nothing_can_be_proposed_from_nothing(client: FlaskClient, cast: Cast) -> None:
    refused = client.post(f"{API}/propose", json={}, headers=cast.token("analyst"))
    assert refused.status_code == 409
    assert refused.json["error"]["code"] == "not_ready"


@pytest.mark.usefixtures("people")
def test_a_proposal_can_be_posted_as_it_is(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    answer = client.post(f"{API}/propose", json={}, headers=analyst)
    assert answer.status_code == 200
    found = answer.json
    assert (found["kind"], found["trainable"], found["reasons"]) == ("inactivity", True, [])
    chosen = next(row for row in found["candidates"] if row["inactive_days"] == found["definition"]["inactive_days"])
    assert chosen["trainable"]
    assert 0 <= chosen["came_back"] <= 0.15
    assert 0 < chosen["churn_per_month"] < 1
    assert 0 < chosen["churners"] < chosen["rows"]
    assert any(f"reached {chosen['inactive_days']} days" in sentence for sentence in found["sentences"])
    assert found["lateness"] == {"p99_days": 0.0, "n": found["lateness"]["n"], "settle_days": 0}
    assert client.get(API, headers=analyst).json["total"] == 0
    made = client.post(API, json=found["definition"], headers=analyst)
    assert made.status_code == 201
    assert made.json["in_force"] is True


@pytest.mark.usefixtures("people")
def test_the_same_question_is_answered_from_memory_until_the_data_changes(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    history = as_of.history

    def count(*args: Any, **options: Any) -> Any:
        reads.append(args)
        return history(*args, **options)

    monkeypatch.setattr(as_of, "history", count)

    def ask(**body: Any) -> Any:
        answer = client.post(f"{API}/propose", json=body, headers=cast.token("analyst"))
        assert answer.status_code == 200
        return answer.json

    first = ask()
    assert ask() == first and len(reads) == 1
    assert ask(horizon_days=60)["definition"]["horizon_days"] == 60 and len(reads) == 2
    with app.app_context(), unit_of_work() as session:
        ada = happened.customer(session, "ada")
        session.add(Event(customer_id=ada, kind_id=1, feed_id=1, occurred_at=START, received_at=START, key=b"one more"))
        revisions.bump(session, "events")
    changed = ask()
    assert changed["lateness"]["n"] == first["lateness"]["n"] + 1 and len(reads) == 3
    assert ask() == changed and len(reads) == 3


@pytest.mark.usefixtures("people")
def test_one_proposal_is_made_at_a_time_and_outside_of_any_unit(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = cast.token("analyst")
    kept = {"horizon_days": 90}
    assert client.post(f"{API}/propose", json=kept, headers=analyst).status_code == 200
    seen: list[Any] = []
    compute = proposal.propose_inactivity

    def meanwhile(*args: Any, **options: Any) -> Any:
        seen.append((in_unit(), *(client.post(f"{API}/propose", json=body, headers=analyst) for body in ({}, kept))))
        return compute(*args, **options)

    monkeypatch.setattr(proposal, "propose_inactivity", meanwhile)
    assert client.post(f"{API}/propose", json={"horizon_days": 45}, headers=analyst).status_code == 200
    ((inside, refused, from_memory),) = seen
    assert inside is False
    assert (refused.status_code, refused.json["error"]["code"]) == (503, "busy")
    assert int(refused.headers["Retry-After"]) > 0
    assert from_memory.status_code == 200
    monkeypatch.undo()
    assert client.post(f"{API}/propose", json={"horizon_days": 46}, headers=analyst).status_code == 200


@pytest.mark.usefixtures("people")
def test_a_definition_is_weighed_before_it_is_made(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    proposed = client.post(f"{API}/propose", json={}, headers=analyst).json
    wanted = {key: value for key, value in proposed["definition"].items() if key not in ("name", "activate")}
    weighed = client.post(f"{API}/preview", json=wanted, headers=analyst).json
    days = wanted["inactive_days"]
    candidate = next(one for one in proposed["candidates"] if one["inactive_days"] == days)
    same = ("rows", "churners", "dates", "trainable", "churn_per_month", "came_back", "silences")
    assert {name: weighed[name] for name in same} == {name: candidate[name] for name in same}
    assert f"{days} days" in weighed["sentence"]
    refused = client.post(f"{API}/preview", json={**wanted, "kind": "cancel"}, headers=analyst)
    assert refused.status_code == 422


@pytest.mark.usefixtures("people")
def test_a_proposal_refuses_what_it_cannot_look_at(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    for body, status in (
        ({"activity": ["levitation"]}, 422),
        ({"kind": "cancel", "activity": ["login"]}, 422),
        ({"horizon_days": 0}, 422),
        ({"kind": "cancel"}, 409),
        ({"kind": "inactivity", "activity": ["login"], "lead_days": 7}, 200),
    ):
        assert client.post(f"{API}/propose", json=body, headers=analyst).status_code == status, body


def test_subscriptions_are_proposed_by_reason(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        for number in range(40):
            customer = happened.customer(session, f"s{number}")
            ended = 40.0 + 5 * number
            happened.statement(session, customer, f"k{number}", 0)
            why = "payment_failed" if number % 4 == 0 else "voluntary"
            happened.statement(session, customer, f"k{number}", 0, ended, received=ended + 1.5, end_reason=why)
    found = client.post(f"{API}/propose", json={}, headers=cast.token("analyst")).json
    assert (found["kind"], found["definition"]["settle_days"], found["candidates"], found["gaps"]) == (
        "cancel",
        2,
        [],
        None,
    )
    made = client.post(API, json=CANCEL, headers=cast.token("analyst")).json
    assert (made["parameters"]["settle_days"], made["settle_days_measured"]) == (2, True)
    assert "final 2 days after" in made["sentence"]
    said = client.post(API, json={**CANCEL, "settle_days": 0}, headers=cast.token("analyst")).json
    assert (said["parameters"]["settle_days"], said["settle_days_measured"]) == (0, False)
    assert {row["kind"]: row["ends"] for row in found["reasons"]} == {
        "cancel": 30 - 1, "payment_failure": 10, "trial_end": 0, "non_renewal": 39,
    }  # fmt: skip
    assert found["sentences"][0].startswith("39 subscriptions have ended; 29 of their customers left in this way.")


@pytest.mark.usefixtures("people")
def test_a_proposal_shows_how_gaps_spread_and_who_comes_back(client: FlaskClient, cast: Cast) -> None:
    gaps = client.post(f"{API}/propose", json={}, headers=cast.token("analyst")).json["gaps"]
    assert sum(each["gaps"] for each in gaps["distribution"]) == gaps["gaps"] > 0
    days = [day for each in gaps["distribution"] for day in (each["from_days"], each["to_days"])]
    assert days == sorted(days) and days[0] == 1
    shares = [each["came_back"] for each in gaps["returning"]]
    assert all(0 <= share <= 1 for share in shares) and shares[0] > shares[-1]
    assert gaps["returning"][-1]["days"] == gaps["followed_days"]


@pytest.mark.usefixtures("people")
def test_a_definition_is_weighed_as_the_proposal_weighs_it(client: FlaskClient, cast: Cast) -> None:
    analyst = cast.token("analyst")
    proposed = client.post(f"{API}/propose", json={}, headers=analyst).json
    body = {name: value for name, value in proposed["definition"].items() if name not in ("name", "activate")}
    for row in proposed["candidates"]:
        weighed = client.post(f"{API}/preview", json={**body, "inactive_days": row["inactive_days"]}, headers=analyst)
        assert weighed.status_code == 200
        assert row.items() <= {**weighed.json, "inactive_days": row["inactive_days"]}.items()
    assert f"silent for {row['inactive_days']} days" in weighed.json["sentence"]
    longer = client.post(f"{API}/preview", json={**body, "settle_days": 10}, headers=analyst).json
    assert longer["maturity_days"] == body["horizon_days"] + body["inactive_days"] + 10
    assert client.get(API, headers=analyst).json["total"] == 0


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "inactivity", "horizon_days": 30}, 422),
        ({"kind": "inactivity", "horizon_days": 30, "inactive_days": 30, "name": "A"}, 422),
        ({"kind": "cancel", "horizon_days": 30, "reasons": ["boredom"]}, 422),
        ({"kind": "cancel", "horizon_days": 30}, 200),
    ],
)
def test_what_cannot_be_weighed_is_refused(client: FlaskClient, cast: Cast, body: dict[str, Any], status: int) -> None:
    assert client.post(f"{API}/preview", json=body, headers=cast.token("analyst")).status_code == status
    assert client.post(f"{API}/preview", json=body, headers=cast.token("viewer")).status_code == 403


def test_nothing_can_be_weighed_from_nothing(client: FlaskClient, cast: Cast) -> None:
    body = {"kind": "cancel", "horizon_days": 30}
    assert client.post(f"{API}/preview", json=body, headers=cast.token("analyst")).status_code == 409


def test_models_of_a_definition_are_counted(app: Flask) -> None:
    with app.app_context():
        with unit_of_work() as session:
            assert churn_definitions.uses(session) == {}
        stock(10)
        with unit_of_work() as session:
            assert churn_definitions.uses(session) == {1: 1}
