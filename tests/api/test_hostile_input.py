"""What anybody may send: JSON that Python cannot hold, cursors made by hand, dates at the edge of the calendar. None of it is answered with 500."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from retainstream.db import read_unit
from retainstream.lib.pagination import encode_cursor
from retainstream.models import AttributeDefinition
from tests.conftest import Cast
from tests.web.stocked import stock

MONSTERS = {
    "lists in lists": "[" * 50_000 + "]" * 50_000,
    "objects in objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "digits": "9" * 5_000,
    "digits in a field": '{"email": ' + "9" * 5_000 + "}",
}


def _bodies(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route of the API that takes a body."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/"):
            address = rule.rule.replace("<string:", "<")
            for part in rule.arguments:
                address = address.replace(f"<{part}>", "1")
            for method in sorted((rule.methods or set()) & {"POST", "PATCH", "PUT", "DELETE"}):
                yield method, address


@pytest.mark.parametrize("body", MONSTERS.values(), ids=MONSTERS)
def test_json_that_python_cannot_hold_is_refused_everywhere(
    app: Flask, client: FlaskClient, cast: Cast, body: str
) -> None:
    answers = {
        (method, address): client.open(
            address, method=method, data=body, content_type="application/json", headers=cast.token("owner")
        )
        for method, address in _bodies(app)
        if "users/" not in address
    }
    assert {place: answer.status_code for place, answer in answers.items() if answer.status_code >= 500} == {}
    error = answers["POST", "/api/v1/auth/login"].get_json()["error"]
    assert (error["code"], answers["POST", "/api/v1/auth/login"].status_code) == ("bad_request", 400)


IDS = ("/users", "users"), ("/auth/tokens", "tokens"), ("/audit", "audit"), ("/jobs", "jobs")


@pytest.mark.parametrize(("path", "name"), [*IDS, ("/customers/imports", "imports")])
@pytest.mark.parametrize("last", [None, True, 1.5, 1e300, -1, 2**64, "7", "\x00"])
def test_a_cursor_made_by_hand_is_refused(
    client: FlaskClient, cast: Cast, path: str, name: str, last: str | float | None
) -> None:
    answer = client.get(
        f"/api/v1{path}", query_string={"cursor": encode_cursor(name, [last])}, headers=cast.token("owner")
    )
    assert answer.status_code == 422
    assert "cursor" in answer.get_json()["error"]["fields"]


@pytest.mark.parametrize("sort", ["-risk", "revenue", "plan", "user_id"])
@pytest.mark.parametrize(
    "key", [(1, 0, 1e300), (1, 0, "9" * 50), (1, 0, None), (1, None, 1), (1, True, 1), (0, None, -1)]
)
def test_a_cursor_of_customers_made_by_hand_is_refused(
    client: FlaskClient, cast: Cast, sort: str, key: tuple[str | float | None, ...]
) -> None:
    query = {"sort": sort, "cursor": encode_cursor(f"customers:{sort}", list(key))}
    assert client.get("/api/v1/customers", query_string=query, headers=cast.token("owner")).status_code == 422


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.usefixtures("scored")
def test_a_moment_outside_the_calendar_is_refused(client: FlaskClient, cast: Cast, moment: str) -> None:
    token = cast.token("owner")
    user_id = client.get("/api/v1/customers?limit=1", headers=token).get_json()["items"][0]["user_id"]
    answer = client.patch(f"/api/v1/customers/{user_id}", json={"signup_at": moment}, headers=token)
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == ["signup_at"]


@pytest.mark.parametrize("user_id", ["a/b", "x/history", "high-risk", "a//b", "..", "%2F", "?q", "#f", "=cmd"])
def test_a_person_with_any_identifier_can_be_erased(
    client: FlaskClient, cast: Cast, run_jobs: Callable[[], list[dict[str, object]]], user_id: str
) -> None:
    rows = [f"u{i},P{i % 3},{i + 1},{'yes' if i % 4 == 0 else 'no'}" for i in range(30)]
    table = "\n".join(["user_id,plan,monthly,churn", *rows, f"{user_id},P1,3,no"])
    sent = {"file": (io.BytesIO(table.encode()), "people.csv")}
    assert client.post("/api/v1/customers/import", data=sent, headers=cast.token("owner")).status_code == 202
    assert [job["state"] for job in run_jobs()] == ["succeeded"]
    address = f"/api/v1/customers/{quote(user_id, safe='')}"
    changed = client.patch(address, json={"tags": ["known"]}, headers=cast.token("agent"))
    assert (changed.status_code, changed.get_json()["user_id"]) == (200, user_id)
    assert client.delete(address, headers=cast.token("owner")).status_code == 200
    assert client.delete(address, headers=cast.token("owner")).status_code == 404


HUGE = 10**400
"""A whole number that JSON and Python hold, but no float."""
_PARTS = [{"key": "feature.last_login_days", "weight": 100, "worst": 60, "best": 0}]


@pytest.mark.parametrize("value", [HUGE, -HUGE, float("inf"), float("nan")], ids=["huge", "-huge", "inf", "nan"])
def test_a_number_that_no_float_holds_is_told_by_its_field(
    app: Flask, client: FlaskClient, cast: Cast, value: float
) -> None:
    with app.app_context():
        stock(10)
    rule = {"field": "churn_probability", "op": "gt", "value": value}
    within = {"field": "churn_probability", "op": "between", "value": [0, value]}
    sent: list[tuple[str, str, dict[str, object], str]] = [
        ("POST", "customers/segment", {"rule": rule}, "rule.value"),
        ("POST", "customers/segment", {"rule": within}, "rule.value"),
        ("POST", "segments", {"name": "x", "rule": {"all": [rule]}}, "rule.all.0.value"),
        ("POST", "health-schemes", {"name": "x", "parts": [{**_PARTS[0], "weight": value}]}, "parts.0.weight"),
        ("POST", "health-schemes", {"name": "x", "parts": [{**_PARTS[0], "best": value}]}, "parts.0.best"),
        ("POST", "health-schemes", {"name": "x", "parts": _PARTS, "bands": [1, 2, value]}, "bands.2"),
        *(
            ("PATCH", "customers/cus_00001", {"attributes": {name: value}}, f"attributes.{name}")
            for name in _kinds(app)
        ),
    ]
    for method, path, body, field in sent:
        answer = client.open(f"/api/v1/{path}", method=method, json=body, headers=cast.token("owner"))
        assert answer.status_code == 422, f"{method} {path} {field}: {answer.text[:300]}"
        assert field in answer.get_json()["error"]["fields"], answer.text[:300]


def _kinds(app: Flask) -> list[str]:
    """Return an attribute of each kind that takes numbers or days."""
    with app.app_context(), read_unit() as session:
        rows = session.execute(select(AttributeDefinition.kind, AttributeDefinition.name))
        return list({kind: name for kind, name in rows if kind in ("number", "integer", "date", "boolean")}.values())
