"""Segments in the browser: a rule is built by buttons alone, tried out while it is typed, kept, listed, and opened as a list of customers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import Customer
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.segments import saved
from tests.web.conftest import Browser
from tests.web.stocked import stock
from tests.web.test_figures import figures, listed
from tests.work import run_job

BASIC = {"field": "plan", "op": "in", "value": ["Basic"]}
ROOT = {"r.how": "all"}
PLAN = {**ROOT, "r.0.field": "plan", "r.0.op": "in", "r.0.value": "Basic"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def box(app: Flask) -> Flask:
    """60 customers, 48 of them active and scored; 15 on each plan."""
    with app.app_context():
        stock(60)
    return app


def keep(app: Flask, rule: object = BASIC, name: str = "On Basic") -> int:
    with app.app_context(), unit_of_work() as session:
        return saved.create(session, SYSTEM, {"name": name, "rule": rule}, time_zone="UTC").id


@pytest.mark.usefixtures("box")
def test_before_the_first_one_the_page_teaches(as_: Callable[[str], Browser]) -> None:
    assert "Make the first segment" in as_("analyst").get("/segments").text
    assert "Make the first segment" not in as_("viewer").get("/segments").text


@pytest.mark.usefixtures("box")
def test_a_rule_is_built_by_buttons_alone_and_kept(as_: Callable[[str], Browser], app: Flask) -> None:
    browser = as_("analyst")
    page = browser.post("/segments/new", {**ROOT, "r.add": "plan", "act": "add:r"})
    assert page.status_code == 200
    assert 'name="r.0.field" value="plan"' in page.text
    assert "One condition is not complete yet" in page.text
    page = browser.post("/segments/new", {**PLAN, "act": "group:r"})
    assert "15 customers" in page.text
    page = browser.post("/segments/new", {**PLAN, "r.1.how": "none", "r.1.add": "churned", "act": "add:r.1"})
    assert 'name="r.1.0.value"' in page.text
    full = {**PLAN, "r.1.how": "none", "r.1.0.field": "churned", "r.1.0.op": "is", "r.1.0.value": "yes"}
    assert "12 customers" in browser.post("/segments/new", {**full, "act": "look"}).text
    fewer = browser.post("/segments/new", {**full, "act": "remove:r.0"}).text
    assert "48 customers" in fewer
    answer = browser.post("/segments/new", {**full, "act": "save", "name": "Basic, still here"})
    assert answer.status_code == 303
    with app.app_context(), read_unit() as session:
        kept = saved.listed(session)[0]
    assert kept.rule == {"all": [BASIC, {"not": {"field": "churned", "op": "is", "value": True}}]}
    shown = browser.get(answer.headers["Location"])
    assert "Plan is Basic and not (has left is yes)" in shown.text
    assert 'name="r.1.0.field" value="churned"' in browser.get(f"/segments/{kept.id}/edit").text


@pytest.mark.usefixtures("box")
def test_what_is_wrong_stands_beside_its_condition_and_nothing_is_lost(as_: Callable[[str], Browser]) -> None:
    browser = as_("analyst")
    wrong = {**PLAN, "r.1.field": "revenue", "r.1.op": "ge", "r.1.value": "lots", "act": "save", "name": "X"}
    page = browser.post("/segments/new", wrong)
    assert page.status_code == 422
    assert re.search(r'id="r-1-note">Expected a number', page.text)
    assert 'value="lots"' in page.text
    assert browser.post("/segments/new", {**PLAN, "act": "save", "name": " "}).status_code == 422
    empty = browser.post("/segments/new", {**ROOT, "act": "save", "name": "Nothing"})
    assert empty.status_code == 422
    assert "at least one condition" in empty.text


@pytest.mark.usefixtures("box")
def test_typing_draws_the_answer_only_and_buttons_the_builder_with_it(as_: Callable[[str], Browser]) -> None:
    browser = as_("analyst")
    look = browser.post("/segments/new", {**PLAN, "act": "look"}, headers=HTMX).text
    assert "<html" not in look
    assert "15 customers" in look
    assert 'id="builder"' not in look
    drawn = browser.post("/segments/new", {**PLAN, "r.add": "revenue", "act": "add:r"}, headers=HTMX).text
    assert 'id="builder"' in drawn
    assert 'hx-swap-oob="true"' in drawn
    assert re.search(r'name="r.1.op"[^>]*autofocus', drawn)


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(
    ("field", "op", "value", "count"),
    [
        ("revenue", "ge", "19.99", 30),
        ("churn_probability", "ge", "0", 48),
        ("tenure_months", "between", "1", 2),
        ("plan", "unknown", None, 0),
        ("attribute.watch_time_hours", "known", None, 60),
        ("signup_at", "unknown", None, 60),
        ("tags", "has_none", "vip", 60),
        ("risk_band", "unknown", None, 12),
    ],
)
def test_every_kind_of_field_can_be_asked_for(
    as_: Callable[[str], Browser], field: str, op: str, value: str | None, count: int
) -> None:
    form = {**ROOT, "r.0.field": field, "r.0.op": op, "act": "look"}
    form |= {} if value is None else {"r.0.value": value, "r.0.to": "2"}
    assert f"{count} customer" in as_("analyst").post("/segments/new", form).text


def test_hostile_forms_are_no_server_error(box: Flask, as_: Callable[[str], Browser]) -> None:
    browser = as_("analyst")
    for form in (
        {"act": "remove:r.9.9"},
        {"act": "add:x"},
        {"act": "group:r.0", "r.how": "all", "r.0.field": "plan"},
        {"r.how": "sideways", "r.0.field": "nowhere", "r.0.op": "eq", "r.0.value": "\u0000"},
        {"r.how": "all", "r.0.field": "events.count", "r.0.op": "ge", "r.0.value": "1", "r.0.days": "-4"},
        {**{f"r{'.0' * depth}.how": "none" for depth in range(30)}, "act": "look"},
        {"r.how": "all", **{f"r.{i}.field": "plan" for i in range(60)}, **{f"r.{i}.op": "known" for i in range(60)}},
    ):
        assert browser.post("/segments/new", form).status_code == 200


def test_a_segment_is_changed_looked_at_and_deleted(
    box: Flask, as_: Callable[[str], Browser], settings: Settings
) -> None:
    one, browser = keep(box), as_("analyst")
    with box.app_context():
        run_job(settings, "segments", job=1)
        with unit_of_work() as session:
            for customer in session.query(Customer).filter(Customer.plan == "Family").limit(3):
                customer.plan = "Basic"
            revisions.bump(session, "customers")
    assert browser.post("/segments/look", {"back": str(one)}, page=f"/segments/{one}").status_code == 303
    with box.app_context():
        run_job(settings, "segments", job=2)
    page = browser.get(f"/segments/{one}").text
    assert "Size: up from 15 to 18" in page
    assert len(browser.get(f"/segments/{one}/history.csv").text.splitlines()) == 3
    followed = 0
    for source in (f"/segments/{one}", "/segments"):
        for address, figure in figures(browser.get(source).text).items():
            assert listed(browser.get(address).text) == figure, address
            followed += 1
    assert followed >= 5
    changed = browser.post(f"/segments/{one}/edit", {**PLAN, "act": "save", "name": "Renamed"})
    assert changed.status_code == 303
    assert browser.post(f"/segments/{one}/delete", {}, page=f"/segments/{one}").status_code == 303
    assert browser.get(f"/segments/{one}").status_code == 404


def test_what_others_build_on_is_not_deleted(box: Flask, as_: Callable[[str], Browser]) -> None:
    one, browser = keep(box), as_("analyst")
    page = f"/segments/{one}"
    assert "Delete this segment" in browser.get(page).text
    saved_list = {"name": "Basic ones", "of": f"cell=segment:{one}"}
    assert browser.post("/customers/views", saved_list, page="/customers").status_code == 303
    shown = browser.get(page).text
    assert "It is used by the saved view “Basic ones”" in shown and "Delete this segment" not in shown
    assert browser.post(f"{page}/delete", {}, page=page).headers["Location"].endswith(page)
    assert "Change or delete what builds on it first" in browser.get(page).text


def test_numbers_that_nothing_can_have_are_refused(box: Flask, as_: Callable[[str], Browser]) -> None:
    keep(box)
    browser = as_("analyst")
    beyond = "9" * 18  # microseconds of a year that no calendar has
    assert browser.get(f"/customers?cell=segment:1@present:{beyond}&status=all").status_code == 422
    assert browser.post("/segments/new", {**PLAN, "act": "remove:r.²"}).status_code < 500
    long = "0" * 19 + "1" + "0" * 5_000  # more digits than Python reads
    assert browser.get(f"/model/compare?first={long}&second=1").status_code == 422
    scheme = {"name": "x", "segment_id": "9" * 20, "act": "keep"}
    assert browser.post("/health-scores/schemes", scheme, page="/segments").status_code < 500


def test_a_rule_that_cannot_be_told_says_so(box: Flask, as_: Callable[[str], Browser]) -> None:
    one = keep(box, {"field": "attribute.payment_failures", "op": "ge", "value": 1})
    with box.app_context(), unit_of_work() as session:
        session.connection().exec_driver_sql("DELETE FROM attribute_definitions WHERE name = 'payment_failures'")
        revisions.bump(session, "customers")
    browser = as_("analyst")
    for page in ("/segments", f"/segments/{one}", f"/segments/{one}/edit"):
        assert "not on record" in browser.get(page).text
    assert browser.get(f"/customers?cell=segment:{one}").status_code == 422


def test_viewers_look_and_do_nothing_else(box: Flask, as_: Callable[[str], Browser]) -> None:
    one, browser = keep(box), as_("viewer")
    page = browser.get(f"/segments/{one}").text
    assert "/edit" not in page
    assert "Delete this segment" not in page
    assert browser.get("/segments/new").status_code == 403
    assert browser.post(f"/segments/{one}/delete", {}, page="/settings").status_code == 403
    assert browser.get("/segments.csv").text.splitlines()[1].startswith("On Basic,15,")


def test_lists_are_filtered_by_a_segment_and_kept_as_one(box: Flask, as_: Callable[[str], Browser]) -> None:
    one, browser = keep(box), as_("analyst")
    page = browser.get("/customers").text
    assert f'name="cell" value="segment:{one}"' in page
    chosen = browser.get(f"/customers?status=all&cell=segment:{one}")
    assert listed(chosen.text) == 15
    assert "On Basic" in chosen.text
    assert 'name="cell" value="segment:' in chosen.text
    assert re.search(rf'value="segment:{one}"[^>]*checked', chosen.text)
    form = browser.get("/segments/new?from=plan%3DPremium%26band%3Dhigh%26q%3Dcus_0").text
    assert 'name="r.1.field" value="risk_band"' in form
    assert "the search for “cus_0”" in form
    assert "from=" in page


def test_the_list_takes_a_segment_by_its_number(box: Flask, as_: Callable[[str], Browser]) -> None:
    one, browser = keep(box), as_("analyst")
    asked = browser.get(f"/customers?status=all&segment={one}")
    page = browser.get(asked.location) if asked.status_code in (302, 303) else asked
    assert listed(page.text) == 15
    assert f'value="segment:{one}"' in page.text
    assert len(as_("owner").get(f"/customers.csv?status=all&segment={one}").text.splitlines()) == 16
    assert browser.get("/customers?segment=x").status_code == 422
