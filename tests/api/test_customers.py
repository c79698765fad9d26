"""Customers over HTTP: lists agree with their counts, changes keep history, and an erased person is gone."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import db
from tests.conftest import Cast

API = "/api/v1/customers"
pytestmark = pytest.mark.usefixtures("scored")


def _get(client: FlaskClient, cast: Cast, path: str, who: str = "analyst", status: int = 200):
    answer = client.get(path, headers=cast.token(who))
    assert answer.status_code == status, answer.get_data(as_text=True)[:500]
    return answer.get_json()


def _walk(client: FlaskClient, cast: Cast, query: str) -> list[dict]:
    items, cursor = [], None
    while True:
        page = _get(client, cast, f"{API}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        assert page["total"] >= len(items)
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(items)
            return items


@pytest.mark.parametrize(
    "sort", ["-risk", "risk", "revenue", "-revenue", "plan", "-tenure", "user_id", "-created", "signup"]
)
def test_every_order_walks_through_all_customers_once(client: FlaskClient, cast: Cast, sort: str) -> None:
    items = _walk(client, cast, f"sort={sort}&limit=97&status=all")
    ids = [item["user_id"] for item in items]
    assert len(ids) == len(set(ids)) == 600
    field = {"risk": "margin", "tenure": "tenure_months", "user_id": "user_id", "plan": "plan"}.get(sort.strip("-"))
    if field:
        values = [item[field] for item in items if item[field] is not None]
        assert values == sorted(values, reverse=sort.startswith("-"))
        assert all(item[field] is None for item in items[len(values) :])


def test_pages_by_number_are_the_pages_by_cursor(client: FlaskClient, cast: Cast) -> None:
    walked = [item["user_id"] for item in _walk(client, cast, "limit=100&status=all")]
    paged = []
    for number in range(1, 8):
        paged += [
            item["user_id"] for item in _get(client, cast, f"{API}?page={number}&page_size=100&status=all")["items"]
        ]
    assert paged == walked


def test_high_risk_lists_what_the_metrics_count(client: FlaskClient, cast: Cast) -> None:
    metrics = _get(client, cast, "/api/v1/dashboard/metrics")
    listed = _get(client, cast, f"{API}/high-risk?limit=500")
    assert listed["total"] == metrics["predicted_churners"] == len(listed["items"])
    for item in listed["items"]:
        assert item["risk_band"] in ("high", "very_high") and item["churned"] is not True
        assert item["reasons"] and item["reasons"][0]["sentence"]
        assert item["interval"][0] <= item["interval"][1]
        assert item["confidence"] == pytest.approx(1 - (item["interval"][1] - item["interval"][0]))


def test_filters_narrow_and_their_counts_hold(client: FlaskClient, cast: Cast) -> None:
    everybody = _walk(client, cast, "limit=500&status=all")
    active = [item for item in everybody if item["churned"] is not True]
    assert len(_walk(client, cast, "limit=500")) == len(active)
    plan = everybody[0]["plan"]
    wanted = [item for item in active if item["plan"] == plan and (item["churn_probability"] or 0) >= 0.1]
    assert len(_walk(client, cast, f"limit=500&plan={plan}&min_probability=0.1")) == len(wanted)
    left = _walk(client, cast, "limit=500&status=left")
    assert len(left) == len(everybody) - len(active)


def test_search_finds_parts_and_is_not_read_as_a_query(client: FlaskClient, cast: Cast) -> None:
    one = _walk(client, cast, "limit=500&status=all")[5]["user_id"]
    found = _get(client, cast, f"{API}?status=all&q={one[2:]}")
    assert one in [item["user_id"] for item in found["items"]]
    for odd in ['" OR 1=1', "a AND NOT b", "user_id:x", "%", "_", "''", "(", "NEAR(a b)"]:
        _get(client, cast, f"{API}?status=all&q={odd}")
    assert _get(client, cast, f"{API}?status=all&q=%25")["total"] == 0


def test_high_value_is_the_top_fifth_by_revenue(client: FlaskClient, cast: Cast) -> None:
    page = _get(client, cast, f"{API}/high-value?limit=500&sort=revenue")
    lowest = page["items"][0]["revenue"]["amount_minor"]
    active = [item for item in _walk(client, cast, "limit=500") if item["revenue"]]
    assert page["total"] == sum(item["revenue"]["amount_minor"] >= lowest for item in active)
    assert page["total"] >= len(active) // 5


def test_personal_details_need_their_permission(client: FlaskClient, cast: Cast) -> None:
    one = _get(client, cast, f"{API}?limit=1")["items"][0]["user_id"]
    changed = client.patch(f"{API}/{one}", json={"name": "Ada Secret"}, headers=cast.token("agent"))
    assert changed.status_code == 200 and changed.get_json()["name"] == "Ada Secret"
    assert "name" not in _get(client, cast, f"{API}/{one}", "viewer")
    # No score is made from a name: the change has its moment, and the figures stay as up to date as they were.
    assert changed.get_json()["updated_at"] > changed.get_json()["created_at"]
    assert _get(client, cast, "/api/v1/dashboard/metrics")["stale"] is False
    assert _get(client, cast, f"{API}?q=Secret", "agent")["total"] == 1
    assert _get(client, cast, f"{API}?q=Secret", "viewer")["total"] == 0
    assert client.patch(f"{API}/{one}", json={"name": "x"}, headers=cast.token("viewer")).status_code == 403


def test_a_change_is_a_new_version_and_is_audited_without_values(client: FlaskClient, cast: Cast) -> None:
    one = _get(client, cast, f"{API}?limit=1")["items"][0]["user_id"]
    body = {
        "plan": "Gold",
        "tags": ["vip", "call first"],
        "attributes": {"device_count": 9},
        "revenue": {"amount_minor": 4242, "currency": "EUR"},
    }
    answer = client.patch(f"{API}/{one}", json=body, headers=cast.token("agent"))
    assert answer.status_code == 200, answer.get_json()
    record = _get(client, cast, f"{API}/{one}")
    assert record["plan"] == "Gold" and record["tags"] == ["call first", "vip"]
    assert record["revenue"] == {"amount_minor": 4242, "currency": "EUR"}
    assert {item["name"]: item["value"] for item in record["attributes"]}["device_count"] == 9
    assert _get(client, cast, "/api/v1/dashboard/metrics")["stale"] is True
    entries = _get(client, cast, "/api/v1/audit?action=customer.change", "owner")["items"]
    assert entries[0]["fields"] == ["attributes.device_count", "currency", "plan", "revenue_minor", "tags"]
    assert "Gold" not in str(entries) and one not in str(entries)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"attributes": {"no_such_thing": 1}}, "attributes.no_such_thing"),
        ({"attributes": {"device_count": "many"}}, "attributes.device_count"),
        ({"attributes": {"device_count": 1.5}}, "attributes.device_count"),
        ({"revenue": {"amount_minor": 1.5, "currency": "EUR"}}, "revenue.amount_minor"),
        ({"tags": ["a,b"]}, "tags.0"),
        ({"signup_at": "yesterday"}, "signup_at"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_bad_change_names_the_place_and_changes_nothing(
    client: FlaskClient, cast: Cast, body: dict, place: str
) -> None:
    one = _get(client, cast, f"{API}?limit=1")["items"][0]["user_id"]
    before = _get(client, cast, f"{API}/{one}")
    answer = client.patch(f"{API}/{one}", json={"plan": "Changed", **body}, headers=cast.token("agent"))
    assert answer.status_code == 422
    assert place in answer.get_json()["error"]["fields"]
    assert _get(client, cast, f"{API}/{one}") == before


def test_an_erased_person_is_gone_everywhere(client: FlaskClient, cast: Cast, settings: Settings, app) -> None:
    one = _get(client, cast, f"{API}?limit=1")["items"][0]["user_id"]
    client.patch(f"{API}/{one}", json={"name": "Zebulon Quirk", "email": "zq@example.org"}, headers=cast.token("agent"))
    assert client.delete(f"{API}/{one}", headers=cast.token("analyst")).status_code == 403
    answer = client.delete(f"{API}/{one}", headers=cast.token("owner"))
    assert answer.status_code == 200 and answer.get_json()["removed"]["identities"] == 1
    _get(client, cast, f"{API}/{one}", status=404)
    assert _get(client, cast, f"{API}?status=all&q=Zebulon", "agent")["total"] == 0
    with app.app_context():
        with db.engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.engine.dispose()
    stored = settings.database_file.read_bytes()
    assert b"Zebulon" not in stored and b"zq@example.org" not in stored
    assert re.search(rb"(?<![0-9A-Za-z_])" + one.encode() + rb"(?![0-9])", stored) is None


def test_the_export_holds_the_rows_of_the_list_in_its_order(client: FlaskClient, cast: Cast) -> None:
    one = _get(client, cast, f"{API}?limit=1&sort=user_id")["items"][0]["user_id"]
    client.patch(f"{API}/{one}", json={"name": "=HYPERLINK(1)"}, headers=cast.token("agent"))
    answer = client.get(f"{API}/export.csv?sort=user_id", headers=cast.token("analyst"))
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    listed = _walk(client, cast, "limit=500&sort=user_id")
    assert [row["user_id"] for row in rows] == [item["user_id"] for item in listed]
    assert rows[0]["name"] == "'=HYPERLINK(1)"
    assert float(rows[3]["churn_probability"]) == listed[3]["churn_probability"]
    assert rows[3]["watch_time_hours"] != ""
    assert client.get(f"{API}/export.csv", headers=cast.token("agent")).status_code == 403


def test_contributions_of_an_explanation_add_up_to_the_margin(client: FlaskClient, cast: Cast) -> None:
    one = _get(client, cast, f"{API}/high-risk?limit=1")["items"][0]
    found = _get(client, cast, f"{API}/{one['user_id']}/explanation", "viewer")
    total = found["base"] + sum(item["contribution"] for item in found["contributions"])
    assert total == pytest.approx(found["margin"], abs=1e-3)
    assert found["margin"] == pytest.approx(one["margin"], abs=1e-6)
    assert "30 days" not in str(found)
    history = _get(client, cast, f"{API}/{one['user_id']}/history", "viewer")
    assert history["items"][0]["margin"] == pytest.approx(one["margin"])


def test_lists_answer_304_until_something_changes(client: FlaskClient, cast: Cast) -> None:
    for path in (API, f"{API}/high-risk", "/api/v1/dashboard/metrics", "/api/v1/dashboard/distribution"):
        first = client.get(path, headers=cast.token("viewer"))
        again = client.get(path, headers=cast.token("viewer") | {"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304 and again.get_data() == b""


@pytest.mark.parametrize(
    "query",
    ["sort=luck", "cursor=xyz", "limit=0", "limit=100000", "band=purple", "min_probability=2", "page=0", "nonsense=1"],
)
def test_bad_queries_are_named(client: FlaskClient, cast: Cast, query: str) -> None:
    error = _get(client, cast, f"{API}?{query}", status=422)["error"]
    assert query.split("=", maxsplit=1)[0] in error["fields"] and error["request_id"]
