"""What analyses say of single customers over HTTP: in lists, on one customer, in files, and health with its past."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import AnalysisRun, LifetimeValue, RfmScore
from retainstream.services import revisions
from tests.conftest import Cast
from tests.web.healthy import add_health
from tests.web.stocked import stock

API = "/api/v1"
FIELDS = ("health", "rfm_group", "lifetime_value")


@pytest.fixture
def analysed(app: Flask, settings: Settings) -> None:
    """60 customers; those with an even id have a lifetime value and a group, the first 50 a health score today and 30 days ago."""
    assert settings
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            add_health(session, most=50)
            for kind in ("lifetime", "rfm"):
                run = AnalysisRun(
                    kind=kind, state="complete", as_of=1, data_as_of=1, n=30, made_at=clock.now_us(), inputs={}, summary={}
                )  # fmt: skip
                session.add(run)
                session.flush()
                session.add_all(_row(kind, run.id, one) for one in range(2, 61, 2))
            revisions.bump(session, "analyses")


def _row(kind: str, run_id: int, customer: int) -> Any:
    if kind == "rfm":
        return RfmScore(run_id=run_id, customer_id=customer, recency_days=3.0, frequency=4, r=3, f=3, name="loyal")
    return LifetimeValue(
        run_id=run_id, customer_id=customer, value_minor=1_000 * customer, low_minor=10, high_minor=90_000, currency="EUR",
        alive=0.5, purchases=3.0,
    )  # fmt: skip


def get(client: FlaskClient, cast: Cast, path: str, who: str = "viewer", status: int = 200) -> Any:
    answer = client.get(f"{API}{path}", headers=cast.token(who))
    assert answer.status_code == status, answer.text[:400]
    return answer.json


@pytest.mark.usefixtures("analysed")
def test_lists_and_single_customers_say_what_analyses_found(client: FlaskClient, cast: Cast) -> None:
    items = get(client, cast, "/customers?limit=500&status=all")["items"]
    assert len(items) == 60
    valued = [item for item in items if item["lifetime_value"] is not None]
    assert len(valued) == len([item for item in items if item["rfm_group"] == "loyal"]) == 30
    assert sum(item["health"] is None for item in items) == 10
    for item in (valued[0], next(one for one in items if one["health"] is None)):
        one = get(client, cast, f"/customers/{item['user_id']}")
        assert {name: one[name] for name in FIELDS} == {name: item[name] for name in FIELDS}
    assert valued[0]["lifetime_value"]["low"] == {"amount_minor": 10, "currency": "EUR"}


@pytest.mark.usefixtures("app")
def test_before_the_first_analyses_the_fields_are_null(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context():
        stock(10)
    item = get(client, cast, "/customers?limit=1")["items"][0]
    assert [item[name] for name in FIELDS] == [None, None, None]
    assert get(client, cast, "/health-scores/history") == {"items": []}
    get(client, cast, f"/customers/{item['user_id']}/health", status=409)


@pytest.mark.usefixtures("analysed")
def test_the_files_hold_the_columns_of_the_page(client: FlaskClient, cast: Cast) -> None:
    listed = {item["user_id"]: item for item in get(client, cast, "/customers?limit=500&status=all")["items"]}
    answer = client.get(f"{API}/customers/export.csv?status=all", headers=cast.token("analyst"))
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 60
    for row in rows:
        item = listed[row["user_id"]]
        health, value = item["health"] or {}, item["lifetime_value"]
        assert row["health_band"] == (health.get("band") or "")
        assert row["health_score"] == ("" if health.get("score") is None else str(health["score"]))
        assert row["rfm"] == (item["rfm_group"] or "")
        assert row["lifetime_currency"] == ("" if value is None else "EUR")
        assert float(row["lifetime_value"] or 0) == (0 if value is None else value["value"]["amount_minor"] / 100)
    assert client.get(f"{API}/customers/export.xlsx", headers=cast.token("analyst")).status_code == 200


@pytest.mark.usefixtures("analysed")
def test_one_customers_health_is_that_of_the_list_with_its_past(client: FlaskClient, cast: Cast) -> None:
    (item,) = get(client, cast, "/health-scores?limit=1")["items"]
    one = get(client, cast, f"/customers/{item['user_id']}/health")
    for name in ("score", "band", "confidence", "change", "scheme_id"):
        assert one[name] == item[name]
    assert one["scheme"] == "Ours" and sum(part["weight"] for part in one["parts"].values()) == 100
    assert {key: (part["points"], part["value"]) for key, part in one["parts"].items()} == {
        key: (part["points"], part["value"]) for key, part in item["parts"].items()
    }
    earlier, now = one["history"]
    assert (earlier["as_of"], now["as_of"]) == (one["compared_with"], one["as_of"])
    assert now["score"] == pytest.approx(one["score"], abs=0.01)
    if one["change"] is not None:
        assert now["score"] - earlier["score"] == pytest.approx(one["change"], abs=0.01)


@pytest.mark.usefixtures("analysed")
def test_health_of_somebody_without_a_score_and_of_nobody(client: FlaskClient, cast: Cast) -> None:
    without = next(
        item for item in get(client, cast, "/customers?limit=500&status=all")["items"] if item["health"] is None
    )
    one = get(client, cast, f"/customers/{without['user_id']}/health")
    assert (one["score"], one["parts"], one["history"], one["scheme"]) == (None, {}, [], None)
    get(client, cast, "/customers/nobody/health", status=404)


@pytest.mark.usefixtures("analysed")
def test_bands_by_date_are_those_of_the_page(client: FlaskClient, cast: Cast) -> None:
    items = get(client, cast, "/health-scores/history")["items"]
    assert len(items) == 2 and items[0]["as_of"] < items[1]["as_of"]
    assert items[1]["bands"] == dict.fromkeys(("critical", "weak", "fair", "good"), 100)
    assert (items[1]["customers"], items[1]["mean"], items[1]["unknown"]) == (50, 55.0, 4)
