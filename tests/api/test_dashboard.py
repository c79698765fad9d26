"""The overview's figures are those of the lists behind them, with and without customers and a model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import Customer
from retainstream.services import revisions
from tests.conftest import Cast

API = "/api/v1/dashboard"


def test_an_empty_box_answers_honestly(client: FlaskClient, cast: Cast) -> None:
    metrics = client.get(f"{API}/metrics", headers=cast.token("viewer")).get_json()
    assert metrics["total_customers"] == 0
    assert metrics["churn_rate"] is None and metrics["model"] is None and metrics["predicted_churners"] is None
    assert client.get(f"{API}/distribution", headers=cast.token("viewer")).get_json()["n"] == 0
    assert client.get(f"{API}/features", headers=cast.token("viewer")).get_json() == {
        "model_version": None,
        "items": [],
    }
    refused = client.post(f"{API}/predict", headers=cast.token("analyst"))
    assert refused.status_code == 409 and refused.get_json()["error"]["code"] == "not_ready"


@pytest.mark.usefixtures("scored")
def test_figures_equal_the_lists(client: FlaskClient, cast: Cast) -> None:
    metrics = client.get(f"{API}/metrics", headers=cast.token("viewer")).get_json()
    listed = client.get("/api/v1/customers?limit=500&status=active", headers=cast.token("viewer")).get_json()
    everybody = client.get("/api/v1/customers?limit=1&status=all", headers=cast.token("viewer")).get_json()["total"]
    left = client.get("/api/v1/customers?limit=1&status=left", headers=cast.token("viewer")).get_json()["total"]
    assert metrics["total_customers"] == everybody and metrics["active_customers"] == listed["total"]
    assert metrics["churn_rate"] == pytest.approx(left / everybody)
    items = listed["items"]
    while listed["next_cursor"]:
        listed = client.get(
            f"/api/v1/customers?limit=500&cursor={listed['next_cursor']}", headers=cast.token("viewer")
        ).get_json()
        items += listed["items"]
    if metrics["model"]["calibrated"]:
        chances = [item["churn_probability"] for item in items]
        assert metrics["expected_churners"] == pytest.approx(sum(chances))
        assert metrics["average_churn_probability"] == pytest.approx(sum(chances) / len(chances))
        at_risk = sum(item["revenue"]["amount_minor"] * item["churn_probability"] for item in items if item["revenue"])
        assert metrics["revenue_at_risk"]["amount_minor"] == pytest.approx(at_risk, abs=1)
        low, high = metrics["expected_churners_interval"]
        assert low < metrics["expected_churners"] < high
    assert metrics["model"]["auc_interval"][0] <= metrics["model"]["auc"] <= metrics["model"]["auc_interval"][1]
    assert metrics["stale"] is False


@pytest.mark.usefixtures("scored")
def test_the_distribution_counts_everybody_once_and_each_bar_opens_its_list(client: FlaskClient, cast: Cast) -> None:
    found = client.get(f"{API}/distribution", headers=cast.token("viewer")).get_json()
    scored = client.get(f"{API}/metrics", headers=cast.token("viewer")).get_json()["scored_customers"]
    assert (
        sum(item["count"] for item in found["bins"])
        == sum(item["count"] for item in found["bands"])
        == found["n"]
        == scored
    )
    for item in found["bands"]:
        listed = client.get(f"/api/v1/customers?limit=1&band={item['band']}", headers=cast.token("viewer")).get_json()
        assert listed["total"] == item["count"]


@pytest.mark.usefixtures("scored")
def test_drivers_are_ranked_and_their_shares_sum_to_one(client: FlaskClient, cast: Cast) -> None:
    items = client.get(f"{API}/features", headers=cast.token("viewer")).get_json()["items"]
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    assert sum(item["share"] for item in items) == pytest.approx(1)


@pytest.mark.usefixtures("scored")
def test_the_alias_answers_the_same(client: FlaskClient, cast: Cast) -> None:
    canonical = client.get("/api/v1/dashboard/metrics", headers=cast.token("viewer"))
    alias = client.get("/api/dashboard/metrics", headers=cast.token("viewer"))
    assert alias.status_code == 200 and alias.get_json() == canonical.get_json()


@pytest.mark.usefixtures("scored")
def test_predict_queues_one_job_and_says_so_the_second_time(client: FlaskClient, cast: Cast) -> None:
    first = client.post(f"{API}/predict", headers=cast.token("analyst"))
    assert first.status_code == 202
    assert first.headers["Location"].endswith(f"/api/v1/jobs/{first.get_json()['job']['id']}")
    second = client.post(f"{API}/predict", headers=cast.token("analyst"))
    assert second.status_code == 409


@pytest.mark.usefixtures("scored")
def test_kept_figures_follow_the_data_the_clock_and_the_callers_etag(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    caller = cast.token("viewer")
    first = client.get(f"{API}/metrics", headers=caller)
    again = client.get(f"{API}/metrics", headers=caller)
    assert again.data == first.data and again.headers["ETag"] == first.headers["ETag"]
    known = client.get(f"{API}/metrics", headers={**caller, "If-None-Match": first.headers["ETag"]})
    assert known.status_code == 304 and not known.data and known.headers["ETag"] == first.headers["ETag"]
    other = client.get(f"{API}/metrics", headers={**caller, "If-None-Match": '"another"'})
    assert other.status_code == 200 and other.data == first.data

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=37)):
        log_in = {"email": cast.emails["viewer"], "password": cast.password}
        access = client.post("/api/v1/auth/login", json=log_in).get_json()["access_token"]
        tomorrow = {"Authorization": f"Bearer {access}", "If-None-Match": first.headers["ETag"]}
        later = client.get(f"{API}/metrics", headers=tomorrow)
        assert later.status_code == 200 and later.headers["ETag"] != first.headers["ETag"]
        assert later.get_json() == {**first.get_json(), "stale": True}
    assert client.get(f"{API}/metrics", headers=caller).data == first.data

    with app.app_context(), unit_of_work() as session:
        customer = session.scalars(select(Customer).where(Customer.churned.is_(False))).first()
        assert customer is not None
        customer.churned, customer.updated_at = True, clock.now_us()
        revisions.bump(session, "customers")
    changed = client.get(f"{API}/metrics", headers=caller).get_json()
    assert changed["stale"] is True
    assert changed["churned_customers"] == first.get_json()["churned_customers"] + 1


@pytest.mark.usefixtures("scored")
def test_kept_figures_are_for_those_who_may_see_them(client: FlaskClient, cast: Cast) -> None:
    assert client.get(f"{API}/metrics", headers=cast.token("viewer")).status_code == 200
    assert client.get(f"{API}/metrics").status_code == 401
