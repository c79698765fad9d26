"""Reading, changing and setting back the preferences over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import read_unit
from retainstream.models import Setting
from retainstream.services.preferences import Preferences
from tests.conftest import Cast

URL = "/api/v1/preferences"


def test_a_change_is_kept_and_null_sets_it_back(app: Flask, client: FlaskClient, cast: Cast) -> None:
    owner = cast.token("owner")
    fresh: Any = client.get(URL, headers=owner).json
    assert (fresh["changed"], fresh["risk_bands"], fresh["currency"]) == ([], [0.2, 0.45, 0.7], "USD")
    changed: Any = client.patch(URL, json={"risk_bands": [0.1, 0.2, 0.3], "value_minor": 0}, headers=owner)
    assert changed.status_code == 200
    assert changed.json == client.get(URL, headers=owner).json
    assert changed.json["changed"] == ["risk_bands", "value_minor"]
    back: Any = client.patch(URL, json={"risk_bands": None, "acceptance": 0.5}, headers=owner).json
    assert (back["risk_bands"], back["acceptance"], back["changed"]) == (
        [0.2, 0.45, 0.7],
        0.5,
        ["acceptance", "value_minor"],
    )
    with app.app_context(), read_unit() as session:
        assert session.get(Setting, "hold_out_salt") is not None
    trail: Any = client.get("/api/v1/audit?target_kind=settings", headers=owner).json
    assert [(entry["action"], entry["fields"]) for entry in trail["items"]] == [
        ("settings.reset", ["risk_bands"]),
        ("settings.change", ["acceptance"]),
        ("settings.change", ["risk_bands", "value_minor"]),
    ]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"risk_bands": [0.3, 0.2, 0.4]}, "risk_bands"),
        ({"risk_bands": [0.3, 0.4]}, "risk_bands"),
        ({"acceptance": 0}, "acceptance"),
        ({"hold_out_share": 0.6}, "hold_out_share"),
        ({"value_minor": 1.5}, "value_minor"),
        ({"contact_cost_minor": -1}, "contact_cost_minor"),
        ({"hold_out_salt": "x"}, "hold_out_salt"),
        ({"daily_capacity": 0}, "daily_capacity"),
        ({"due_days": 91}, "due_days"),
        ({"rest_days": 1.5}, "rest_days"),
        ({"margin": 0}, "margin"),
        ({"annual_discount": 1.5}, "annual_discount"),
        ({"value_months": 61}, "value_months"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_stored(
    client: FlaskClient, cast: Cast, sent: dict[str, object], field: str
) -> None:
    answer = client.patch(URL, json={"high_value_share": 0.5, **sent}, headers=cast.token("owner"))
    assert answer.status_code == 422
    assert any(name.startswith(field) for name in answer.get_json()["error"]["fields"])
    after: Any = client.get(URL, headers=cast.token("owner")).json
    assert (after["changed"], after["high_value_share"]) == ([], Preferences().high_value_share)


def test_only_administrators_may(client: FlaskClient, cast: Cast) -> None:
    for who in ("analyst", "agent", "viewer"):
        assert client.get(URL, headers=cast.token(who)).status_code == 403
        assert client.patch(URL, json={}, headers=cast.token(who)).status_code == 403
