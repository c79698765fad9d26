"""Customers are handed out from their list and from a segment: those who are ticked, all of a list, or the first of a segment."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from retainstream.db import read_unit, unit_of_work
from retainstream.models import Identity, Task, User
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import assigning
from retainstream.services.segments import saved
from tests.web.conftest import Browser
from tests.web.stocked import stock

SignIn = Callable[[str], Browser]
FORM = "/customers/assign"


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})


def owner(app: Flask, role: str) -> int:
    with app.app_context(), read_unit() as session:
        return session.scalars(select(User.id).where(User.role == role).order_by(User.id)).first() or 0


def tasks_of(app: Flask, who: int) -> set[str]:
    with app.app_context(), read_unit() as session:
        rows = select(Identity.user_id).join(Task, Task.customer_id == Identity.customer_id)
        return set(session.scalars(rows.where(Task.owner_id == who, Task.state == "open")))


def test_ticked_customers_become_somebodys_tasks_and_the_way_back_undoes_it(app: Flask, as_: SignIn) -> None:
    browser, agent = as_("analyst"), owner(app, "agent")
    ticked = ["cus_00000", "cus_00002", "cus_00003"]
    page = browser.get("/customers?band=high").text
    assert 'formaction="/customers/assign" formnovalidate' in page and f'<option value="{agent}">' in page
    form = {"of": "band=high", "user_id": ticked, "owner_id": str(agent)}
    answer = browser.post(FORM, form, page="/customers")
    assert answer.location == "/customers?band=high"
    assert "3 customers given to Agent." in browser.get(answer.location).text
    assert tasks_of(app, agent) == set(ticked)
    browser.post("/today/undo", {}, page="/today")
    assert tasks_of(app, agent) == set()


def test_a_list_that_is_no_query_string_is_told(as_: SignIn) -> None:
    form = {"of": "&" * 1500, "user_id": "cus_00000", "owner_id": "1"}
    assert as_("agent").post(FORM, form, page="/customers").status_code == 422


def test_what_others_have_is_refused_by_name_unless_it_is_asked_for(app: Flask, as_: SignIn) -> None:
    browser, agent, me = as_("analyst"), owner(app, "agent"), owner(app, "analyst")
    browser.post(FORM, {"of": "", "user_id": ["cus_00000"], "owner_id": str(agent)}, page="/customers")
    form = {"of": "", "user_id": ["cus_00000", "cus_00002"], "owner_id": str(me)}
    told = browser.get(browser.post(FORM, form, page="/customers").location).text
    assert "1 customer given to you, 1 refused." in told and "cus_00000 was not given:" in told
    browser.post(FORM, {**form, "reassign": "1"}, page="/customers")
    assert tasks_of(app, me) == {"cus_00000", "cus_00002"} and not tasks_of(app, agent)


def test_all_of_a_list_is_given_as_far_as_one_person_can_be_given_it(
    app: Flask, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, agent = as_("agent"), owner(app, "agent")
    form = {"of": "q=cus_0000", "all": "1", "owner_id": str(agent)}
    assert browser.post(FORM, form, page="/customers").status_code == 303
    listed = set(re.findall(r'value="(cus_\d+)" aria-label="Tick', browser.get("/customers?q=cus_0000").text))
    assert tasks_of(app, agent) == listed and len(listed) > 5
    monkeypatch.setattr(assigning, "MOST", 4)
    refused = browser.post(FORM, form, page="/customers")
    assert refused.status_code == 422 and "At most 4 customers can be given at once" in refused.text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"owner_id": "1"}, "No customer was ticked."),
        ({"owner_id": "x", "user_id": "cus_00000"}, "That is not one of the choices."),
        ({"owner_id": "999", "user_id": "cus_00000"}, "A task can only belong to somebody active"),
    ],
)
def test_a_form_that_cannot_be_done_says_why_and_keeps_its_ticks(
    app: Flask, as_: SignIn, form: dict[str, str], words: str
) -> None:
    answer = as_("agent").post(FORM, {"of": "", **form}, page="/customers")
    assert answer.status_code == 422 and words in answer.text
    assert "bulk--open" in answer.text
    assert ("checked" in answer.text.split("<tbody>")[1].split("</tbody>")[0]) == ("user_id" in form)


def test_the_first_of_a_segment_are_given_from_its_page(app: Flask, as_: SignIn) -> None:
    browser, agent = as_("analyst"), owner(app, "agent")
    with app.app_context(), unit_of_work() as session:
        wanted = {"name": "Scored", "rule": {"field": "risk_band", "op": "known"}}
        number = saved.create(session, SYSTEM, wanted, time_zone="UTC").id
    page = browser.get(f"/segments/{number}").text
    assert "Hand out" in page and f'value="cell=segment:{number}"' in page
    form = {"of": f"cell=segment:{number}", "all": "1", "from": "segment", "first": "5", "owner_id": str(agent)}
    answer = browser.post(FORM, form, page=f"/segments/{number}")
    assert answer.location == f"/segments/{number}"
    assert "5 customers given to Agent." in browser.get(answer.location).text
    members = browser.get(f"/customers?cell=segment:{number}").text
    assert tasks_of(app, agent) == set(re.findall(r'value="(cus_\d+)" aria-label="Tick', members)[:5])
    wrong = browser.post(FORM, {**form, "first": "0"}, page=f"/segments/{number}")
    assert wrong.location == f"/segments/{number}"
    assert "How many is not a number." in browser.get(wrong.location).text


def test_whoever_may_not_work_on_tasks_neither_sees_nor_does_it(app: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    assert FORM not in browser.get("/customers").text
    assert browser.post(FORM, {"user_id": "cus_00000", "owner_id": "1"}, page="/customers").status_code == 403
