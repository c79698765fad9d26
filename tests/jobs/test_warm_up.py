"""A server that starts loads the model in service on its own, and starts all the same when that fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from retainstream.jobs import background
from retainstream.services import registry
from tests.conftest import Cast

PREDICT = "/api/v1/predictions/predict"


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    registry.forget_loaded()
    yield
    registry.forget_loaded()


def spoil(app: Flask, statement: str) -> None:
    with app.app_context(), unit_of_work() as session:
        session.connection().exec_driver_sql(statement)


@pytest.mark.usefixtures("scored")
def test_after_it_a_prediction_reads_no_model_from_the_database(app: Flask, client: FlaskClient, cast: Cast) -> None:
    background.warm_up(app).join(60)
    spoil(app, "DELETE FROM model_artifacts")
    answer = client.post(PREDICT, json={"features": {"plan": "Basic"}}, headers=cast.token("viewer"))
    assert answer.status_code == 200
    assert answer.get_json()["reasons"]


@pytest.mark.usefixtures("scored")
def test_a_damaged_model_is_logged_and_the_server_answers(
    app: Flask, client: FlaskClient, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(app, "UPDATE model_artifacts SET data = substr(data, 1, 1000)")
    thread = background.warm_up(app)
    thread.join(60)
    assert not thread.is_alive()
    assert "warm failed" in caplog.text
    assert client.get("/ready").status_code == 200
    refused = client.post(PREDICT, json={"features": {"plan": "Basic"}}, headers=cast.token("viewer"))
    assert refused.status_code == 409


def test_without_a_model_there_is_nothing_to_do(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    background.warm_up(app).join(60)
    assert not caplog.records
