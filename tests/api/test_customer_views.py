"""Saved views of the list of customers, over the API."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from retainstream.db import unit_of_work
from retainstream.security.actor import COMMAND
from retainstream.services.customers import erasure
from tests.conftest import Cast
from tests.web.stocked import add_customers

VIEWS = "/api/v1/customers/views"


def test_a_view_is_kept_in_its_canonical_form_replaced_and_deleted(client: FlaskClient, cast: Cast) -> None:
    mine = cast.token("analyst")
    sent = {"name": "High", "parameters": "?sort=-revenue&q=&band=very_high,high"}
    made = client.post(VIEWS, json=sent, headers=mine)
    assert made.status_code == 201
    assert made.json["parameters"] == "band=high&band=very_high&sort=-revenue"
    again = client.post(
        VIEWS, json={"name": " High ", "parameters": "band=low&after=x", "shared": True}, headers=mine
    ).json
    assert (again["id"], again["parameters"], again["shared"]) == (made.json["id"], "band=low", True)
    for who, may in (("viewer", False), ("owner", True), ("analyst", True)):
        (seen,) = client.get(VIEWS, headers=cast.token(who)).json["items"]
        assert (seen["name"], seen["may_delete"], seen["mine"]) == ("High", may, who == "analyst")
    address = f"{VIEWS}/{made.json['id']}"
    assert client.delete(address, headers=cast.token("viewer")).status_code == 403
    assert client.delete(address, headers=mine).json == {"deleted": True, "name": "High"}
    assert client.delete(address, headers=mine).status_code == 404
    assert client.get(VIEWS, headers=mine).json["total"] == 0


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": "x", "parameters": "band=purple"}, "band"),
        ({"name": "x", "parameters": "group=nobody"}, "group"),
        ({"name": "x", "parameters": "bands=high"}, "bands"),
        ({"name": "x", "parameters": "band=high&bogus=1"}, "bogus"),
        ({"name": "x", "parameters": "everybody"}, "everybody"),
        ({"name": " ", "parameters": ""}, "name"),
        ({"name": "x"}, "parameters"),
    ],
)
def test_what_is_no_view_is_refused_by_field(client: FlaskClient, cast: Cast, sent: dict[str, str], field: str) -> None:
    answer = client.post(VIEWS, json=sent, headers=cast.token("viewer"))
    assert answer.status_code == 422
    assert field in answer.json["error"]["fields"]


def test_sharing_takes_the_permission_to_change_customers(client: FlaskClient, cast: Cast) -> None:
    sent = {"name": "Ours", "parameters": "", "shared": True}
    assert client.post(VIEWS, json=sent, headers=cast.token("viewer")).status_code == 403
    assert client.post(VIEWS, json=sent, headers=cast.token("agent")).status_code == 201


def test_erasing_a_person_takes_the_views_that_name_them(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 3)
    mine = cast.token("agent")
    for name, query in (("a", "q=name+1"), ("Name 1 again", ""), ("b", "q=na"), ("c", "q=Name+2"), ("d", "band=low")):
        assert client.post(VIEWS, json={"name": name, "parameters": query}, headers=mine).status_code == 201
    with app.app_context(), unit_of_work() as session:
        erasure.erase(session, COMMAND, "cus_00001", key=b"k" * 32)
    left = {item["name"] for item in client.get(VIEWS, headers=mine).json["items"]}
    assert left == {"b", "c", "d"}
