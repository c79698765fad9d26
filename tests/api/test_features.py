"""The feature dictionary over the API, declared features, and one customer's features as of a time."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.services import as_of
from tests.conftest import Cast
from tests.services.as_of import happened
from tests.services.as_of.happened import DAY, START

API = "/api/v1/features"
ROOMS: dict[str, Any] = {
    "name": "rooms_30",
    "title": "Rooms in the last 30 days",
    "event": "login",
    "aggregate": "distinct",
    "window_days": 30,
    "property": "room",
}


@pytest.fixture
def people(app: Flask) -> list[int]:
    """Two customers: one watches and logs in on two devices and in two rooms, of the other nothing is known."""
    with app.app_context(), unit_of_work() as session:
        ada, ben = happened.customer(session, "ada"), happened.customer(session, "ben")
        for day in range(10):
            happened.event(session, ada, "watch", day, value=1.25, device=f"d{day % 2}")
            happened.event(session, ada, "login", day + 0.5, room=day % 2)
        happened.event(session, ada, "payment_failed", 2, late=5)
        happened.statement(session, ada, "s", 0, plan="Gold", revenue_minor=990)
    return [ada, ben]


def _get(client: FlaskClient, cast: Cast, path: str, who: str = "viewer", status: int = 200) -> Any:
    answer = client.get(path, headers=cast.token(who))
    assert answer.status_code == status, answer.get_json()
    return answer.get_json()


def _values(client: FlaskClient, cast: Cast, user_id: str, query: str = "") -> dict[str, Any]:
    found = _get(client, cast, f"/api/v1/customers/{user_id}/features{query}")
    return {item["name"]: item["value"] for item in found["items"]}


def test_the_dictionary_lists_what_the_builder_makes_with_a_hash(
    client: FlaskClient, cast: Cast, people: list[int]
) -> None:
    found = _get(client, cast, API)
    items = {item["name"]: item for item in found["items"]}
    named = {"watch_time_hours", "subscription_age_months", "device_count", "last_login_days", "payment_failures"}
    assert named <= set(items) and found["total"] == len(items) == len(found["items"])
    assert items["watch_time_hours"]["origin"] == "built_in" and items["watch_time_hours"]["version"] is None
    assert items["watch_time_hours"]["recipe"] == {
        "source": "events", "aggregate": "sum", "event": "watch", "window_days": 30, "property": None,
    }  # fmt: skip
    declared = client.post(API, json=ROOMS, headers=cast.token("analyst"))
    assert declared.status_code == 201, declared.get_json()
    assert _get(client, cast, API)["hash"] != found["hash"]


def test_a_declared_feature_is_made_changed_and_withdrawn(client: FlaskClient, cast: Cast, people: list[int]) -> None:
    first = client.post(API, json=ROOMS, headers=cast.token("analyst")).get_json()
    assert (first["origin"], first["version"], first["kind"]) == ("declared", 1, "integer")
    assert _values(client, cast, "ada")["rooms_30"] == 2
    second = client.post(API, json={**ROOMS, "title": "Rooms", "window_days": 1}, headers=cast.token("analyst"))
    assert second.get_json()["version"] == 2
    items = {item["name"]: item for item in _get(client, cast, API)["items"]}
    assert items["rooms_30"]["title"] == "Rooms" and items["rooms_30"]["version"] == 2
    assert _values(client, cast, "ada")["rooms_30"] == 1
    assert client.delete(f"{API}/rooms_30", headers=cast.token("analyst")).get_json() == {"withdrawn": "rooms_30"}
    assert "rooms_30" not in {item["name"] for item in _get(client, cast, API)["items"]}
    assert client.delete(f"{API}/rooms_30", headers=cast.token("analyst")).status_code == 404
    actions = [item["action"] for item in _get(client, cast, "/api/v1/audit", "owner")["items"]]
    assert actions[:3] == ["feature.withdraw", "feature.declare", "feature.declare"]


def test_what_a_withdrawn_feature_counted_is_still_read_for_models_that_use_it(
    app: Flask, client: FlaskClient, cast: Cast, people: list[int], settings: Settings
) -> None:
    client.post(API, json=ROOMS, headers=cast.token("analyst"))
    client.delete(f"{API}/rooms_30", headers=cast.token("analyst"))
    with app.app_context(), read_unit() as session:
        assert set(as_of.history(session, settings).events.properties) == {"device", "room"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Rooms 30"}, "name"),
        ({"name": "watch_time_hours"}, "name"),
        ({"aggregate": "median"}, "aggregate"),
        ({"event": "dance"}, "event"),
        ({"window_days": None}, "window_days"),
        ({"window_days": 9999}, "window_days"),
        ({"window_days": 10**30}, "window_days"),
        ({"property": None}, "property"),
        ({"property": 'a"b'}, "property"),
        ({"aggregate": "count"}, "property"),
        ({"title": "   "}, "title"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_feature_that_cannot_be_made_is_refused_by_field(
    client: FlaskClient, cast: Cast, people: list[int], change: dict[str, Any], field: str
) -> None:
    answer = client.post(API, json={**ROOMS, **change}, headers=cast.token("analyst"))
    assert answer.status_code == 422 and list(answer.get_json()["error"]["fields"]) == [field]
    assert "rooms_30" not in {item["name"] for item in _get(client, cast, API)["items"]}


def test_who_may_declare(client: FlaskClient, cast: Cast, people: list[int]) -> None:
    assert client.post(API, json=ROOMS, headers=cast.token("agent")).status_code == 403
    assert client.delete(f"{API}/rooms_30", headers=cast.token("viewer")).status_code == 403
    assert client.get(API).status_code == 401


def test_a_customers_features_are_those_that_were_known(client: FlaskClient, cast: Cast, people: list[int]) -> None:
    now = _values(client, cast, "ada")
    assert now["watch_time_hours"] == 11.25 and now["device_count"] == 2 and now["payment_failures"] == 1
    assert now["plan"] == "Gold" and now["last_login_days"] == 0.5
    before = _values(client, cast, "ada", "?as_of=2023-11-18T00:00:00Z")
    assert before["watch_time_hours"] == 3.75 and before["payment_failures"] == 0  # it happened, but was not known
    assert _get(client, cast, "/api/v1/customers/ada/features")["as_of"] == "2023-11-24T00:00:00Z"
    nothing = _values(client, cast, "ben")
    assert nothing["watch_time_hours"] == 0 and nothing["plan"] is None and nothing["last_login_days"] is None


def test_a_customers_features_need_a_customer_a_past_and_a_time(client: FlaskClient, cast: Cast, app: Flask) -> None:
    path = "/api/v1/customers/ada/features"
    _get(client, cast, path, status=404)
    with app.app_context(), unit_of_work() as session:
        happened.customer(session, "ada")
    _get(client, cast, path, status=409)
    for moment in ("2999-01-01T00:00:00Z", "yesterday", "0001-01-01T00:00:00%2B10:00"):
        error = _get(client, cast, f"{path}?as_of={moment}", status=422)
        assert "as_of" in error["error"]["fields"]


def test_an_earlier_time_has_the_features_of_what_was_there_then(
    app: Flask, people: list[int], settings: Settings
) -> None:
    with app.app_context(), unit_of_work() as session:
        happened.event(session, people[0], "party", 20, value=1.0)
        history = as_of.history(session, settings)
        later = {spec.name for spec in as_of.dictionary(session)}
        assert later == {spec.name for spec in as_of.dictionary(session, history)}
        earlier = {spec.name for spec in as_of.dictionary(session, history.cut(START + 15 * DAY))}
    assert {name for name in later - earlier if "party" not in name} == set()
    assert later - earlier


def test_erasing_somebody_empties_the_columns_on_disk(
    app: Flask, client: FlaskClient, cast: Cast, people: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retainstream.services.as_of import cache

    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)
    with app.app_context(), read_unit() as session:
        as_of.history(session, settings)
    folder = settings.instance_path / cache.FOLDER
    assert list(folder.iterdir())
    assert client.delete("/api/v1/customers/ada", headers=cast.token("owner")).status_code == 200
    assert list(folder.iterdir()) == []
    with app.app_context(), read_unit() as session:
        assert len(as_of.history(session, settings).events) == 0
