"""Figures that open their customers: an address narrows the list to exactly those, page, API and export alike; a wrong one is told."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.models import Customer, Identity
from retainstream.services import revisions
from retainstream.services.customers import cells, counted
from retainstream.services.customers.cells import Cell
from retainstream.services.customers.filters import CustomerFilter
from tests.conftest import Cast
from tests.population import FRAME, populate

made: list[str] = []


def every_other(session: Session, key: str) -> Cell:
    """Make a cell of this test: every `key`-th customer."""
    if not key.isdigit():
        raise InvalidInput("no such cell", fields={"cell": ["a number"]})
    made.append(key)
    ids = list(session.scalars(select(Customer.id).order_by(Customer.id)))
    return Cell(f"Every {key}", tuple(ids[:: int(key)]))


@pytest.fixture
def box(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setitem(cells.MAKERS, "every", f"{__name__}:every_other")
    made.clear()
    with app.app_context(), unit_of_work() as session:
        populate(session, FRAME)
    return app


def _total(client: FlaskClient, cast: Cast, query: str) -> int:
    answer = client.get(f"/api/v1/customers?status=all&limit=5&{query}", headers=cast.token("owner"))
    assert answer.status_code == 200, answer.text
    return int(answer.json["total"])


@pytest.mark.usefixtures("box")
def test_a_cell_narrows_and_two_of_them_narrow_together(client: FlaskClient, cast: Cast) -> None:
    everybody = _total(client, cast, "")
    assert _total(client, cast, "cell=every:2") == -(-everybody // 2)
    assert _total(client, cast, "cell=every:2;every:3") == -(-everybody // 6)


def test_midnight_makes_a_figure_that_counts_days_anew(box: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on record changes, and yet the list of a figure about days holds others."""

    def of_the_day(session: Session, key: str) -> Cell:
        ids = list(session.scalars(select(Customer.id).order_by(Customer.id)))
        return Cell("Of the day", tuple(ids[: 3 + clock.now_us() // clock.DAY_US % 2]))

    def total() -> int:
        with box.app_context(), read_unit() as session:
            return counted.total(session, cells.narrowed(session, CustomerFilter(status="all"), ["every:1"]))

    monkeypatch.setattr(f"{__name__}.every_other", of_the_day)
    today, now = total(), clock.now_us()
    assert total() == today
    monkeypatch.setattr(clock, "now_us", lambda: now + clock.DAY_US)
    assert {today, total()} == {3, 4}


@pytest.mark.usefixtures("box")
def test_export_holds_whom_the_list_holds(client: FlaskClient, cast: Cast) -> None:
    answer = client.get("/api/v1/customers/export.csv?status=all&cell=every:50", headers=cast.token("owner"))
    assert len(answer.text.splitlines()) - 1 == _total(client, cast, "cell=every:50")


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize("wrong", ["every:x", "nothing:1", "every", "every:1;every:2;every:3;every:4;every:5"])
def test_a_wrong_address_is_told(client: FlaskClient, cast: Cast, wrong: str) -> None:
    answer = client.get(f"/api/v1/customers?cell={wrong}", headers=cast.token("owner"))
    assert answer.status_code == 422
    assert "cell" in answer.json["error"]["fields"]


def test_a_cell_is_kept_until_something_changes(box: Flask) -> None:
    with box.app_context():
        for bumped in ("", "customers", "analyses"):
            with unit_of_work() as session:
                if bumped:
                    revisions.bump(session, bumped)
                first = cells.read(session, "every:7")
                assert cells.read(session, "every:7") is first
        assert made == ["7"] * 3


@pytest.mark.usefixtures("box")
def test_only_visible_customers_are_opened(client: FlaskClient, cast: Cast, app: Flask) -> None:
    before = _total(client, cast, "cell=every:1")
    with app.app_context(), unit_of_work() as session:
        gone = session.scalars(select(Identity.customer_id)).first()
        session.delete(session.get_one(Customer, gone))
        revisions.bump(session, "customers")
    assert _total(client, cast, "cell=every:1") == before - 1
