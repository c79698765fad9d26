"""Recommendations and the figures of the whole base over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.schemas.recommendations import ChurnRiskSchema, OverviewSchema, RecommendationsSchema
from tests.conftest import Cast
from tests.web.stocked import stock

ANALYTICS = "/api/v1/analytics"


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 customers, 48 of them active and scored."""
    with app.app_context():
        stock(60)


def test_a_customer_has_recommendations(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    found: Any = client.get("/api/v1/recommendations/cus_00000", headers=viewer).json
    assert RecommendationsSchema().validate(found) == {}
    assert (found["next_action"], found["no_action_because"]) == (
        None,
        "No play in force speaks of what raises this score.",
    )
    assert {one["key"] for one in found["offer"]["conditions"]} == {
        "active",
        "not_held_out",
        "rested",
        "net_gain",
        "depth",
    }
    assert client.get("/api/v1/recommendations/nobody", headers=viewer).status_code == 404
    assert client.get("/api/v1/recommendations/cus_00000").status_code == 401


def test_the_base_in_one_answer_says_what_its_parts_say(client: FlaskClient, cast: Cast) -> None:
    viewer = cast.token("viewer")
    whole: Any = client.get(f"{ANALYTICS}/overview", headers=viewer).json
    assert OverviewSchema().validate(whole) == {}
    for part in ("metrics", "distribution"):
        assert whole[part] == client.get(f"/api/v1/dashboard/{part}", headers=viewer).json
    assert whole["drivers"] == client.get("/api/v1/dashboard/features", headers=viewer).json
    assert whole["trends"] == client.get("/api/v1/dashboard/trends", headers=viewer).json["items"]
    risk: Any = client.get(f"{ANALYTICS}/churn-risk", headers=viewer).json
    assert ChurnRiskSchema().validate(risk) == {}
    assert sum(band["count"] for band in risk["bands"]) == risk["scored_customers"] == 48
    assert risk["revenue_at_risk"] == whole["metrics"]["revenue_at_risk"]


def test_cross_sell_without_orders_says_so(client: FlaskClient, cast: Cast) -> None:
    found: Any = client.get(f"{ANALYTICS}/cross-sell", headers=cast.token("viewer")).json
    assert (found["items"], found["buyers"], found["as_of"]) == ([], 0, None)
    assert found["note"]
    assert client.get(f"{ANALYTICS}/cross-sell?limit=0", headers=cast.token("viewer")).status_code == 422
