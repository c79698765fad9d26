"""Lifetime values over HTTP: pages of predictions, the summary with its check, and each figure's customers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.models import Customer, Identity
from retainstream.services import revisions
from tests.conftest import Cast
from tests.shop import open_shop


@pytest.fixture
def shop(app: Flask, settings: Settings) -> None:
    with app.app_context():
        open_shop(settings)


def get(client: FlaskClient, cast: Cast, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api/v1{path}", headers=cast.token("viewer"))
    assert answer.status_code == status, answer.json
    return answer.json


@pytest.mark.usefixtures("shop")
def test_predictions_are_paged_and_sum_to_the_total(client: FlaskClient, cast: Cast) -> None:
    first = get(client, cast, "/clv/predictions?limit=250")
    rest = get(client, cast, f"/clv/predictions?limit=250&cursor={first['next_cursor']}")
    items = [*first["items"], *rest["items"]]
    assert first["total"] == len({item["user_id"] for item in items}) == 400 and rest["next_cursor"] is None
    summary = get(client, cast, "/analytics/clv")
    total = sum(item["value"]["amount_minor"] for item in items)
    assert summary["total"]["value"]["amount_minor"] == pytest.approx(total, abs=400)
    assert summary["customers"] == 400 and summary["contract"] == first["contract"] == "purchases"
    second = get(client, cast, "/clv/predictions?page=2&page_size=10")
    assert second["items"] == items[10:20]


@pytest.mark.usefixtures("shop")
def test_the_summary_holds_terms_tenths_and_the_check(client: FlaskClient, cast: Cast) -> None:
    found = get(client, cast, "/analytics/clv")
    assert found["terms"] == {"months": 12, "margin": 1.0, "annual_discount": 0.1}
    assert sum(one["n"] for one in found["tenths"]) == 400
    for one in (*found["tenths"], found["top_tenth"]):
        query = {"cell": one["cell"], "status": "all", "limit": "1"}
        listed: Any = client.get("/api/v1/customers", query_string=query, headers=cast.token("viewer")).json
        assert listed["total"] == one["n"]
    check = found["hold_out"]
    assert check["money"]["mae"]["low"] <= check["money"]["mae"]["value"] <= check["money"]["mae"]["high"]
    assert check["parameters"]["bg_nbd"]["r"] > 0 and check["from"] < check["to"]


@pytest.mark.usefixtures("shop")
def test_the_export_of_a_person_holds_what_was_made_of_them(client: FlaskClient, cast: Cast) -> None:
    first = get(client, cast, "/clv/predictions?limit=1")["items"][0]
    answer: Any = client.get(f"/api/v1/customers/{first['user_id']}/export", headers=cast.token("owner")).json
    assert answer["lifetime_value"] == {name: first[name] for name in ("value", "low", "high")}
    assert answer["rfm_group"]


@pytest.mark.usefixtures("shop")
def test_a_cursor_of_another_list_is_refused(client: FlaskClient, cast: Cast) -> None:
    assert get(client, cast, "/clv/predictions?cursor=abc", status=422)["error"]["fields"]


def test_before_it_was_made_it_says_so(client: FlaskClient, cast: Cast) -> None:
    assert "minute" in get(client, cast, "/analytics/clv", status=409)["error"]["message"]
    assert get(client, cast, "/clv/predictions", status=409)


@pytest.mark.usefixtures("shop")
def test_values_are_narrowed_and_sorted(app: Flask, client: FlaskClient, cast: Cast) -> None:
    every = get(client, cast, "/clv/predictions?limit=500")["items"]
    with app.app_context(), unit_of_work() as session:
        gold = [item["user_id"] for item in every[::7]]
        ids = select(Identity.customer_id).where(Identity.user_id.in_(gold))
        session.execute(update(Customer).where(Customer.id.in_(ids)).values(plan="gold"))
        revisions.bump(session, "customers")
    found = get(client, cast, "/clv/predictions?plan=gold&limit=500")
    assert ([item["user_id"] for item in found["items"]], found["total"]) == (gold, len(gold))
    assert {item["plan"] for item in found["items"]} == {"gold"}
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Customer).where(Customer.plan == "gold").values(plan="Gold, yearly"))
        revisions.bump(session, "customers")
    assert get(client, cast, "/clv/predictions?plan=Gold,+yearly&plan=Basic&limit=1")["total"] == len(gold)
    walked: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = get(client, cast, f"/clv/predictions?sort=value&limit=150{cursor and f'&cursor={cursor}'}")
        walked += page["items"]
        cursor = page["next_cursor"]
    assert [item["user_id"] for item in walked] == [item["user_id"] for item in reversed(every)]
    alive = [item["p_alive"] for item in get(client, cast, "/clv/predictions?sort=-p_alive&limit=200")["items"]]
    assert alive == sorted((item["p_alive"] for item in every), reverse=True)[:200]
    one = get(client, cast, f"/clv/predictions?user_id={gold[1]}")
    assert (one["total"], one["items"][0]["user_id"]) == (1, gold[1])
    get(client, cast, "/clv/predictions?user_id=nobody", status=404)
    assert "sort" in get(client, cast, "/clv/predictions?sort=mood", status=422)["error"]["fields"]
    get(client, cast, f"/clv/predictions?cursor={page_cursor(client, cast)}&sort=value", status=422)


def page_cursor(client: FlaskClient, cast: Cast) -> str:
    return str(get(client, cast, "/clv/predictions?limit=5")["next_cursor"])
